/** The POSIX cases on the vfs with everything real below it: records in LMDB, bytes in files. Then the same tree after a restart. */
import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { ok } from "../../src/base/result.ts";
import type { Content } from "../../src/content/content.ts";
import { diskContent } from "../../src/content/disk-content.ts";
import { itemId, ROOT } from "../../src/model/ids.ts";
import { DEFAULT_LOCAL_ONLY_NAMES } from "../../src/model/name.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import type { Store } from "../../src/store/store.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { createVfs, type VfsControl } from "../../src/vfs/create-vfs.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { origin } from "../contract/content-origin.ts";
import { readFile, writeFile } from "./calls.ts";
import { cases } from "./cases.ts";
import { done, vfsFolder } from "./vfs-folder.ts";

const quiet = { fault: () => undefined, trace: () => undefined };
const me = { uid: 1000, gid: 1000, pid: 1 };
const throws = (error: unknown): never => {
  throw error;
};

interface Built {
  readonly store: Store;
  readonly content: Content;
  readonly vfs: Vfs & VfsControl;
}

async function build(dir: string): Promise<Built> {
  for (const part of ["store", "state", "cache"]) await mkdir(join(dir, part), { recursive: true });
  const opened = await openLmdbStore({ dir: join(dir, "store"), bootId: "boot", clock: systemClock });
  assert.ok(opened.ok);
  const { store } = opened.value;
  const late: { vfs?: Vfs & VfsControl } = {};
  const content = diskContent({
    store,
    drive: origin(),
    clock: systemClock,
    stateDir: join(dir, "state"),
    cacheDir: join(dir, "cache"),
    dirtied: (event) => late.vfs!.dirtied(event),
    limits: { cacheSizeBytes: 1e9, cacheFreeBytes: 0, readTimeoutMs: 1000 },
    log: quiet,
    onDefect: throws,
  });
  if (!store.read.mirror.get(ROOT))
    store.transact((tx) => {
      const root = {
        id: itemId("root"),
        parent: ROOT,
        name: "root",
        kind: "folder",
        size: 0,
        mtime: 0,
        birth: 0,
      } as const;
      changeTrees(tx, new Map([[ROOT, { mirror: root }]]));
      tx.meta.put("enumerated", true);
    });
  late.vfs = createVfs({
    store,
    content,
    clock: systemClock,
    log: quiet,
    ...me,
    umask: 0o022,
    localOnlyNames: DEFAULT_LOCAL_ONLY_NAMES,
    readOnly: false,
    writeBackMs: 60,
    list: async () => ok(),
    changed: () => undefined,
  });
  return { store, content, vfs: late.vfs };
}

describe("posix: the vfs on disk", () => {
  let dir = "";
  let built: Built;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "vfs-"));
    built = await build(dir);
  });
  after(async () => {
    await end(built);
    await rm(dir, { recursive: true, force: true });
  });

  for (const [number, { name, run }] of cases.entries())
    it(name, async () => {
      const folder = await done(built.vfs.mkdir(ROOT, String(number), 0o755, me));
      await run(vfsFolder(built.vfs, () => sleep(15), folder.inode));
      assert.equal(built.vfs.openHandles(), 0);
    });

  it("a backup that is kept has its own copy of the bytes", async () => {
    const folder = await done(built.vfs.mkdir(ROOT, "kept", 0o755, me));
    const calls = vfsFolder(built.vfs, () => sleep(15), folder.inode);
    await writeFile(calls, "f", "old bytes");
    await calls.rename("f", "f~");
    await writeFile(calls, "f", "new bytes");
    await built.vfs.settle();
    assert.deepEqual([await readFile(calls, "f"), await readFile(calls, "f~")], ["new bytes", "old bytes"]);
  });

  it("everything is there after a restart", async () => {
    const before = await walk(built.vfs, "");
    assert.ok(before.length > 50);
    await end(built);
    built = await build(dir);
    assert.deepEqual(await walk(built.vfs, ""), before);
  });
});

async function end({ vfs, content, store }: Built): Promise<void> {
  vfs.stopAccepting();
  await content.close();
  await store.close();
}

async function walk(vfs: Vfs, path: string): Promise<string[]> {
  const calls = vfsFolder(vfs, () => undefined);
  const found: string[] = [];
  for (const name of await calls.readdir(path)) {
    const inner = `${path}/${name}`;
    const { kind, ino, size, mode, mtimeMs } = await calls.stat(inner);
    const text = kind === "file" ? await readFile(calls, inner) : "";
    found.push(JSON.stringify({ inner, kind, ino, size, mode, mtimeMs, text }));
    if (kind === "folder") found.push(...(await walk(vfs, inner)));
  }
  return found;
}
