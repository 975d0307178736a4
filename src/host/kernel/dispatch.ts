/**
 * One request in, and its handler called. Here stands how long the fixed part of each request is: nothing is read of a frame that is
 * shorter. What is no request at all is dropped, for there is nobody to answer; what is unknown is answered with ENOSYS, which the
 * kernel remembers and then does without.
 */
import { constants } from "node:os";
import { create, fallocate, flush, fsync, open, read, release, write } from "./byte-calls.ts";
import { fsyncdir, opendir, readdir, readdirplus, releasedir } from "./folder-calls.ts";
import type { Frame } from "./frame.ts";
import { init } from "./greeting.ts";
import { lookup, mkdir, mknod, noLink, refuseLink, rename, rename2, rmdir, unlink } from "./name-calls.ts";
import { getattr, setattr, statfs } from "./node-calls.ts";
import { defect, interrupt, mustHaveAnswer, type Session } from "./session.ts";
import { plainNumber } from "./spelling-nodes.ts";
import { opcode, OPCODES_END, TWO_TO_32 } from "./wire.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./xattr-calls.ts";

const { EINVAL, EIO, ENOSYS, ENOTTY } = constants.errno;

type Handler = (at: Session, frame: Frame) => void;

interface Row {
  /** Bytes of the body that must be there. */
  readonly least: number;
  readonly run: Handler;
  /** It is about a node. */
  readonly node: boolean;
}

const rows: (Row | undefined)[] = Array.from({ length: OPCODES_END });
const row = (code: number, least: number, run: Handler, node = true): void => void (rows[code] = { least, run, node });

row(opcode.lookup, 2, lookup);
row(opcode.getattr, 16, getattr);
row(opcode.setattr, 88, setattr);
row(opcode.readlink, 0, noLink);
row(opcode.symlink, 0, refuseLink);
row(opcode.mknod, 18, mknod);
row(opcode.mkdir, 10, mkdir);
row(opcode.unlink, 2, unlink);
row(opcode.rmdir, 2, rmdir);
row(opcode.rename, 12, rename);
row(opcode.link, 0, refuseLink);
row(opcode.open, 8, open);
row(opcode.read, 40, read);
row(opcode.write, 40, write);
row(opcode.statfs, 0, statfs, false);
row(opcode.release, 24, release);
row(opcode.fsync, 16, fsync);
row(opcode.setxattr, 10, setxattr);
row(opcode.getxattr, 10, getxattr);
row(opcode.listxattr, 8, listxattr);
row(opcode.removexattr, 2, removexattr);
row(opcode.flush, 24, flush);
row(opcode.opendir, 8, opendir);
row(opcode.readdir, 40, readdir);
row(opcode.releasedir, 24, releasedir);
row(opcode.fsyncdir, 16, fsyncdir);
row(opcode.create, 18, create);
row(opcode.destroy, 0, (at, frame) => void at.out.empty(frame.unique), false);
row(opcode.ioctl, 0, (at, frame) => void at.out.error(frame.unique, ENOTTY));
row(opcode.fallocate, 32, fallocate);
row(opcode.readdirplus, 40, readdirplus);
row(opcode.rename2, 20, rename2);

export function dispatch(at: Session, frame: Frame): void {
  const code = frame.opcode;
  if (code === opcode.forget) return forget(at, frame);
  if (code === opcode.batchForget) return forgetMany(at, frame);
  if (code === opcode.interrupt) return interrupted(at, frame);
  if (code === opcode.init) return greet(at, frame);
  const { unique } = frame;
  const found = code < OPCODES_END ? rows[code] : undefined;
  if (!at.greeted || at.broken) return void at.out.error(unique, EIO);
  if (!found) return void at.out.error(unique, ENOSYS);
  if (frame.bodyLength < found.least) return void at.out.error(unique, EINVAL);
  if (found.node && !(Number.isSafeInteger(frame.node) && plainNumber(frame.node) > 0))
    return void at.out.error(unique, EINVAL);
  try {
    found.run(at, frame);
    mustHaveAnswer(at, unique);
  } catch (error) {
    defect(at, unique, error);
  }
}

function greet(at: Session, frame: Frame): void {
  if (at.greeted || frame.bodyLength < 16) return void at.out.error(frame.unique, EINVAL);
  init(at, frame);
}

// ---- what nobody answers -------------------------------------------------------------------------------------------------------

function forget(at: Session, frame: Frame): void {
  if (frame.bodyLength >= 8) forgetOne(at, frame.node, frame.u64(0));
}

function forgetMany(at: Session, frame: Frame): void {
  if (frame.bodyLength < 8) return;
  const count = Math.min(frame.u32(0), Math.floor((frame.bodyLength - 8) / 16));
  for (let i = 0; i < count; i++) forgetOne(at, frame.u64(8 + i * 16), frame.u64(16 + i * 16));
}

function forgetOne(at: Session, node: number, times: number): void {
  const item = plainNumber(node);
  if (!at.nodes.forget(item, times)) return;
  at.handles.forget(item);
  at.listings.forget(item);
}

function interrupted(at: Session, frame: Frame): void {
  if (frame.bodyLength < 8) return;
  const unique = frame.u32(0) + frame.u32(4) * TWO_TO_32;
  interrupt(at, unique, at.pending.get(unique));
}
