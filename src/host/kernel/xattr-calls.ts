/** Extended attributes. A caller that gives no room is told the length; one that gives too little, ERANGE. */
import { constants } from "node:os";
import type { Frame } from "./frame.ts";
import { answer, giveNothing, type Session } from "./session.ts";
import { itemOf } from "./spelling-nodes.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "./wire.ts";

const { EINVAL, ENODATA, ERANGE } = constants.errno;

export function getxattr(at: Session, frame: Frame): void {
  const name = attributeName(frame, 8);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  const room = frame.u32(0);
  answer(at, frame, at.vfs.getxattr(itemOf(frame.node), name), (_at, unique, value) => give(at, unique, value, room));
}

export function listxattr(at: Session, frame: Frame): void {
  const room = frame.u32(0);
  answer(at, frame, at.vfs.listxattr(itemOf(frame.node)), (_at, unique, names) =>
    give(at, unique, Buffer.from(names.map((name) => `${name}\0`).join("")), room),
  );
}

function give(at: Session, unique: number, value: Uint8Array, room: number): void {
  if (room === 0) at.out.words(unique, value.length, 0);
  else if (value.length > room) at.out.error(unique, ERANGE);
  else at.out.payload(unique, value);
}

export function setxattr(at: Session, frame: Frame): void {
  const [size, flags] = [frame.u32(0), frame.u32(4)];
  const name = attributeName(frame, 8);
  if (typeof name === "number") return void at.out.error(frame.unique, name === ENODATA ? EINVAL : name);
  const from = frame.endOfText(8) + 1;
  if (from + size !== frame.bodyLength) return void at.out.error(frame.unique, EINVAL);
  const how = flags & XATTR_CREATE ? "create" : flags & XATTR_REPLACE ? "replace" : "any";
  const value = Uint8Array.from(frame.bytes(from, from + size));
  answer(at, frame, at.vfs.setxattr(itemOf(frame.node), name, value, how), giveNothing);
}

export function removexattr(at: Session, frame: Frame): void {
  const name = attributeName(frame, 0);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  answer(at, frame, at.vfs.removexattr(itemOf(frame.node), name), giveNothing);
}

/** Unlike a file's name it may hold a slash. */
function attributeName(frame: Frame, at: number): string | number {
  const end = frame.endOfText(at);
  if (end <= at) return EINVAL;
  return frame.text(at, end) ?? ENODATA;
}
