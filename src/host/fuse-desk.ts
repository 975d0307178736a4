/**
 * What every call of libfuse works with, and the one way to answer it. A call is answered exactly once. A fault becomes its errno. An
 * exception is a defect: it is reported, answered with EIO, and from then on every call is refused, so that a daemon that has lost
 * its mind does not write on while it stops.
 */
import { constants } from "node:os";
import type { ItemKey } from "../model/ids.ts";
import type { Answer, Caller, Reply, Vfs } from "../vfs/vfs.ts";
import { errnoOf } from "./errno.ts";
import { openFiles, type OpenFiles } from "./fuse-open-files.ts";
import type { contextField } from "./fuse-package.ts";
import { paths, type Paths } from "./fuse-paths.ts";

export interface Desk {
  readonly vfs: Vfs;
  readonly paths: Paths;
  readonly open: OpenFiles;
  /** A number of the call being handed over; true only until its handler returns. */
  context(field: keyof typeof contextField): number;
  /** Aborted when the mount goes: a read that waits for the network need not. */
  readonly signal: AbortSignal;
  onDefect(error: unknown): void;
  /** Set by the first defect. */
  broken: boolean;
}

export function desk(vfs: Vfs, more: Pick<Desk, "context" | "signal" | "onDefect">): Desk {
  return { vfs, paths: paths(vfs), open: openFiles(), broken: false, ...more };
}

/** Asks the vfs and hands `done` 0 and the value, or a negative errno. */
export function answer<T>(at: Desk, ask: () => Reply<T>, done: (result: number, value?: T) => void): void {
  const fail = (error: unknown): void => {
    at.broken = true;
    at.onDefect(error);
    done(-constants.errno.EIO);
  };
  const finish = (given: Answer<T>): void => (given.ok ? done(0, given.value) : done(-errnoOf(given.fault)));
  if (at.broken) return done(-constants.errno.EIO);
  try {
    const reply = ask();
    if (reply instanceof Promise) reply.then(finish).catch(fail);
    else finish(reply);
  } catch (error) {
    fail(error);
  }
}

export function caller(at: Desk): Caller {
  return { uid: at.context("uid"), gid: at.context("gid"), pid: at.context("pid") };
}

/** The inode that the node of this call has open, if any. */
export function openInode(at: Desk): ItemKey | undefined {
  return at.open.openInode(at.context("node"));
}
