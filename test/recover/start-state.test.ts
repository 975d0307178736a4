/**
 * A start is killed at every step between the restore of a damaged index and the first sweep, and begun again. Unpushed bytes that the
 * restored index has no row for are never among what a sweep would remove.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { blobId, itemKey, ROOT } from "../../src/model/ids.ts";
import { startState } from "../../src/recover/start-state.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import type { OpenedStore, Store } from "../../src/store/store.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { crashDisk } from "../store/crash-disk.ts";

const BOOT = "boot";
/** The damage of this test is in the first page. */
const isReadable = async (path: string): Promise<boolean> => readFileSync(path).readUInt32LE(24) === 0xbeefc0de;

/** A start of the state folder in `root`; `step` is called at every moment it may be killed at. */
async function start(
  root: string,
  how: { step?: (what: string, disk?: Disk) => void; bootId?: string } = {},
): Promise<Store> {
  const { step = () => undefined, bootId = BOOT } = how;
  const storeDir = join(root, "store");
  mkdirSync(storeDir, { recursive: true });
  const disk = crashDisk(storeDir);
  disk.adopt();
  disk.onStep = (what) => step(what, disk);
  const started = await startState({
    stateDir: root,
    cacheDir: join(root, "cache"),
    storeDir,
    now: 1,
    log: { fault: (what) => step(what, disk), trace: () => undefined },
    open: async () => {
      const opened = await openLmdbStore({
        dir: storeDir,
        bootId,
        clock: manualClock(),
        disk,
        isReadable,
      });
      return opened.ok ? { ok: true, value: stepping(opened.value, (what) => step(what, disk)) } : opened;
    },
  });
  assert.ok(started.ok, JSON.stringify(started));
  step("started", disk);
  return started.value.store;
}

type Disk = ReturnType<typeof crashDisk>;

/** Every commit and every barrier is a moment too. */
function stepping(opened: OpenedStore, step: (what: string) => void): OpenedStore {
  const { store } = opened;
  const watched: Store = {
    read: store.read,
    snapshot: () => store.snapshot(),
    transact: (change) => {
      const value = store.transact(change);
      step("commit");
      return value;
    },
    barrier: () => store.barrier(),
    beforeBarrier: (hook) => store.beforeBarrier(hook),
    close: () => store.close(),
  };
  return { ...opened, store: watched };
}

/** What a running program leaves in `root` when it is killed and its index is damaged at the same time: rows of blobs 3 and 4 are gone. */
async function damaged(root: string): Promise<void> {
  mkdirSync(join(root, "blobs"), { recursive: true });
  const write = (store: Store, number: number): void => {
    const [node, blob] = [itemKey(10 + number), blobId(number)];
    writeFileSync(join(root, "blobs", String(number)), `bytes of ${number}`);
    store.transact((tx) => {
      const content = { from: "blob", blob, size: 10 } as const;
      const local = { kind: "file", parent: ROOT, name: `f${number}`, mtime: 1, content } as const;
      changeTrees(tx, new Map([[node, { local }]]));
      tx.blobs.put(blob, { node, size: 0, state: "open" });
      tx.meta.put("nextBlob", 65);
      tx.meta.put("nextNode", 100);
    });
  };
  const storeDir = join(root, "store");
  const running = await openLmdbStore({ dir: storeDir, bootId: BOOT, clock: manualClock() });
  assert.ok(running.ok);
  await running.value.reconciled();
  const { store } = running.value;
  write(store, 1);
  write(store, 2);
  await store.barrier();
  write(store, 3);
  write(store, 4);
  cpSync(storeDir, join(root, "killed"), { recursive: true });
  await store.close();
  rmSync(storeDir, { recursive: true });
  cpSync(join(root, "killed"), storeDir, { recursive: true });
  rmSync(join(root, "killed"), { recursive: true });
  writeFileSync(join(storeDir, "store.mdb"), readFileSync(join(storeDir, "store.mdb")).fill(0, 0, 16_384));
}

/** Texts of unpushed bytes that nothing would sweep: those a row names, and those set aside. */
function kept(root: string, store: Store): string[] {
  const texts = [...store.read.blobs.range()].map(([blob]) => join(root, "blobs", String(blob)));
  const found = join(root, "found");
  if (existsSync(found)) texts.push(...readdirSync(found).map((name) => join(found, name)));
  return texts.map((path) => readFileSync(path, "utf8")).sort();
}

const ALL = [1, 2, 3, 4].map((number) => `bytes of ${number}`);

test("a start that is killed at any step, after the index was damaged, leaves no unpushed bytes to a sweep", async () => {
  const top = mkdtempSync(join(tmpdir(), "start-"));
  try {
    const root = join(top, "state");
    await damaged(root);
    const left: { what: string; dir: string; bootId: string }[] = [];
    // A power cut before that is one like any other: it takes what no barrier covered.
    let isWordSafe = false;
    const step = (what: string, disk?: Disk): void => {
      const dir = join(top, `killed-${left.length}`);
      cpSync(root, dir, { recursive: true });
      left.push({ what, dir, bootId: BOOT });
      isWordSafe ||= what.startsWith("syncFolder") && existsSync(join(root, "store", "lacking"));
      if (!disk || !isWordSafe) return;
      const cut = join(top, `cut-${left.length}`);
      cpSync(root, cut, { recursive: true });
      rmSync(join(cut, "store"), { recursive: true });
      disk.cutInto(join(cut, "store"), seededRandom(`cut ${left.length}`));
      left.push({ what: `power cut after ${what}`, dir: cut, bootId: "next boot" });
    };
    const store = await start(root, { step });
    assert.deepEqual(kept(root, store), ALL);
    await store.close();
    for (const { what, dir, bootId } of left) {
      const again = await start(dir, { bootId });
      assert.deepEqual(kept(dir, again), ALL, `after: ${what}`);
      assert.equal(again.read.meta.get("nextBlob"), 65);
      await again.close();
    }
    const steps = left.map(({ what }) => what);
    for (const what of ["rename store.mdb", "remove lacking", "syncFolder store", "commit", "started"])
      assert.ok(steps.includes(what), `killed after: ${what} of ${steps.join(", ")}`);
    assert.ok(steps.some((what) => what.includes("set aside")));
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
});

test("a first start that is killed leaves word that the index knows nothing of the files that are there", async () => {
  const top = mkdtempSync(join(tmpdir(), "first-start-"));
  try {
    const root = join(top, "state");
    mkdirSync(join(root, "blobs"), { recursive: true });
    writeFileSync(join(root, "blobs", "7"), "bytes of 7");
    const left: string[] = [];
    const step = (): void => {
      left.push(join(top, `killed-${left.length}`));
      cpSync(root, left.at(-1)!, { recursive: true });
    };
    const store = await start(root, { step });
    await store.close();
    for (const dir of left) {
      const again = await start(dir);
      assert.deepEqual(kept(dir, again), ["bytes of 7"]);
      assert.equal(again.read.meta.get("nextBlob"), 8, "its number is not given again");
      await again.close();
    }
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
});
