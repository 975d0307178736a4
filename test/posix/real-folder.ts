/** Calls on a folder the kernel serves: the oracle on an ordinary file system, the subject on a mount. */
import { constants } from "node:fs";
import fs from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stats } from "node:fs";
import type { Calls, Mode, OpenFile, Stat } from "./calls.ts";

export function realFolder(root: string): Calls {
  const at = (path: string): string => join(root, path);
  return {
    open: async (path, mode, permissions) => openFile(await fs.open(at(path), flagsOf(mode), permissions)),
    stat: async (path) => statOf(await fs.lstat(at(path))),
    readdir: (path) => fs.readdir(at(path)),
    mkdir: async (path, permissions) => void (await fs.mkdir(at(path), permissions)),
    rmdir: (path) => fs.rmdir(at(path)),
    unlink: (path) => fs.unlink(at(path)),
    rename: (from, to) => fs.rename(at(from), at(to)),
    truncate: (path, size) => fs.truncate(at(path), size),
    chmod: (path, mode) => fs.chmod(at(path), mode),
    chown: (path, uid, gid) => fs.chown(at(path), uid, gid),
    utimes: (path, mtime) => fs.utimes(at(path), new Date(mtime * 1000), new Date(mtime * 1000)),
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    pause: () => sleep(15),
  };
}

function flagsOf(mode: Mode): string | number {
  return mode === "c" ? constants.O_RDWR | constants.O_CREAT : mode;
}

function openFile(file: fs.FileHandle): OpenFile {
  return {
    async read(position, length) {
      const bytes = Buffer.alloc(length);
      const { bytesRead } = await file.read(bytes, 0, length, position);
      return bytes.toString("latin1", 0, bytesRead);
    },
    write: async (position, text) =>
      (await file.write(Buffer.from(text, "latin1"), 0, undefined, position)).bytesWritten,
    truncate: (size) => file.truncate(size),
    stat: async () => statOf(await file.stat()),
    chmod: (mode) => file.chmod(mode),
    utimes: (mtime) => file.utimes(new Date(mtime * 1000), new Date(mtime * 1000)),
    fsync: () => file.sync(),
    close: () => file.close(),
  };
}

function statOf(stat: Stats): Stat {
  return {
    kind: stat.isDirectory() ? "folder" : "file",
    ino: stat.ino,
    size: stat.isDirectory() ? 0 : stat.size,
    mode: stat.mode & 0o7777,
    nlink: stat.nlink,
    mtimeMs: stat.mtimeMs,
    ctimeMs: stat.ctimeMs,
  };
}
