/**
 * libfuse's calls on open files and folders. They come with the number that open gave them and without a path, so they reach the
 * inode that was opened whatever became of its name. The buffers of read and write are libfuse's own memory: they end with the answer.
 */
import { constants } from "node:fs";
import { assert } from "../base/assert.ts";
import { ok } from "../base/result.ts";
import type { ItemKey } from "../model/ids.ts";
import { READDIR_STEP_ENTRIES } from "../model/limits.ts";
import type { DirectoryEntry, OpenFlags, Reply } from "../vfs/vfs.ts";
import { answer, caller, openInode, type Desk } from "./fuse-desk.ts";
import { replyStat, typeBits } from "./fuse-name-calls.ts";
import { versionOf, type OpenFile } from "./fuse-open-files.ts";
import type { FuseOps, FusePackage } from "./fuse-package.ts";
import { andThen } from "./fuse-paths.ts";

const PERMISSION_BITS = 0o7777;
const ACCESS_BITS = 3;

type OpenCalls = Pick<FuseOps, "create" | "open" | "flush" | "release">;
type ByteCalls = Pick<FuseOps, "read" | "write" | "fsync" | "fgetattr" | "ftruncate">;
type FolderCalls = Pick<FuseOps, "opendir" | "readdir" | "releasedir" | "fsyncdir">;

export function openCalls(at: Desk, fuse: Pick<FusePackage, "KEEP_PAGES" | "NO_PAGES">): OpenCalls {
  const pageNumbers = { drop: 0, keep: fuse.KEEP_PAGES, bypass: fuse.NO_PAGES };
  return {
    create(path, mode, flags, reply) {
      const who = caller(at);
      const how = { ...openFlags(flags), exclusive: (flags & constants.O_EXCL) !== 0 };
      const make = () =>
        andThen(at.paths.place(path), ({ parent, name }) =>
          at.vfs.create(parent, name, mode & PERMISSION_BITS, how, who),
        );
      answer(at, make, (result, made) => {
        if (!made) return reply(result);
        const { handle, attributes } = made;
        reply(0, at.open.add({ handle, inode: attributes.inode, version: versionOf(attributes), node: 0 }));
      });
    },
    open(path, flags, reply) {
      const [who, open, node] = [caller(at), openInode(at), at.context("node")];
      const how = openFlags(flags);
      const find = () =>
        andThen(at.paths.item(path, open), (attributes) =>
          andThen(at.vfs.open(attributes.inode, how, who), (handle) => ok({ handle, attributes })),
        );
      answer(at, find, (result, found) => {
        if (!found) return reply(result);
        const { handle, attributes } = found;
        const pages = at.open.pages(node, attributes);
        const fd = at.open.add({ handle, inode: attributes.inode, version: versionOf(attributes), node });
        reply(0, fd, pageNumbers[how.truncate && pages === "keep" ? "drop" : pages]);
      });
    },
    flush(_path, fd, done) {
      answer(at, () => at.vfs.flush(file(at, fd).handle), done);
    },
    release(_path, fd, done) {
      answer(at, () => at.vfs.release(at.open.remove(fd).handle), done);
    },
  };
}

export function byteCalls(at: Desk): ByteCalls {
  return {
    // oxlint-disable-next-line max-params -- the package calls it so
    read(_path, fd, buffer, length, position, done) {
      answer(
        at,
        () => at.vfs.read(file(at, fd).handle, position, length, at.signal),
        (result, bytes) => {
          if (!bytes) return done(result);
          assert(bytes.length <= length, "a read gives no more than was asked for");
          buffer.set(bytes);
          done(bytes.length);
        },
      );
    },
    // oxlint-disable-next-line max-params -- the package calls it so
    write(_path, fd, buffer, length, position, done) {
      answer(
        at,
        () => at.vfs.write(file(at, fd).handle, position, buffer.subarray(0, length)),
        (result, written) => done(written ?? result),
      );
    },
    fsync(_path, _datasync, fd, done) {
      answer(at, () => at.vfs.fsync(file(at, fd).handle), done);
    },
    fgetattr(_path, fd, reply) {
      const get = () => {
        const { handle, inode } = file(at, fd);
        return at.vfs.getattr(inode, handle);
      };
      answer(at, get, replyStat(reply));
    },
    ftruncate(_path, fd, size, done) {
      const set = () => {
        const { handle, inode } = file(at, fd);
        return at.vfs.setattr(inode, { size }, caller(at), handle);
      };
      answer(at, set, done);
    },
  };
}

export function folderCalls(at: Desk): FolderCalls {
  return {
    opendir(path, _flags, reply) {
      answer(
        at,
        () => at.paths.item(path),
        (result, folder) => reply(result, folder && at.open.addFolder(folder.inode)),
      );
    },
    readdir(_path, fd, reply) {
      answer(
        at,
        () => list(at, at.open.folder(fd)),
        (result, entries) => {
          if (!entries) return reply(result);
          const all = [...dots(at, at.open.folder(fd)), ...entries];
          reply(
            0,
            all.map(({ name }) => name),
            all.map(({ inode, kind }) => ({ ino: inode, mode: typeBits(kind) })),
          );
        },
      );
    },
    releasedir(_path, fd, done) {
      answer(at, () => ok(at.open.removeFolder(fd)), done);
    },
    fsyncdir(_path, _datasync, fd, done) {
      answer(at, () => at.vfs.fsyncdir(at.open.folder(fd)), done);
    },
  };
}

/** A whole folder: libfuse keeps it for the one who reads on. */
function list(at: Desk, folder: ItemKey, after?: string, found: DirectoryEntry[] = []): Reply<DirectoryEntry[]> {
  return andThen(at.vfs.readdir(folder, after, READDIR_STEP_ENTRIES), (entries) => {
    if (entries.length === 0) return ok(found);
    for (const entry of entries) found.push(entry);
    return list(at, folder, entries.at(-1)?.cookie, found);
  });
}

function dots(at: Desk, folder: ItemKey): Pick<DirectoryEntry, "name" | "inode" | "kind">[] {
  const parent = at.vfs.parentOf(folder);
  return [
    { name: ".", inode: folder, kind: "folder" },
    { name: "..", inode: parent.ok ? parent.value : folder, kind: "folder" },
  ];
}

const file = (at: Desk, fd: number): OpenFile => at.open.get(fd, at.context("node"));

function openFlags(flags: number): OpenFlags {
  const access = flags & ACCESS_BITS;
  return {
    read: access !== constants.O_WRONLY,
    write: access !== constants.O_RDONLY,
    append: (flags & constants.O_APPEND) !== 0,
    truncate: (flags & constants.O_TRUNC) !== 0,
  };
}
