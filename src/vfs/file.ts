/**
 * Open files. Opening moves no byte; bytes are read and written through the Source that content gives; lengths and times are
 * committed as unsaved.ts says. What flush has answered survives kill -9, what fsync has answered survives a power cut.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import type { BlobId, HandleId, ItemKey } from "../model/ids.ts";
import { TOUCH_GRAIN_MS } from "../model/limits.ts";
import { fold } from "../model/name.ts";
import { settledAt } from "../oplog/oplog.ts";
import { changeTrees, localAt, newNode, viewLocal, type LocalView } from "../store/tree.ts";
import { attributes, factsOfNew, getattr, touchFolder, truncateOpen } from "./attributes.ts";
import { living, setFacts, type Core } from "./core.ts";
import { durable } from "./directory.ts";
import { settleIdentity } from "./identity.ts";
import { checkPlace, folderAt, forgetSpellings, whenListed } from "./lookup.ts";
import { checkBytes, checkSealed } from "./sealed.ts";
import type { OpenFile } from "./open-files.ts";
import { record } from "./pending.ts";
import { roomFor } from "./room.ts";
import { afterwards, dropClean, splitSoon, sweepSoon } from "./settle.ts";
import { save, touchedNow, touchOps, unlessStale } from "./unsaved.ts";
import type { Answer, Attributes, Caller, OpenFlags, Reply } from "./vfs.ts";

export interface Created {
  readonly handle: HandleId;
  readonly attributes: Attributes;
}

interface Making {
  readonly mode: number;
  readonly flags: OpenFlags & { readonly exclusive: boolean };
  readonly caller: Caller;
}

export function create(core: Core, parent: ItemKey, name: string, how: Making): Reply<Created> {
  const refused = core.refusal();
  if (refused) return refused;
  const folder = folderAt(core, parent);
  if (!folder.ok) return folder;
  return whenListed(core, parent, () => {
    const there = localAt(core.read, parent, fold(name));
    if (there !== undefined) return openExisting(core, there, how.flags, how.caller);
    const place = checkPlace(core, parent, name);
    return place.ok ? bear(core, parent, name, how) : place;
  });
}

async function openExisting(
  core: Core,
  node: ItemKey,
  flags: OpenFlags & { exclusive: boolean },
  caller: Caller,
): Promise<Answer<Created>> {
  if (flags.exclusive) return fault("exists", "the name is taken");
  const there = getattr(core, node);
  if (!there.ok) return there;
  // The kernel takes it for made just now and asks nobody: let it look again, and find out whether this one may.
  if (caller.uid !== 0 && caller.uid !== there.value.uid) return fault("stale", "the name was taken meanwhile");
  const handle = await open(core, node, flags, caller);
  if (!handle.ok) return handle;
  const shown = getattr(core, node, handle.value);
  return shown.ok ? ok({ handle: handle.value, attributes: { ...shown.value, spellings: "several" } }) : shown;
}

/** A file begins with an empty blob. While content made it, somebody else may have taken the name. */
async function bear(core: Core, parent: ItemKey, name: string, how: Making): Promise<Answer<Created>> {
  const blob = await core.content.createBlob();
  if (!blob.ok) return blob;
  const there = localAt(core.read, parent, fold(name));
  const place = checkPlace(core, parent, name);
  if (there !== undefined || !place.ok) {
    sweepSoon(core);
    return there === undefined ? (place as Answer<never>) : openExisting(core, there, how.flags, how.caller);
  }
  const born = commitBirth(core, { parent, name, how, blob: blob.value });
  if (!born.ok) {
    sweepSoon(core);
    return born;
  }
  const node = born.value;
  const { read: reads, write: writes, append: appends } = how.flags;
  const opened = { read: reads, write: writes, append: appends, asker: undefined, writing: writes };
  const view = viewLocal(core.read, node)!;
  const { id } = core.files.add({ node, view, source: core.content.open(node), ...opened });
  return ok({ handle: id, attributes: attributes(core, view, core.read.facts.get(node) ?? {}) });
}

function commitBirth(
  core: Core,
  birth: { readonly parent: ItemKey; readonly name: string; readonly how: Making; readonly blob: BlobId },
): Answer<ItemKey> {
  const { parent, name, how, blob } = birth;
  const facts = factsOfNew(core, { kind: "file", parent, ...how });
  const done = core.commit((tx) => {
    const node = newNode(tx);
    const row = { kind: "file", parent, name, mtime: facts.mtime.s, content: { from: "blob", blob, size: 0 } } as const;
    changeTrees(tx, new Map([[node, { local: row }]]));
    tx.blobs.put(blob, { node, size: 0, state: "open" });
    setFacts(tx, node, facts);
    record(tx, { type: "createFile", node, parent, name }, core.clock.now());
    touchFolder(core, tx, parent);
    return { node, settled: settleIdentity(core, tx, [node]) };
  });
  if (!done.ok) return done;
  forgetSpellings(core, parent, name);
  afterwards(core, done.value.settled);
  return ok(done.value.node);
}

