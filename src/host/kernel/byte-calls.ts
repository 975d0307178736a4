/**
 * Calls on open files. The kernel's handle is the vfs's. Bytes that are written are handed to the vfs where the kernel put them
 * (large ones: the memory is the call's until it is answered) and bytes that are read go out of the vfs's own memory.
 *
 * A handle is released when the kernel did not take the answer that would have handed it over.
 */
import { constants as file } from "node:fs";
import { constants } from "node:os";
import { giveBack } from "../../base/lent.ts";
import { ok } from "../../base/result.ts";
import type { HandleId, ItemKey } from "../../model/ids.ts";
import { REPLY_BYTES_MAX, WRITE_COPY_BYTES_MAX } from "../../model/limits.ts";
import type { Answer, Attributes, OpenFlags, Vfs } from "../../vfs/vfs.ts";
import type { Frame } from "./frame.ts";
import { newName } from "./names.ts";
import { withoutPrivileges } from "./node-calls.ts";
import type { OpenHandle } from "./open-handles.ts";
import { NOT_AT_ALL } from "./outbox.ts";
import {
  answer,
  attrValid,
  caller,
  defect,
  entryValid,
  giveNothing,
  handleAt,
  tellingName,
  tellingNode,
  type Give,
  type Session,
} from "./session.ts";
import { isOtherSpelling, itemOf } from "./spelling-nodes.ts";
import {
  OPEN_KILL_PRIVILEGES,
  openedAs,
  PERMISSION_BITS,
  WRITE_FROM_PAGES,
  WRITE_KILL_PRIVILEGES,
  WRITE_PREFIX_BYTES,
  IN_HEADER_BYTES,
} from "./wire.ts";

const { EEXIST, EFBIG, EINVAL, EOPNOTSUPP } = constants.errno;
const ACCESS_BITS = 3;

export function open(at: Session, frame: Frame): void {
  const node = itemOf(frame.node);
  const flags = openFlags(frame.u32(0));
  if (flags.truncate && frame.u32(4) & OPEN_KILL_PRIVILEGES) dropPrivileges(at, frame);
  const given = at.vfs.open(node, flags, caller(frame));
  const other = isOtherSpelling(frame.node);
  const give: Give<HandleId> = (_at, unique, handle) => {
    const how = other ? openedAs.direct : pagesOf(at, node, flags);
    at.handles.add(handle, { node, append: flags.append, write: flags.write });
    if (!at.out.opened(unique, handle, how)) dropHandle(at, handle);
  };
  answer(at, frame, given, flags.truncate ? tellingNode(frame.node, give) : give);
}

interface Created {
  readonly handle: HandleId;
  readonly attributes: Attributes;
}

export function create(at: Session, frame: Frame): void {
  const name = newName(frame, 16, EEXIST);
  if (typeof name === "number") return void at.out.error(frame.unique, name);
  const word = frame.u32(0);
  const flags = { ...openFlags(word), exclusive: (word & file.O_EXCL) !== 0 };
  const mode = frame.u32(4) & PERMISSION_BITS;
  const given = at.vfs.create(itemOf(frame.node), name, mode, flags, caller(frame));
  const fleeting = isOtherSpelling(frame.node);
  const give: Give<Created> = (_at, unique, { handle, attributes }) => {
    const node = attributes.inode;
    const how = pagesOf(at, node, flags);
    at.handles.add(handle, { node, append: flags.append, write: flags.write });
    const valid = fleeting ? NOT_AT_ALL : entryValid(at, attributes);
    if (at.out.created(unique, attributes, valid, attrValid(at, node), handle, how)) at.nodes.add(node);
    else dropHandle(at, handle);
  };
  answer(at, frame, given, tellingName(frame.node, name, give));
}

/** A truncated file has no pages to keep, and the kernel drops them by itself. */
function pagesOf(at: Session, node: ItemKey, flags: OpenFlags): number {
  const pages = at.notices.untold(node) ? "drop" : at.handles.pages(node);
  const how = { keep: openedAs.keepPages, drop: 0, bypass: openedAs.direct }[pages];
  return flags.write ? how : how | openedAs.noFlush;
}

function dropHandle(at: Session, handle: HandleId): void {
  at.handles.remove(handle);
  Promise.resolve(at.vfs.release(handle)).catch((error: unknown) => defect(at, undefined, error));
}

