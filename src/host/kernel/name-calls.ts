/**
 * Calls that go by a folder and a name. Links and devices are refused with EPERM, as a filesystem without them does; mknod of a
 * plain file is a create that nobody keeps open.
 *
 * That nothing is called so is never remembered by the kernel: as soon as another spelling of the name is made, it is there, and no
 * notice comes before the next call of the program that made it.
 */
import { constants } from "node:os";
import { ok } from "../../base/result.ts";
import type { Attributes, Reply } from "../../vfs/vfs.ts";
import type { Frame } from "./frame.ts";
import { newName, oldName } from "./names.ts";
import { answer, caller, entryBelow, giveEntry, giveNothing, LOOKS, tellingName, type Session } from "./session.ts";
import { itemOf, plainNumber } from "./spelling-nodes.ts";
import { FILE_TYPE, PERMISSION_BITS, RENAME_EXCHANGE, RENAME_NO_REPLACE, TYPE_BITS } from "./wire.ts";

const { EEXIST, EINVAL, EISDIR, ENOENT, EPERM } = constants.errno;

export function lookup(at: Session, frame: Frame): void {
  const name = frame.name(0, ENOENT);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  const parent = itemOf(frame.node);
  if (name === "." || name === "..") {
    const here = name === "." ? ok(parent) : at.vfs.parentOf(parent);
    return answer(at, frame, here.ok ? at.vfs.getattr(here.value) : here, giveEntry, LOOKS);
  }
  answer(at, frame, at.vfs.lookup(parent, name), entryBelow(frame.node), LOOKS);
}

export function mkdir(at: Session, frame: Frame): void {
  const name = newName(frame, 8, EEXIST);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  const made = at.vfs.mkdir(itemOf(frame.node), name, frame.u32(0) & PERMISSION_BITS, caller(frame));
  answer(at, frame, made, tellingName(frame.node, name, entryBelow(frame.node)));
}

export function mknod(at: Session, frame: Frame): void {
  const name = newName(frame, 16, EEXIST);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  const type = frame.u32(0) & TYPE_BITS;
  if (type !== FILE_TYPE && type !== 0) return void at.out.error(frame.unique, EPERM);
  answer(at, frame, makeFile(at, frame, name), tellingName(frame.node, name, entryBelow(frame.node)));
}

async function makeFile(at: Session, frame: Frame, name: string): Promise<Awaited<Reply<Attributes>>> {
  const flags = { read: false, write: true, append: false, truncate: false, exclusive: true };
  const mode = frame.u32(0) & PERMISSION_BITS;
  const made = await at.vfs.create(itemOf(frame.node), name, mode, flags, caller(frame));
  if (!made.ok) return made;
  const closed = await at.vfs.release(made.value.handle);
  return closed.ok ? ok(made.value.attributes) : closed;
}

export function unlink(at: Session, frame: Frame): void {
  const name = oldName(frame, 0, EISDIR);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  answer(at, frame, at.vfs.unlink(itemOf(frame.node), name), tellingName(frame.node, name, giveNothing));
}

export function rmdir(at: Session, frame: Frame): void {
  const name = oldName(frame, 0, EINVAL);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  answer(at, frame, at.vfs.rmdir(itemOf(frame.node), name), tellingName(frame.node, name, giveNothing));
}

export const rename = (at: Session, frame: Frame): void => move(at, frame, 8, 0);

export function rename2(at: Session, frame: Frame): void {
  const flags = frame.u32(8);
  if (flags !== 0 && flags !== RENAME_NO_REPLACE && flags !== RENAME_EXCHANGE)
    return void at.out.error(frame.unique, EINVAL);
  move(at, frame, 16, flags);
}

/** `names`: where the two names begin. */
function move(at: Session, frame: Frame, names: number, flags: number): void {
  const newParent = frame.u64(0);
  const from = oldName(frame, names, EINVAL);
  if (typeof from === "number") return void at.out.error(frame.unique, from);
  const to = newName(frame, frame.endOfText(names) + 1, EINVAL);
  if (typeof to === "number") return void at.out.error(frame.unique, to);
  if (!Number.isSafeInteger(newParent) || plainNumber(newParent) === 0) return void at.out.error(frame.unique, EINVAL);
  const how = flags === RENAME_NO_REPLACE ? "noReplace" : flags === RENAME_EXCHANGE ? "exchange" : "replace";
  const [source, target] = [
    { parent: itemOf(frame.node), name: from },
    { parent: itemOf(newParent), name: to },
  ];
  const give = tellingName(frame.node, from, tellingName(newParent, to, giveNothing));
  answer(at, frame, at.vfs.rename(source, target, how), give);
}

export const refuseLink: (at: Session, frame: Frame) => void = (at, frame) => void at.out.error(frame.unique, EPERM);
export const noLink: (at: Session, frame: Frame) => void = (at, frame) => void at.out.error(frame.unique, EINVAL);
