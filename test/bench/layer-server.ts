/**
 * A mount of our kernel host with only the lower part of what a daemon has behind it: `layer-server.ts LAYER MOUNTPOINT FOLDER`, started by layers.ts.
 * `memory`: files in this process's memory; `tables`: the vfs and its store on disk, bytes in memory; `bytes`: those on disk too.
 * Nobody talks to a cloud. Says `{ up: true }`, and ends when it is unmounted.
 */
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { ok } from "../../src/base/result.ts";
import type { Content } from "../../src/content/content.ts";
import { diskContent } from "../../src/content/disk-content.ts";
import { recoverContent } from "../../src/content/recover-content.ts";
import { chooseHost } from "../../src/host/choose-host.ts";
import { fault } from "../../src/model/fault.ts";
import { itemId, ROOT } from "../../src/model/ids.ts";
import { DEFAULT_LOCAL_ONLY_NAMES } from "../../src/model/name.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import type { Store } from "../../src/store/store.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { createVfs, type VfsControl } from "../../src/vfs/create-vfs.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { fakeContent } from "../support/fake-content.ts";
import { memoryVfs } from "../support/memory-vfs.ts";

const [layer, mountpoint = "", folder = ""] = process.argv.slice(2);
const log = { fault: (line: string) => console.error(line), trace: () => undefined };
const drive = { download: async () => fault("offline", "no network") };
const onDefect = (error: unknown): never => {
  throw error;
};

const mounted = await chooseHost("kernel").mount(layer === "memory" ? memoryVfs() : await realVfs(), {
  mountpoint,
  attrTimeoutMs: undefined,
  entryTimeoutMs: undefined,
  readOnly: false,
  allowOther: false,
  source: "layer",
  onDefect,
});
if (!mounted.ok) throw new Error(mounted.fault.why);
process.send?.({ up: true });
await mounted.value.gone;
process.exit(0);

async function realVfs(): Promise<Vfs> {
  const stateDir = join(folder, "state");
  const opened = await openLmdbStore({ dir: stateDir, bootId: "layer", clock: systemClock });
  if (!opened.ok) throw new Error(opened.fault.why);
  const { store } = opened.value;
  const root = { id: itemId("root"), parent: ROOT, name: "root", kind: "folder", size: 0, mtime: 0, birth: 0 } as const;
  store.transact((tx) => {
    changeTrees(tx, new Map([[ROOT, { mirror: root }]]));
    tx.meta.put("enumerated", true);
  });
  const dirtied = (event: Parameters<VfsControl["dirtied"]>[0]): void => vfs.dirtied(event);
  const content = layer === "tables" ? fakeContent({ store, drive, dirtied }) : await onDisk(store, stateDir, dirtied);
  const vfs = createVfs({
    store,
    content,
    clock: systemClock,
    log,
    uid: process.getuid!(),
    gid: process.getgid!(),
    umask: 0o022,
    localOnlyNames: DEFAULT_LOCAL_ONLY_NAMES,
    readOnly: false,
    writeBackMs: 600_000,
    list: async () => ok(undefined),
    changed: () => undefined,
  });
  return vfs;
}

async function onDisk(store: Store, stateDir: string, dirtied: VfsControl["dirtied"]): Promise<Content> {
  const cacheDir = join(folder, "cache");
  await recoverContent({ store, stateDir, cacheDir, after: "clean", log });
  const limits = { cacheSizeBytes: 1024 ** 3, cacheFreeBytes: 0, readTimeoutMs: 1_000 };
  return diskContent({ store, drive, clock: systemClock, stateDir, cacheDir, dirtied, limits, log, onDefect });
}