export function read(at: Session, frame: Frame): void {
  const [position, length] = [frame.u64(8), Math.min(frame.u32(16), REPLY_BYTES_MAX)];
  if (!Number.isSafeInteger(position)) return void at.out.error(frame.unique, EINVAL);
  const abort = new AbortController();
  const given = at.vfs.read(handleAt(frame, 0), position, length, abort.signal);
  answer(at, frame, given, giveBytes, { abort });
}

const giveBytes: Give<Uint8Array> = (at, unique, bytes) => {
  at.out.payload(unique, bytes);
  giveBack(bytes); // the kernel has its own copy
};
const giveWritten: Give<number> = (at, unique, written) => void at.out.words(unique, written, 0);

export function write(at: Session, frame: Frame): void {
  const [position, size, flags] = [frame.u64(8), frame.u32(16), frame.u32(20)];
  if (size !== frame.length - WRITE_PREFIX_BYTES || !Number.isSafeInteger(position + size))
    return void at.out.error(frame.unique, EINVAL);
  if (flags & WRITE_KILL_PRIVILEGES) dropPrivileges(at, frame);
  const handle = handleAt(frame, 0);
  const known = at.handles.get(handle);
  const from = WRITE_PREFIX_BYTES - IN_HEADER_BYTES;
  const inPlace = frame.bytes(from, from + size);
  const put = (bytes: Uint8Array) =>
    flags & WRITE_FROM_PAGES && known?.append
      ? writeBeside(at.vfs, known, { position, bytes, frame })
      : at.vfs.write(handle, position, bytes);
  if (size <= WRITE_COPY_BYTES_MAX)
    return answer(at, frame, put(Buffer.from(inPlace)), tellingNode(frame.node, giveWritten));
  const room = at.keepRoom();
  const given = Promise.resolve(put(inPlace)).finally(() => at.giveBack(room));
  answer(at, frame, given, tellingNode(frame.node, giveWritten));
}

/** Pages of a shared mapping go where they belong, though the handle that stands for them appends. */
async function writeBeside(
  vfs: Vfs,
  { node }: OpenHandle,
  { position, bytes, frame }: { position: number; bytes: Uint8Array; frame: Frame },
): Promise<Answer<number>> {
  const flags = { read: false, write: true, append: false, truncate: false };
  const handle = await vfs.open(node, flags, caller(frame));
  if (!handle.ok) return handle;
  const written = await vfs.write(handle.value, position, bytes);
  const closed = await vfs.release(handle.value);
  return closed.ok ? written : closed;
}

function dropPrivileges(at: Session, frame: Frame): void {
  const node = itemOf(frame.node);
  const mode = withoutPrivileges(at.vfs.getattr(node));
  if (mode === undefined) return;
  Promise.resolve(at.vfs.setattr(node, { mode }, caller(frame))).catch((error: unknown) =>
    defect(at, undefined, error),
  );
}

export function flush(at: Session, frame: Frame): void {
  answer(at, frame, at.vfs.flush(handleAt(frame, 0)), giveNothing);
}

export function release(at: Session, frame: Frame): void {
  const handle = handleAt(frame, 0);
  at.handles.remove(handle);
  answer(at, frame, at.vfs.release(handle), giveNothing);
}

export function fsync(at: Session, frame: Frame): void {
  answer(at, frame, at.vfs.fsync(handleAt(frame, 0)), giveNothing);
}

/** Only what can be promised: a file grows to the length asked for. Its room is not set aside. */
export function fallocate(at: Session, frame: Frame): void {
  const end = frame.u64(8) + frame.u64(16);
  if (frame.u32(24) !== 0) return void at.out.error(frame.unique, EOPNOTSUPP);
  if (!Number.isSafeInteger(end)) return void at.out.error(frame.unique, EFBIG);
  const [node, handle] = [itemOf(frame.node), handleAt(frame, 0)];
  const shown = at.vfs.getattr(node, handle);
  if (!shown.ok || shown.value.size >= end) return answer(at, frame, shown.ok ? ok(undefined) : shown, giveNothing);
  answer(at, frame, at.vfs.setattr(node, { size: end }, caller(frame), handle), giveNothing);
}

/** The access mode 3 that Linux has for ioctls alone counts as both. */
function openFlags(flags: number): OpenFlags {
  const access = flags & ACCESS_BITS;
  return {
    read: access !== file.O_WRONLY,
    write: access !== file.O_RDONLY,
    append: (flags & file.O_APPEND) !== 0,
    truncate: (flags & file.O_TRUNC) !== 0,
  };
}
