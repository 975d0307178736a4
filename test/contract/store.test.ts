/** The store contract, run on the store in memory and on LMDB. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import type { Store } from "../../src/store/store.ts";
import { crashDisk, type CrashDisk } from "../store/crash-disk.ts";
import { storeContract } from "./store-contract.ts";

storeContract("the store in memory", async () => {
  let memory = memoryStore();
  return {
    get store() {
      return memory;
    },
    async next(how) {
      memory = how === "kill" ? memory.kill() : how === "closed" ? memory.reopen() : memory.powerCut();
    },
    dispose: async () => undefined,
  };
});

storeContract("the store on disk", async () => {
  const folder = mkdtempSync(join(tmpdir(), "store-contract-"));
  const random = seededRandom("store-contract");
  const open: Store[] = [];
  let lives = 0;
  let boots = 0;
  let dir = `${folder}/0`;
  let disk: CrashDisk = crashDisk(dir);
  const start = async (): Promise<Store> => {
    const isReadable = async (): Promise<boolean> => true;
    const opened = await openLmdbStore({ dir, bootId: `boot-${boots}`, clock: manualClock(), disk, isReadable });
    if (!opened.ok) throw new Error(opened.fault.why);
    open.push(opened.value.store);
    return opened.value.store;
  };
  let store = await start();
  return {
    get store() {
      return store;
    },
    async next(how) {
      const target = `${folder}/${++lives}`;
      if (how === "powerCut") {
        boots++;
        disk.cutInto(target, random);
        disk = crashDisk(target);
        disk.adopt();
      } else {
        if (how === "closed") open.pop();
        disk.killInto(target);
        disk = disk.movedTo(target);
      }
      dir = target;
      store = await start();
    },
    async dispose() {
      for (const each of open) await each.close().catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
