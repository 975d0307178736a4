/** Calls about a node: its attributes, and how full the filesystem is. A node that is gone is stale, so that the kernel looks its name up again. */
import { constants } from "node:os";
import type { Time } from "../../model/item.ts";
import type { AttributeChange, Attributes, Reply } from "../../vfs/vfs.ts";
import type { Frame } from "./frame.ts";
import { answer, attributesOf, caller, handleAt, tellingNode, type Give, type Session } from "./session.ts";
import { itemOf } from "./spelling-nodes.ts";
import { GETATTR_HANDLE, PERMISSION_BITS, setattrHas } from "./wire.ts";

const SET_USER_ID = 0o4000;
const SET_GROUP_ID = 0o2000;
const GROUP_EXECUTES = 0o010;
/** As far as a Date goes from 1970. */
const SECONDS_MOST = 8.64e12;

export function getattr(at: Session, frame: Frame): void {
  const handle = frame.u32(0) & GETATTR_HANDLE ? handleAt(frame, 8) : undefined;
  answer(at, frame, at.vfs.getattr(itemOf(frame.node), handle), attributesOf(frame.node));
}

export function setattr(at: Session, frame: Frame): void {
  const valid = frame.u32(0);
  const node = itemOf(frame.node);
  const handle = valid & setattrHas.handle ? handleAt(frame, 8) : undefined;
  const change = changeOf(at, frame, valid);
  if (change === undefined) return void at.out.error(frame.unique, constants.errno.EFBIG);
  const give = tellingNode(frame.node, attributesOf(frame.node));
  answer(at, frame, at.vfs.setattr(node, change, caller(frame), handle), give);
}

/** Undefined: a size that no file can have. */
function changeOf(at: Session, frame: Frame, valid: number): AttributeChange | undefined {
  const change: { -readonly [K in keyof AttributeChange]: AttributeChange[K] } = {};
  if (valid & setattrHas.mode) change.mode = frame.u32(68) & PERMISSION_BITS;
  if (valid & setattrHas.uid) change.uid = frame.u32(76);
  if (valid & setattrHas.gid) change.gid = frame.u32(80);
  if (valid & setattrHas.size) {
    change.size = frame.u64(16);
    if (!Number.isSafeInteger(change.size)) return undefined;
  }
  if (valid & setattrHas.atime) change.atime = valid & setattrHas.atimeNow ? "now" : timeAt(frame, 32, 56);
  if (valid & setattrHas.mtime) change.mtime = valid & setattrHas.mtimeNow ? "now" : timeAt(frame, 40, 60);
  const loses = valid & (setattrHas.uid | setattrHas.gid | setattrHas.killPrivileges);
  if (!loses || change.mode !== undefined) return change;
  const plain = withoutPrivileges(at.vfs.getattr(itemOf(frame.node)));
  if (plain !== undefined) change.mode = plain;
  return change;
}

function timeAt(frame: Frame, seconds: number, nanoseconds: number): Time {
  const s = Math.max(-SECONDS_MOST, Math.min(frame.i64(seconds), SECONDS_MOST));
  return { s, n: frame.u32(nanoseconds) % 1_000_000_000 };
}

/**
 * A file that changes hands or bytes does not go on lending its owner's rights: the mode it has then, when that is another one. (The
 * kernel leaves this to us, and need not ask about capabilities before every write.)
 */
export function withoutPrivileges(shown: Reply<Attributes>): number | undefined {
  if (shown instanceof Promise || !shown.ok || shown.value.kind === "folder") return undefined;
  const { mode } = shown.value;
  const plain = mode & ~SET_USER_ID & (mode & GROUP_EXECUTES ? ~SET_GROUP_ID : ~0);
  return plain === mode ? undefined : plain;
}

export function statfs(at: Session, frame: Frame): void {
  answer(at, frame, at.vfs.statfs(), giveStatus);
}

const giveStatus: Give<Parameters<Session["out"]["status"]>[1]> = (at, unique, status) =>
  void at.out.status(unique, status);
