/**
 * Builds the vfs of one mount: the calls of vfs.ts on one Core, and the control that the composition root holds beside it. The vfs
 * has no loops and no threads of its own: what happens later (a sweep, a split) is a timer of the given clock.
 */
import { ok } from "../base/result.ts";
import type { Dirtied } from "../content/content.ts";
import type { ItemKey } from "../model/ids.ts";
import { getattr, setattr } from "./attributes.ts";
import { makeCore, type Core, type VfsOptions } from "./core.ts";
import { fsyncdir, mkdir, parentOf, readdir, readdirPlus } from "./directory.ts";
import { create, flush, fsync, open, read, release, write } from "./file.ts";
import { settleIdentity } from "./identity.ts";
import { makeLocks } from "./locks.ts";
import { forgetSpellings, lookup } from "./lookup.ts";
import { rmdir, unlink } from "./remove.ts";
import { rename } from "./rename.ts";
import { makeRoom } from "./room.ts";
import { afterwards, splitNow, stopWaiting } from "./settle.ts";
import { dirtied, save } from "./unsaved.ts";
import type { Answer, Vfs } from "./vfs.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./xattr.ts";

export type { VfsEvent, VfsOptions } from "./core.ts";

/** What the composition root does with a vfs besides mounting it. */
export interface VfsControl {
  openHandles(): number;
  /** True while more bytes are to be expected from a handle: the file is not pushed then. */
  isWriting(node: ItemKey): boolean;
  /** To be given to content. */
  readonly dirtied: Dirtied;
  /** An upload of a node was acknowledged: if the node is gone here, the file in its place takes the item over. In the same turn. */
  reunite(node: ItemKey): void;
  /** A name was changed from elsewhere: the kernel hears of the other spellings under which it was looked up. */
  changedElsewhere(parent: ItemKey, name: string): void;
  /** Decides what waits for a moment of quiet now: before a sync, and before the last push of an unmount. */
  settle(): Promise<Answer<undefined>>;
  /** Commits lengths and times of open files, so that a kill -9 from now on loses nothing that was written. */
  checkpointOpenFiles(): Answer<undefined>;
  /** Changing calls are refused from now on; handles may still be flushed and closed. Stops the timers. */
  stopAccepting(): void;
}

export function createVfs(options: VfsOptions): Vfs & VfsControl {
  const core = makeCore(options);
  const room = makeRoom(core);
  return { ...calls(core), ...makeLocks(), statfs: room.statfs, ...control(core) };
}

function calls(core: Core): Omit<Vfs, "statfs" | "getlk" | "setlk" | "unlockAll"> {
  const masked = (mode: number): number => mode & ~(core.umaskOfNew ?? 0);
  return {
    lookup: (parent, name) => lookup(core, parent, name),
    parentOf: (node) => parentOf(core, node),
    getattr: (node, handle) => getattr(core, node, handle),
    setattr: (node, change, caller, handle) => setattr(core, node, change, { caller, handle }),
    readdir: (folder, after, most) => readdir(core, folder, after, most),
    readdirPlus: (folder, after, most) => readdirPlus(core, folder, after, most),
    // oxlint-disable-next-line max-params -- the contract has it so
    create: (parent, name, mode, flags, caller) => create(core, parent, name, { mode: masked(mode), flags, caller }),
    open: (node, flags, caller) => open(core, node, flags, caller),
    read: (handle, position, length, signal) => read(core, handle, { position, length, signal }),
    write: (handle, position, bytes) => write(core, handle, position, bytes),
    flush: (handle) => flush(core, handle),
    release: (handle) => release(core, handle),
    fsync: (handle) => fsync(core, handle),
    fsyncdir: (folder) => fsyncdir(core, folder),
    mkdir: (parent, name, mode, caller) => mkdir(core, parent, name, { mode: masked(mode), caller }),
    unlink: (parent, name) => unlink(core, parent, name),
    rmdir: (parent, name) => rmdir(core, parent, name),
    rename: (from, to, how) => rename(core, from, to, how),
    getxattr: (node, name) => getxattr(core, node, name),
    setxattr: (node, name, value, how) => setxattr(core, node, name, { value, how }),
    listxattr: (node) => listxattr(core, node),
    removexattr: (node, name) => removexattr(core, node, name),
  };
}

function control(core: Core): VfsControl {
  return {
    openHandles: () => core.files.count,
    isWriting: (node) => core.files.isWriting(node),
    dirtied: (event) => dirtied(core, event),
    reunite(node) {
      const done = core.commit((tx) => settleIdentity(core, tx, [node]));
      if (done.ok) afterwards(core, done.value);
      else core.log.fault("an item could not follow its file", { why: done.fault.why });
    },
    changedElsewhere: (parent, name) => forgetSpellings(core, parent, name),
    settle: () => splitNow(core),
    checkpointOpenFiles() {
      const answers = [...core.files.all()].map((file) => save(core, file.source));
      return answers.find((answer) => !answer.ok) ?? ok();
    },
    stopAccepting() {
      core.stop();
      stopWaiting(core);
    },
  };
}
