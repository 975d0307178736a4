/** Calls on a vfs in this process: walks paths as a kernel does and turns faults into errno names. */
import type { Result } from "../../src/base/result.ts";
import type { Fault, FaultKind } from "../../src/model/fault.ts";
import { ROOT, type HandleId, type ItemKey } from "../../src/model/ids.ts";
import type { Time } from "../../src/model/item.ts";
import type { Attributes, Caller, Reply, Vfs } from "../../src/vfs/vfs.ts";
import type { Calls, Mode, OpenFile, Stat } from "./calls.ts";

const CODES: Partial<Record<FaultKind, string>> = {
  notFound: "ENOENT",
  exists: "EEXIST",
  notEmpty: "ENOTEMPTY",
  isFolder: "EISDIR",
  notFolder: "ENOTDIR",
  invalid: "EINVAL",
  nameTooLong: "ENAMETOOLONG",
  badHandle: "EBADF",
  notPermitted: "EPERM",
  denied: "EACCES",
  readOnly: "EROFS",
  noSpace: "ENOSPC",
  tooLarge: "EFBIG",
  notSupported: "ENOTSUP",
  noAttribute: "ENODATA",
  offline: "EIO",
  io: "EIO",
  stale: "ESTALE",
};

const caller: Caller = { uid: 1000, gid: 1000, pid: 1 };

/** `root`: the folder that paths are relative to. */
export function vfsFolder(vfs: Vfs, pause: () => void | Promise<void>, root: ItemKey = ROOT): Calls {
  const find = async (path: string): Promise<Attributes> => {
    let at = must(vfs.getattr(root));
    for (const name of path.split("/").filter((part) => part !== "" && part !== ".")) {
      if (at.kind !== "folder") throw coded("notFolder");
      at = name === ".." ? must(vfs.getattr(must(vfs.parentOf(at.inode)))) : await done(vfs.lookup(at.inode, name));
    }
    return at;
  };
  const folderOf = async (path: string): Promise<{ parent: ItemKey; name: string }> => {
    const parts = path.split("/").filter((part) => part !== "");
    const name = parts.pop()!;
    const folder = await find(parts.join("/"));
    if (folder.kind !== "folder") throw coded("notFolder");
    return { parent: folder.inode, name };
  };
  const rename = async (from: string, to: string, how: "replace" | "noReplace" | "exchange"): Promise<void> => {
    const target = await folderOf(to);
    await done(vfs.rename(await folderOf(from), target, how));
  };
  return {
    open: (path, mode, permissions) => openPath(vfs, path, { mode, permissions: permissions ?? 0o666, find, folderOf }),
    stat: async (path) => statOf(await find(path)),
    readdir: async (path) => {
      const names: string[] = [];
      const folder = (await find(path)).inode;
      for (let after: string | undefined; ;) {
        const page = await done(vfs.readdir(folder, after, 7));
        if (page.length === 0) return names;
        names.push(...page.map((entry) => entry.name));
        after = page.at(-1)!.cookie;
      }
    },
    mkdir: async (path, permissions) => {
      const { parent, name } = await folderOf(path);
      await done(vfs.mkdir(parent, name, (permissions ?? 0o777) & ~0o022, caller));
    },
    rmdir: async (path) => {
      const { parent, name } = await folderOf(path);
      await done(vfs.rmdir(parent, name));
    },
    unlink: async (path) => {
      const { parent, name } = await folderOf(path);
      await done(vfs.unlink(parent, name));
    },
    rename: (from, to) => rename(from, to, "replace"),
    renameat2: rename,
    truncate: async (path, size) => void (await done(vfs.setattr((await find(path)).inode, { size }, caller))),
    chmod: async (path, mode) => void (await done(vfs.setattr((await find(path)).inode, { mode }, caller))),
    chown: async (path, uid, gid) => void (await done(vfs.setattr((await find(path)).inode, { uid, gid }, caller))),
    utimes: async (path, mtime) =>
      void (await done(vfs.setattr((await find(path)).inode, { mtime: time(mtime) }, caller))),
    uid: caller.uid,
    gid: caller.gid,
    pause: async () => pause(),
  };
}

interface Opening {
  readonly mode: Mode;
  readonly permissions: number;
  find(path: string): Promise<Attributes>;
  folderOf(path: string): Promise<{ parent: ItemKey; name: string }>;
}

async function openPath(vfs: Vfs, path: string, opening: Opening): Promise<OpenFile> {
  const { mode, find, folderOf } = opening;
  const flags = {
    read: /[r+c]/.test(mode),
    write: mode !== "r",
    append: mode.startsWith("a"),
    truncate: mode.startsWith("w"),
    exclusive: mode.includes("x"),
  };
  const { parent, name } = await folderOf(path);
  const there = await Promise.resolve(vfs.lookup(parent, name));
  if (there.ok && flags.exclusive) throw coded("exists");
  if (there.ok && flags.write && there.value.kind === "folder") throw coded("isFolder");
  if (there.ok) return openFile(vfs, there.value.inode, await done(vfs.open(there.value.inode, flags, caller)));
  if (mode.startsWith("r")) await find(path);
  const made = await done(vfs.create(parent, name, opening.permissions & ~0o022, flags, caller));
  return openFile(vfs, made.attributes.inode, made.handle);
}

function openFile(vfs: Vfs, node: ItemKey, handle: HandleId): OpenFile {
  const set = async (change: Parameters<Vfs["setattr"]>[1]): Promise<void> =>
    void (await done(vfs.setattr(node, change, caller, handle)));
  return {
    read: async (position, length) => Buffer.from(await done(vfs.read(handle, position, length))).toString("latin1"),
    write: (position, text) => done(vfs.write(handle, position, Buffer.from(text, "latin1"))),
    truncate: (size) => set({ size }),
    stat: async () => statOf(must(vfs.getattr(node, handle))),
    chmod: (mode) => set({ mode }),
    utimes: (mtime) => set({ mtime: time(mtime) }),
    fsync: async () => void (await done(vfs.fsync(handle))),
    close: async () => {
      await done(vfs.flush(handle));
      await done(vfs.release(handle));
    },
  };
}

/** The value of a reply; a fault is thrown with its errno name. */
export async function done<T>(reply: Reply<T>): Promise<T> {
  return must(await reply);
}

function must<T>(result: Result<T, Fault>): T {
  if (!result.ok) throw coded(result.fault.kind, result.fault.why);
  return result.value;
}

function coded(kind: FaultKind, why = ""): Error {
  return Object.assign(new Error(`${kind}: ${why}`), { code: CODES[kind] ?? kind });
}

function time(seconds: number): Time {
  const s = Math.floor(seconds);
  return { s, n: Math.round((seconds - s) * 1e9) };
}

function statOf(shown: Attributes): Stat {
  return {
    kind: shown.kind,
    ino: shown.inode,
    size: shown.size,
    mode: shown.mode,
    nlink: shown.links,
    mtimeMs: shown.mtime.s * 1000 + shown.mtime.n / 1e6,
    ctimeMs: shown.ctime.s * 1000 + shown.ctime.n / 1e6,
  };
}
