/**
 * libfuse's calls that go by path: attributes, names, extended attributes, the filesystem itself. Links and devices are refused
 * with EPERM, as a filesystem without them does. See fuse-paths.ts for what `.fuse_hidden` names are about.
 */
import { constants } from "node:os";
import { assert } from "../base/assert.ts";
import { ok } from "../base/result.ts";
import type { Time } from "../model/item.ts";
import type { AttributeChange, Attributes, Reply } from "../vfs/vfs.ts";
import { answer, caller, openInode, type Desk } from "./fuse-desk.ts";
import { opcode, type Done, type FuseOps, type FusePackage, type FuseStat, type FuseTime } from "./fuse-package.ts";
import { nodeOfHiddenName, andThen } from "./fuse-paths.ts";

const FILE_TYPE = 0o100000;
const FOLDER_TYPE = 0o040000;
const PERMISSION_BITS = 0o7777;
const UNCHANGED_ID = 0xffff_ffff;
const BLOCK_BYTES = 4096;
const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

type AttributeCalls = Pick<FuseOps, "getattr" | "chmod" | "chown" | "truncate" | "utimens" | "statfs">;
type NameCalls = Pick<FuseOps, "mkdir" | "unlink" | "rmdir" | "rename" | "link" | "symlink" | "mknod">;
type XattrCalls = Pick<FuseOps, "getxattr" | "setxattr" | "listxattr" | "removexattr">;

export function attributeCalls(at: Desk, fuse: Pick<FusePackage, "UTIME_NOW" | "UTIME_OMIT">): AttributeCalls {
  const change = (path: string, wanted: AttributeChange, done: Done): void => {
    const [who, open] = [caller(at), openInode(at)];
    answer(at, () => andThen(at.paths.item(path, open), ({ inode }) => at.vfs.setattr(inode, wanted, who)), done);
  };
  const time = ({ s, n }: FuseTime): Time | "now" => (n === fuse.UTIME_NOW ? "now" : { s, n });
  return {
    getattr(path, reply) {
      const why = at.context("opcode");
      if (why === opcode.unlink || why === opcode.rename) {
        at.paths.expect(path);
        return reply(-constants.errno.ENOENT);
      }
      const open = why === opcode.lookup ? undefined : openInode(at);
      answer(at, () => at.paths.item(path, open), replyStat(reply));
    },
    chmod: (path, mode, done) => change(path, { mode: mode & PERMISSION_BITS }, done),
    chown: (path, uid, gid, done) =>
      change(path, { ...(uid === UNCHANGED_ID ? {} : { uid }), ...(gid === UNCHANGED_ID ? {} : { gid }) }, done),
    truncate: (path, size, done) => change(path, { size }, done),
    utimens: (path, atime, mtime, done) =>
      change(
        path,
        {
          ...(atime.n === fuse.UTIME_OMIT ? {} : { atime: time(atime) }),
          ...(mtime.n === fuse.UTIME_OMIT ? {} : { mtime: time(mtime) }),
        },
        done,
      ),
    statfs(_path, reply) {
      answer(
        at,
        () => at.vfs.statfs(),
        (result, status) => {
          if (!status) return reply(result);
          const { blockSize, blocks, blocksFree, blocksAvailable, files, filesFree, nameMax } = status;
          const space = { bsize: blockSize, frsize: blockSize, blocks, bfree: blocksFree, bavail: blocksAvailable };
          reply(0, { ...space, files, ffree: filesFree, favail: filesFree, namemax: nameMax });
        },
      );
    },
  };
}

/** What stat(2) shows. */
export function replyStat(reply: (result: number, stat?: FuseStat) => void) {
  return (result: number, attributes?: Attributes): void => {
    if (!attributes) return reply(result);
    const { inode, kind, mode, uid, gid, size, links, blocks, atime, mtime, ctime } = attributes;
    const type = kind === "folder" ? FOLDER_TYPE : FILE_TYPE;
    const times = { atime, mtime, ctime };
    reply(0, { ino: inode, mode: type | mode, uid, gid, size, nlink: links, blocks, blksize: BLOCK_BYTES, ...times });
  };
}

export const typeBits = (kind: Attributes["kind"]): number => (kind === "folder" ? FOLDER_TYPE : FILE_TYPE);

export function nameCalls(at: Desk): NameCalls {
  const refuse = (done: Done): void => done(-constants.errno.EPERM);
  return {
    mkdir(path, mode, done) {
      const who = caller(at);
      const make = () =>
        andThen(at.paths.place(path), ({ parent, name }) => at.vfs.mkdir(parent, name, mode & PERMISSION_BITS, who));
      answer(at, make, done);
    },
    unlink(path, done) {
      if (at.paths.unhide(path)) return done(0);
      answer(at, () => andThen(at.paths.place(path), ({ parent, name }) => at.vfs.unlink(parent, name)), done);
    },
    rmdir(path, done) {
      answer(at, () => andThen(at.paths.place(path), ({ parent, name }) => at.vfs.rmdir(parent, name)), done);
    },
    rename(from, to, done) {
      const why = at.context("opcode");
      if (at.paths.takeExpected(to)) return answer(at, () => hide(at, why, { from, to }), done);
      const source = (): Reply<undefined> =>
        andThen(at.paths.place(from), (old) =>
          andThen(at.paths.place(to), (place) => at.vfs.rename(old, place, "replace")),
        );
      answer(at, source, done);
    },
    link: (_from, _to, done) => refuse(done),
    symlink: (_target, _path, done) => refuse(done),
    mknod: (_path, _mode, _device, done) => refuse(done),
  };
}

/**
 * libfuse moves an open file out of the way. For an unlink that is the unlink itself. For a rename it is only the first half: the
 * vfs replaces the target in one step when the second half comes.
 */
function hide(at: Desk, why: number, { from, to }: { from: string; to: string }): Reply<undefined> {
  assert(why === opcode.unlink || why === opcode.rename, `a file is hidden for an unlink or a rename, not for ${why}`);
  const open = at.open.openInode(nodeOfHiddenName(to));
  return andThen(at.paths.item(from, open), ({ inode }) => {
    const remember = (): Reply<undefined> => {
      at.paths.hide(to, open ?? inode);
      return ok();
    };
    if (why === opcode.rename) return remember();
    return andThen(at.paths.place(from), ({ parent, name }) => andThen(at.vfs.unlink(parent, name), remember));
  });
}

export function xattrCalls(at: Desk): XattrCalls {
  const on = <T>(path: string, ask: (inode: Attributes["inode"]) => Reply<T>): (() => Reply<T>) => {
    const open = openInode(at);
    return () => andThen(at.paths.item(path, open), ({ inode }) => ask(inode));
  };
  return {
    getxattr(path, name, _position, reply) {
      const get = on(path, (inode) => at.vfs.getxattr(inode, name));
      answer(at, get, (result, value) => reply(result, value && Buffer.from(value)));
    },
    // oxlint-disable-next-line max-params -- the package calls it so
    setxattr(path, name, value, _position, flags, done) {
      const how = flags === XATTR_CREATE ? "create" : flags === XATTR_REPLACE ? "replace" : "any";
      const copy = Uint8Array.from(value); // the memory is libfuse's and ends with the call
      answer(
        at,
        on(path, (inode) => at.vfs.setxattr(inode, name, copy, how)),
        done,
      );
    },
    listxattr(path, reply) {
      answer(
        at,
        on(path, (inode) => at.vfs.listxattr(inode)),
        reply,
      );
    },
    removexattr(path, name, done) {
      answer(
        at,
        on(path, (inode) => at.vfs.removexattr(inode, name)),
        done,
      );
    },
  };
}
