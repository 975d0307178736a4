/**
 * Attributes: what stat shows and what setattr changes. Size and mtime of a file being written are those in memory; everything
 * else comes from the store. Modes, owners, nanoseconds, atimes that were set and change times are facts of this machine; an mtime of
 * a file goes to the cloud in whole seconds. Who may change what is the kernel's to decide, which is given `default_permissions`.
 */
import { ok } from "../base/result.ts";
import type { Source } from "../content/content.ts";
import { fault } from "../model/fault.ts";
import type { HandleId, ItemKey } from "../model/ids.ts";
import type { Facts, Kind, Time } from "../model/item.ts";
import { FILE_BYTES_MAX, FOLDER_LINKS_ENTRIES_MAX } from "../model/limits.ts";
import { fewChildren, isListed } from "../store/children.ts";
import type { CachedRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import { changeTrees, viewLocal, type LocalView } from "../store/tree.ts";
import { later, rowOf, setFacts, type Core } from "./core.ts";
import { record } from "./pending.ts";
import { roomFor } from "./room.ts";
import { checkBytes, checkSealed } from "./sealed.ts";
import { save, touchedNow, unlessStale } from "./unsaved.ts";
import type { Answer, AttributeChange, Attributes, Caller, Reply } from "./vfs.ts";

const PERMISSIONS = 0o7777;
/** The set-group-id bit of a folder. */
const HANDS_ON_GROUP = 0o2000;

export function getattr(core: Core, node: ItemKey, handle?: HandleId): Answer<Attributes> {
  const open = handle === undefined ? undefined : core.files.get(handle);
  const view = viewLocal(core.read, node);
  if (view) return ok(attributes(core, view, core.read.facts.get(node) ?? {}, open?.source));
  const file = open ?? core.files.of(node)[0];
  const gone = core.orphans.get(node) ?? (file && { view: file.view, facts: NO_FACTS });
  if (!gone) return fault("notFound", `node ${node} is not there`);
  return ok({ ...attributes(core, gone.view, gone.facts, file?.source), links: 0 });
}

/** `source`: the bytes to tell the size of; without, those of the node's current content. */
export function attributes(core: Core, view: LocalView, facts: Facts, source?: Source): Attributes {
  const isClean = view.kind === "file" && view.content.from === "cloud";
  return attributesOf(core, view, { facts, cached: isClean ? core.read.cached.get(view.node) : undefined }, source);
}

/** What is known of a node besides its place. */
export interface NodeRows {
  readonly facts: Facts | undefined;
  readonly cached: CachedRow | undefined;
}

const NO_FACTS: Facts = {};

export function attributesOf(core: Core, view: LocalView, rows: NodeRows, source?: Source): Attributes {
  const { node, kind, content } = view;
  const facts = rows.facts ?? NO_FACTS;
  const bytes = source ?? (content.from === "blob" ? core.content.openBlob(content.blob) : undefined);
  const size = kind === "folder" ? 0 : (bytes?.size ?? view.size);
  const unsaved = bytes?.blob === undefined ? undefined : core.files.unsaved.get(bytes.blob);
  const mtime = unsaved ?? shownMtime(view, facts);
  return {
    inode: node,
    kind,
    mode: facts.mode ?? (kind === "folder" ? 0o755 : 0o644) & ~core.umask,
    uid: facts.uid ?? core.uid,
    gid: facts.gid ?? core.gid,
    size,
    blocks: kind === "folder" ? 0 : Math.ceil(bytesHere(view, size, rows.cached) / 512),
    links: kind === "folder" ? folderLinks(core, node) : 1,
    atime: facts.atime ?? mtime,
    mtime,
    ctime: later(unsaved, facts.ctime) ?? mtime,
    birth: view.mirror ? { s: view.mirror.birth, n: 0 } : mtime,
  };
}

/**
 * As everywhere: itself, its name, and `..` of each folder in it. Of a folder with many entries, or one that was never listed, it is 1,
 * which programs know to mean that nobody counted: it is asked for at every turn, and must not cost a listing.
 */
function folderLinks({ read }: Core, folder: ItemKey): number {
  if (!isListed(read, folder)) return 1;
  const children = fewChildren(read, folder, FOLDER_LINKS_ENTRIES_MAX);
  if (!children) return 1;
  let links = 2;
  for (const child of children) if (viewLocal(read, child)?.kind === "folder") links++;
  return links;
}

/** Unpushed bytes are all here; of clean ones those that content has fetched. */
function bytesHere(view: LocalView, size: number, cached: CachedRow | undefined): number {
  if (view.content.from === "blob") return size;
  const ranges = cached?.ranges ?? [];
  let here = 0;
  for (let i = 0; i + 1 < ranges.length; i += 2) here += ranges[i + 1]! - ranges[i]!;
  return Math.min(here, size);
}

/** A folder's own time is a fact of this machine; a file's seconds are the item's. */
export function shownMtime(view: Pick<LocalView, "kind" | "mtime">, facts: Facts): Time {
  if (facts.mtime && (view.kind === "folder" || facts.mtime.s === view.mtime)) return facts.mtime;
  return { s: view.mtime, n: 0 };
}

export interface Changing {
  readonly caller: Caller;
  readonly handle: HandleId | undefined;
}

export function setattr(core: Core, node: ItemKey, change: AttributeChange, by: Changing): Reply<Attributes> {
  const refused = core.refusal();
  if (refused) return refused;
  const view = viewLocal(core.read, node);
  if (!view && !core.orphans.has(node)) return fault("notFound", `node ${node} is not there`);
  const shown = view ?? core.orphans.get(node)!.view;
  const sealed = change.size === undefined && change.mtime === undefined ? undefined : checkSealed(core, shown.parent);
  if (sealed) return sealed;
  if (change.size === undefined) return setPlain(core, node, change, by.handle);
  if (shown.kind === "folder") return fault("isFolder", "a folder has no size to set");
  const denied = checkBytes(shown);
  if (denied) return denied;
  return resize(core, node, change.size, by).then((resized) =>
    resized.ok ? setPlain(core, node, change, by.handle) : resized,
  );
}

/** mkdir, create and the like: the entries of a folder changed. */
export function touchFolder(core: Core, tx: Writer, folder: ItemKey): void {
  const now = core.now();
  setFacts(tx, folder, { mtime: now, ctime: now });
}

async function resize(core: Core, node: ItemKey, size: number, by: Changing): Promise<Answer<undefined>> {
  const { caller, handle } = by;
  const room = roomFor(core, node, size);
  if (!room.ok) return room;
  const gone = viewLocal(core.read, node) === undefined;
  const open = handle === undefined ? (gone ? core.files.of(node)[0] : undefined) : core.files.get(handle);
  if (size > 0 && core.content.have(node) !== "all") core.asks?.(node, core.asker?.(caller));
  if (open) return truncateOpen(core, open.source, size);
  const source = core.content.open(node);
  try {
    return await truncateOpen(core, source, size);
  } finally {
    await source.close();
    if (core.files.of(node).length === 0) core.asks?.(node, undefined);
  }
}

/** Also a truncation to the present size counts as a write: the mtime moves. */
export async function truncateOpen(core: Core, source: Source, size: number): Promise<Answer<undefined>> {
  if (size > FILE_BYTES_MAX) return fault("tooLarge", "the service takes no larger file");
  core.files.writes(source.node);
  const done = await unlessStale(source.truncate(size));
  if (!done.ok) return done;
  if (source.blob !== undefined) touchedNow(core, source);
  else {
    const now = core.now();
    return setTimes(core, source.node, { mtime: now, now }, NO_FACTS);
  }
  return save(core, source);
}

function setPlain(core: Core, node: ItemKey, change: AttributeChange, handle?: HandleId): Answer<Attributes> {
  const now = core.now();
  const facts = factsOf(core, node, change, now);
  const mtime = change.mtime === "now" ? now : change.mtime;
  const done = mtime === undefined ? setOwnFacts(core, node, facts) : setTimes(core, node, { mtime, now }, facts);
  return done.ok ? getattr(core, node, handle) : done;
}

/** What a change makes of mode, owner and atime. */
function factsOf(core: Core, node: ItemKey, { mode, uid, gid, atime }: AttributeChange, now: Time): Facts {
  const before = (viewLocal(core.read, node) ? core.read.facts.get(node) : core.orphans.get(node)?.facts) ?? NO_FACTS;
  const asked = [mode, uid, gid, atime].some((part) => part !== undefined);
  return {
    ...(mode === undefined ? {} : { mode: mode & PERMISSIONS }),
    ...otherOwner(core, before, { uid, gid }),
    ...(atime === undefined ? {} : { atime: atime === "now" ? now : atime }),
    ...(asked ? { ctime: now } : {}),
  };
}

/** What is to be noted, so that the item belongs to these two. */
function otherOwner(core: Core, facts: Facts, to: Owner): Facts {
  const { uid = facts.uid ?? core.uid, gid = facts.gid ?? core.gid } = to;
  return {
    ...(uid === (facts.uid ?? core.uid) ? {} : { uid }),
    ...(gid === (facts.gid ?? core.gid) ? {} : { gid }),
  };
}

type Owner = { readonly uid: number | undefined; readonly gid: number | undefined };

/** What is noted of an item when it is made. In a folder that hands on its group, that is the item's, and a folder hands it on too. */
export function factsOfNew(core: Core, made: Made): Facts & { readonly mtime: Time } {
  const above = core.read.facts.get(made.parent) ?? NO_FACTS;
  const handsOn = ((above.mode ?? 0) & HANDS_ON_GROUP) !== 0;
  const owner = {
    uid: core.uidOfNew ?? made.caller.uid,
    gid: handsOn ? (above.gid ?? core.gid) : (core.gidOfNew ?? made.caller.gid),
  };
  const mode = (made.mode & PERMISSIONS) | (handsOn && made.kind === "folder" ? HANDS_ON_GROUP : 0);
  const now = core.now();
  return { mode, atime: now, mtime: now, ctime: now, ...otherOwner(core, NO_FACTS, owner) };
}

interface Made {
  readonly kind: Kind;
  readonly parent: ItemKey;
  readonly mode: number;
  readonly caller: Caller;
}

function setOwnFacts(core: Core, node: ItemKey, facts: Facts): Answer<undefined> {
  if (facts.ctime === undefined) return ok();
  const orphan = core.orphans.get(node);
  if (!viewLocal(core.read, node) && orphan) {
    orphan.facts = { ...orphan.facts, ...facts };
    return ok();
  }
  return core.commit((tx) => setFacts(tx, node, facts)) as Answer<undefined>;
}

/** Sets the mtime, and these facts with it; what a running write would have made of it is forgotten, a later write moves it again. */
function setTimes(
  core: Core,
  node: ItemKey,
  { mtime, now }: { readonly mtime: Time; readonly now: Time },
  facts: Facts,
): Answer<undefined> {
  const view = viewLocal(core.read, node);
  if (!view) return setOrphanTimes(core, node, { ...facts, mtime, ctime: now });
  const blob = view.content.from === "blob" ? view.content.blob : undefined;
  const source = blob === undefined ? undefined : core.content.openBlob(blob);
  const done = core.commit((tx) => {
    setFacts(tx, node, { ...facts, mtime, ctime: now });
    if (view.kind === "folder") return;
    const content = view.content.from === "blob" && source ? { ...view.content, size: source.size } : view.content;
    changeTrees(tx, new Map([[node, { local: rowOf(view, { mtime: mtime.s, content }) }]]));
    if (view.mtime !== mtime.s) record(tx, { type: "setMetadata", node, mtime: mtime.s }, core.clock.now());
  });
  if (!done.ok) return done;
  if (blob !== undefined) core.files.unsaved.delete(blob);
  core.changed({ kind: "logged", settling: true });
  return ok();
}

function setOrphanTimes(core: Core, node: ItemKey, facts: Facts & { readonly mtime: Time }): Answer<undefined> {
  const orphan = core.orphans.get(node)!;
  const view = { ...orphan.view, mtime: facts.mtime.s };
  core.orphans.set(node, { view, facts: { ...orphan.facts, ...facts } });
  for (const file of core.files.of(node))
    if (file.source.blob !== undefined) core.files.unsaved.delete(file.source.blob);
  return ok();
}
