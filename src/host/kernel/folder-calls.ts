/**
 * Listing a folder. The kernel gives a place and room for so many bytes; entries are packed until one does not fit, each with the
 * place behind it (folder-streams.ts). READDIRPLUS hands over the node and the attributes of every entry as a lookup would, all
 * from one call of the vfs, so that a whole `ls -l` or `find` needs no call per file.
 *
 * The kernel may keep a listing in its pages: it drops it at any change it makes itself; of changes made elsewhere kept-listings.ts says
 * when it is told.
 */
import { constants } from "node:os";
import { ok } from "../../base/result.ts";
import type { ItemKey } from "../../model/ids.ts";
import { READDIR_STEP_ENTRIES, REPLY_BYTES_MAX } from "../../model/limits.ts";
import type { Answer, Attributes, DirectoryEntry, Reply } from "../../vfs/vfs.ts";
import type { FolderStream } from "./folder-streams.ts";
import type { Frame } from "./frame.ts";
import type { Pass } from "./kept-listings.ts";
import { NOT_AT_ALL } from "./outbox.ts";
import { answer, attrValid, giveNothing, LOOKS, type Session } from "./session.ts";
import { isOtherSpelling, itemOf } from "./spelling-nodes.ts";
import { DIRENT_BYTES, ENTRY_BYTES, openedAs } from "./wire.ts";

const { EBADF, EINVAL } = constants.errno;
const DOTS = 2;
const PLACE_MAX = 2 ** 31;

export function opendir(at: Session, frame: Frame): void {
  const node = itemOf(frame.node);
  const other = isOtherSpelling(frame.node);
  answer(at, frame, at.vfs.getattr(node), (_at, unique) => {
    const pass = other || at.notices.untold(node) ? undefined : at.listings.open(node);
    const stream = at.streams.open(pass);
    const flags = other ? 0 : openedAs.keepPages | (pass ? openedAs.cacheFolder : 0);
    if (!at.out.opened(unique, stream, flags)) close(at, stream);
  });
}

export function releasedir(at: Session, frame: Frame): void {
  if (close(at, frame.u64(0))) at.out.empty(frame.unique);
  else at.out.error(frame.unique, EBADF);
}

function close(at: Session, id: number): boolean {
  const stream = at.streams.close(id);
  if (stream?.pass) {
    at.listings.closed(stream.pass);
    at.notices.quiet();
  }
  return stream !== undefined;
}

/** Somebody came into a folder, went or has another name, by other hands than the kernel's. */
export function listingChanged(at: Session, folder: ItemKey): void {
  at.notices.node(folder, at.listings.changed(folder));
}

export function fsyncdir(at: Session, frame: Frame): void {
  answer(at, frame, at.vfs.fsyncdir(itemOf(frame.node)), giveNothing);
}

export const readdir = (at: Session, frame: Frame): void => list(at, frame, false);
export const readdirplus = (at: Session, frame: Frame): void => list(at, frame, true);

type Entry = DirectoryEntry & { readonly attributes?: Attributes };

interface Page {
  readonly folder: ItemKey;
  readonly stream: FolderStream;
  readonly plus: boolean;
  /** By another spelling of its name: nothing below is to be remembered. */
  readonly other: boolean;
  readonly place: number;
  readonly room: number;
}

function list(at: Session, frame: Frame, plus: boolean): void {
  const stream = at.streams.get(frame.u64(0));
  if (!stream) return void at.out.error(frame.unique, EBADF);
  const [place, room] = [frame.u64(8), Math.min(frame.u32(16), REPLY_BYTES_MAX)];
  if (place > PLACE_MAX) return void at.out.error(frame.unique, EINVAL);
  if (stream.pass) at.listings.asked(stream.pass, place);
  if (stream.pass && place === 0) at.streams.began(itemOf(frame.node), stream);
  const page: Page = { folder: itemOf(frame.node), stream, plus, place, room, other: isOtherSpelling(frame.node) };
  answer(at, frame, entriesFor(at, page), (_at, unique, entries) => give(at, unique, page, entries), LOOKS);
}

/** At least as many entries as fit, if there are so many. */
function entriesFor(at: Session, page: Page): Reply<readonly Entry[]> {
  const { stream, place, plus, folder } = page;
  const behind = Math.max(place - DOTS, 0);
  const after = stream.cookies[behind] ?? at.streams.behind(folder, behind);
  if (behind > 0 && after === undefined) return catchUp(at, page);
  const least = (plus ? ENTRY_BYTES : 0) + DIRENT_BYTES + 8;
  const most = Math.min(Math.ceil(page.room / least), READDIR_STEP_ENTRIES);
  return plus ? at.vfs.readdirPlus(folder, after, most) : at.vfs.readdir(folder, after, most);
}

/** A place that nobody remembers: counted from the start. */
async function catchUp(at: Session, page: Page): Promise<Answer<readonly Entry[]>> {
  const { stream, place, folder } = page;
  let [passed, last] = [0, undefined as string | undefined];
  while (passed < place - DOTS) {
    const entries = await at.vfs.readdir(folder, last, Math.min(place - DOTS - passed, READDIR_STEP_ENTRIES));
    if (!entries.ok || entries.value.length === 0) return entries;
    passed += entries.value.length;
    last = entries.value.at(-1)!.cookie;
  }
  stream.cookies[place - DOTS] = last;
  return entriesFor(at, page);
}

function give(at: Session, unique: number, page: Page, entries: readonly Entry[]): void {
  const { plus, stream } = page;
  const pack = at.streams.pack(page.room);
  const handed: ItemKey[] = [];
  let { place } = page;
  while (place < DOTS && pack.add(dot(at, page.folder, place), place + 1, plus)) place++;
  for (const entry of place < DOTS ? [] : entries) {
    if (!pack.add(entry, place + 1, plus)) break;
    if (entry.attributes) {
      const [name, attr] = page.other ? [NOT_AT_ALL, NOT_AT_ALL] : [at.entryValid, attrValid(at, entry.inode)];
      pack.attributes(entry.attributes, name, attr);
      handed.push(entry.inode);
    }
    stream.cookies[++place - DOTS] = entry.cookie;
  }
  const bytes = pack.bytes();
  if (at.out.payload(unique, bytes)) for (const node of handed) at.nodes.add(node);
  if (bytes.length === 0 && stream.pass) atEnd(at, stream.pass);
}

function atEnd(at: Session, pass: Pass): void {
  if (at.listings.ended(pass)) at.notices.node(pass.folder, true);
  at.notices.quiet();
}

function dot(at: Session, folder: ItemKey, place: number): Pick<Entry, "name" | "inode" | "kind"> {
  const parent = place === 0 ? ok(folder) : at.vfs.parentOf(folder);
  return { name: place === 0 ? "." : "..", inode: parent.ok ? parent.value : folder, kind: "folder" };
}