export async function open(core: Core, node: ItemKey, flags: OpenFlags, caller: Caller): Promise<Answer<HandleId>> {
  const view = openable(core, node, flags);
  if (!view.ok) return view;
  const file = core.files.add({
    node,
    view: view.value,
    source: core.content.open(node),
    read: flags.read,
    write: flags.write,
    append: flags.append,
    asker: core.content.have(node) === "all" ? undefined : core.asker?.(caller),
    writing: false,
  });
  if (!flags.truncate) return ok(file.id);
  const cut = await truncateOpen(core, file.source, 0);
  if (cut.ok) return ok(file.id);
  core.files.remove(file.id);
  await file.source.close();
  return cut;
}

function openable(core: Core, node: ItemKey, flags: OpenFlags): Answer<LocalView> {
  const view = living(core, node);
  if (!view.ok) return view;
  const { kind, parent } = view.value;
  if (kind === "folder") return fault("isFolder", "a folder is not opened as a file");
  const refused = flags.write || flags.truncate ? (core.refusal() ?? checkSealed(core, parent)) : undefined;
  return checkBytes(view.value) ?? refused ?? view;
}

export async function read(
  core: Core,
  handle: HandleId,
  range: { readonly position: number; readonly length: number; readonly signal: AbortSignal | undefined },
): Promise<Answer<Uint8Array>> {
  const file = core.files.get(handle);
  if (!file?.read) return fault("badHandle", "the file is not open for reading");
  if (file.asker?.mayDownload === false && isElsewhere(core, file))
    return fault("offline", "this program's reads do not download");
  asksFor(core, file);
  return file.source.read(range.position, range.length, range.signal);
}

function asksFor(core: Core, { asker, source }: OpenFile): void {
  if (asker && source.blob === undefined) core.asks?.(source.node, asker);
}

function isElsewhere(core: Core, { source }: OpenFile): boolean {
  return source.blob === undefined && source.size > 0 && core.content.have(source.node) !== "all";
}

export async function write(
  core: Core,
  handle: HandleId,
  position: number,
  bytes: Uint8Array,
): Promise<Answer<number>> {
  const file = core.files.get(handle);
  if (!file?.write) return fault("badHandle", "the file is not open for writing");
  const refused = core.refusal();
  if (refused) return refused;
  if (bytes.length === 0) return ok(0);
  if (!file.append) return writeAt(core, file, position, bytes);
  return core.appends.run(file.source, () => writeAt(core, file, file.source.size, bytes));
}

async function writeAt(core: Core, file: OpenFile, position: number, bytes: Uint8Array): Promise<Answer<number>> {
  const { source } = file;
  const end = position + bytes.length;
  const room = end > source.size ? roomFor(core, source.node, end) : ok();
  if (!room.ok) return room;
  asksFor(core, file);
  if (!file.writing) core.files.writes(source.node);
  const done = await unlessStale(source.write(position, bytes));
  if (done.ok) touchedNow(core, source);
  return done;
}

/** Each close(2): what was written so far is committed, and the settle window begins anew. */
export function flush(core: Core, handle: HandleId): Answer<undefined> {
  const file = core.files.get(handle);
  if (!file) return fault("badHandle", "the file is not open");
  return save(core, file.source);
}

export async function fsync(core: Core, handle: HandleId): Promise<Answer<undefined>> {
  const file = core.files.get(handle);
  if (!file) return fault("badHandle", "the file is not open");
  const synced = await file.source.sync();
  if (!synced.ok) return synced;
  const saved = save(core, file.source);
  return saved.ok ? durable(core) : saved;
}

/** The last close. The handle ends whatever happens; a failure is told, and what was flushed before stays. */
export async function release(core: Core, handle: HandleId): Promise<Answer<undefined>> {
  const file = core.files.get(handle);
  if (!file) return fault("badHandle", "the file is not open");
  const saved = save(core, file.source);
  const { node } = file.source;
  core.files.remove(handle);
  if (file.write) closedForWriting(core, node);
  await file.source.close();
  if (core.files.of(node).length > 0) return saved;
  core.asks?.(node, undefined);
  forgetOrphan(core, file);
  return saved;
}

function closedForWriting(core: Core, node: ItemKey): void {
  const last = settledAt(core.read, node);
  if (last !== undefined && core.clock.now() - last > TOUCH_GRAIN_MS) touchOps(core, node);
  // The push of a file that is being written waits for this, whenever it comes.
  if (last !== undefined) core.changed({ kind: "logged", settling: true });
  if (core.waiting.splits.size > 0) splitSoon(core);
}

function forgetOrphan(core: Core, file: OpenFile): void {
  if (file.source.blob !== undefined) core.files.unsaved.delete(file.source.blob);
  if (!core.orphans.delete(file.node)) return;
  sweepSoon(core);
  core.changed({ kind: "logged" }); // its delete may have waited for this reader
  if (!core.read.mirror.get(file.node)) dropClean(core, file.node);
}
