/**
 * A Disk over a real folder that knows what a power cut would leave of it. Bytes are safe after `sync` of their file, names after
 * `syncFolder`; everything later may be there in part: a seeded choice of how many of the unsynced name changes happened, and of
 * how much of unsynced bytes got to the disk, whole or garbled. LMDB's file, which is synced only before a clean mark, is damaged at will without one.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { Random } from "../../src/base/random.ts";
import { realDisk, type Disk, type DiskFile } from "../../src/store/disk.ts";

interface Inode {
  /** Content at the last sync. */
  safe: Buffer | undefined;
}

type NameChange = { readonly name: string; readonly inode: Inode | undefined };

export interface CrashDisk extends Disk {
  /** Called after every operation; the moments at which the power may be cut. */
  onStep: (what: string) => void;
  /** Fails the operations it returns an error for. */
  fault: (what: string, path: string) => Error | undefined;
  /** What is left in `target` when the power is cut now. */
  cutInto(target: string, random: Random): void;
  /** What a kill -9 leaves: all that was written. */
  killInto(target: string): void;
  /** The same history for a copy of the folder (made by `killInto`). */
  movedTo(copy: string): CrashDisk;
  /** Takes everything in the folder as safe: what a disk shows after the power is back. */
  adopt(): void;
}

interface History {
  readonly names: Map<string, Inode>;
  safeNames: Map<string, Inode>;
  changes: NameChange[];
}

export function crashDisk(
  folder: string,
  history: History = { names: new Map(), safeNames: new Map(), changes: [] },
): CrashDisk {
  const { names } = history;

  const rename = (name: string, inode: Inode | undefined): void => {
    if (inode) names.set(name, inode);
    else names.delete(name);
    history.changes.push({ name, inode });
  };
  const step = async <T>(what: string, path: string, act: () => Promise<T>): Promise<T> => {
    const error = disk.fault(what, path);
    if (error) throw error;
    const result = await act();
    disk.onStep(`${what} ${basename(path)}`);
    return result;
  };
  const tracked = (path: string, inode: Inode, file: DiskFile): DiskFile => ({
    write: (bytes, position) => step("write", path, () => file.write(bytes, position)),
    sync: () =>
      step("sync", path, async () => {
        await file.sync();
        inode.safe = readFileSync(path);
      }),
    close: () => file.close(),
  });

  const disk: CrashDisk = {
    ...realDisk,
    onStep: () => undefined,
    fault: () => undefined,
    create: (path) =>
      step("create", path, async () => {
        const inode = names.get(basename(path)) ?? { safe: undefined };
        rename(basename(path), inode);
        return tracked(path, inode, await realDisk.create(path));
      }),
    open: (path) =>
      step("open", path, async () => {
        const inode = names.get(basename(path)) ?? { safe: undefined };
        if (!names.has(basename(path))) rename(basename(path), inode);
        return tracked(path, inode, await realDisk.open(path));
      }),
    rename: (from, to) =>
      step("rename", to, async () => {
        await realDisk.rename(from, to);
        const inode = names.get(basename(from));
        rename(basename(from), undefined);
        if (inode) rename(basename(to), inode);
      }),
    remove: (path) =>
      step("remove", path, async () => {
        await realDisk.remove(path);
        if (names.has(basename(path))) rename(basename(path), undefined);
      }),
    syncFolder: (path) =>
      step("syncFolder", path, async () => {
        await realDisk.syncFolder(path);
        history.safeNames = new Map(names);
        history.changes = [];
      }),
    cutInto(target, random) {
      mkdirSync(target, { recursive: true });
      const left = new Map(history.safeNames);
      for (const { name, inode } of history.changes.slice(0, random.below(history.changes.length + 1)))
        if (inode) left.set(name, inode);
        else left.delete(name);
      for (const [name, inode] of left) writeFileSync(`${target}/${name}`, survived(inode, current(inode), random));
      if (!existsSync(`${folder}/store.mdb`)) return;
      const mark = left.has("mark") ? readFileSync(`${target}/mark`, "utf8") : "";
      if (mark.includes('"clean"')) copyFileSync(`${folder}/store.mdb`, `${target}/store.mdb`);
      else damage(`${folder}/store.mdb`, `${target}/store.mdb`, random);
    },
    killInto(target) {
      mkdirSync(target, { recursive: true });
      for (const name of readdirSync(folder))
        if (!name.endsWith("-lock")) copyFileSync(`${folder}/${name}`, `${target}/${name}`);
    },
    movedTo: (copy) => crashDisk(copy, history),
    adopt() {
      for (const name of readdirSync(folder))
        if (!name.startsWith("store.mdb")) names.set(name, { safe: readFileSync(`${folder}/${name}`) });
      history.safeNames = new Map(names);
    },
  };
  const current = (inode: Inode): Buffer => {
    const name = [...names].find(([, other]) => other === inode)?.[0];
    return name !== undefined && existsSync(`${folder}/${name}`) ? readFileSync(`${folder}/${name}`) : Buffer.alloc(0);
  };
  return disk;
}

/** The safe bytes, then some of the unsynced ones, the last few of which may be garbage. */
function survived(inode: Inode, now: Buffer, random: Random): Buffer {
  const safe = inode.safe ?? Buffer.alloc(0);
  if (now.length <= safe.length) return safe;
  const tail = Buffer.from(now.subarray(safe.length, safe.length + random.below(now.length - safe.length + 1)));
  if (tail.length > 0 && random.below(2) === 0) tail[random.below(tail.length)]! ^= 0x55;
  return Buffer.concat([safe, tail]);
}

/** LMDB's file after a power cut without syncs: gone, short, or with pages that never got to the disk. */
function damage(from: string, to: string, random: Random): void {
  const bytes = readFileSync(from);
  const how = random.below(4);
  if (how === 0) return;
  if (how === 1) return writeFileSync(to, bytes.subarray(0, random.below(bytes.length)));
  for (let page = 0; page * 4096 < bytes.length; page++)
    if (random.below(3) === 0) bytes.fill(how === 2 ? 0 : 0xa5, page * 4096, (page + 1) * 4096);
  writeFileSync(to, bytes);
}
