/**
 * The answer to one request, inside one transaction. The request was ours, so what it changed is Base now and no news: Local stays as
 * the person sees it, the node's bytes become clean, its id is bound. Whatever else the answer shows is the cloud's and is merged.
 *
 * An answer is never refused: a stale one changes nothing; an item the feed told before under another node is joined; an occupant
 * of its slot that cannot be there any more makes room until the feed tells where it went.
 */
import { sameBytes, samePlace } from "../merge/tree-view.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import { contentVersion, type CloudItem, type FileContent, type LocalItem, type MirrorItem } from "../model/item.ts";
import { conflictName, fold } from "../model/name.ts";
import { dropNode, dropRecord, ofNode, setStatus } from "../oplog/oplog.ts";
import type { IntentRow } from "../store/schema.ts";
import type { Writer } from "../store/store.ts";
import {
  changeTrees,
  isGone,
  localChildren,
  mirrorAt,
  mirrorChildren,
  viewLocal,
  type LocalView,
  type NodeChange,
} from "../store/tree.ts";
import type { Applied, Pushed } from "./apply.ts";
import { forgetAsked } from "./echo.ts";
import { readChanges, rowOf, type Incoming } from "./incoming.ts";
import { fitOps } from "./keep-ops.ts";
import { mergeIn, type MergeSettings } from "./merge-in.ts";
import { tidyNodes } from "./node-facts.ts";
import { looksOlder } from "./tags.ts";
import { cloudBytes, origin } from "./trees.ts";
import { watchViews } from "./views.ts";

type Adopt = Applied["adopt"][number];

export function acknowledgeIn(
  tx: Writer,
  { pushed, item }: { pushed: Pushed; item: CloudItem | undefined },
  settings: MergeSettings,
): Applied {
  const { node } = pushed;
  const asked = tx.intents.get(node);
  const at = ofNode(tx, node).at(-1)?.at ?? settings.now;
  closeRequest(tx, pushed);
  const applied = item ? answered(tx, { pushed, item, asked }, settings) : removed(tx, node, settings);
  if (tx.mirror.get(node) || viewLocal(tx, node)) fitOps(tx, node, { at, localOnly: false });
  return applied;
}

interface Answer {
  readonly pushed: Pushed;
  readonly item: CloudItem;
  /** What a create asked for. */
  readonly asked: IntentRow | undefined;
}

function answered(tx: Writer, { pushed, item, asked }: Answer, settings: MergeSettings): Applied {
  const { node } = pushed;
  const joined = isCreate(pushed) && join(tx, node, item);
  const held = tx.mirror.get(node);
  const owner = tx.ids.get(item.id);
  if (owner === undefined ? held || !isCreate(pushed) : owner !== node) return mergeAlone(tx, item, settings);
  if (held && looksOlder(item, held)) return NOTHING;
  const row = placedRow(tx, item, held ?? asked);
  if (!row || !isFolder(tx, row.parent) || isBelow(tx, row.parent, node)) return NOTHING;
  const given =
    held && !(joined && asked) ? ours(pushed, held, row) : { ...row, ...(asked ? placeOf(tx, asked, row) : {}) };
  return record(tx, { pushed, row, given }, settings);
}

/** In a folder nobody knows yet the item is where it was, or was asked to be, until the feed tells of that folder. */
function placedRow(tx: Writer, item: CloudItem, before: MirrorItem | IntentRow | undefined): MirrorItem | undefined {
  const held = before && "id" in before ? before : undefined;
  const parent = item.parentId === undefined ? ROOT : tx.ids.get(item.parentId);
  if (parent !== undefined) return rowOf(item, parent, held);
  return before && { ...rowOf(item, before.parent, held), name: before.name };
}

const NOTHING: Applied = { conflicts: [], nodes: [], entries: [], renewed: [], adopt: [] };

interface Outcome {
  readonly pushed: Pushed;
  readonly row: MirrorItem;
  /** What the cloud has from us: the rest of the row is news. */
  readonly given: MirrorItem;
}

function record(tx: Writer, { pushed, row, given }: Outcome, settings: MergeSettings): Applied {
  const { node } = pushed;
  const views = watchViews(tx, [node]);
  const mirror = mirrorAt(tx, row.parent, fold(row.name));
  const local = ownState(tx, pushed, row);
  const expected = samePlace(row, given) && sameBytes(cloudBytes(row), cloudBytes(given)) && (mirror ?? node) === node;
  if (!expected) return merged(tx, { pushed, row, given }, settings);
  const adopt = settleBytes(tx, pushed, row);
  changeTrees(tx, new Map<ItemKey, NodeChange>([[node, { mirror: row, local }]]));
  finishPark(tx, node, row);
  return { conflicts: [], adopt, ...views.changed(adopt) };
}

/** The answer tells more than we did: that part goes through the merge, with what we did as Base. */
function merged(tx: Writer, { pushed, row, given }: Outcome, settings: MergeSettings): Applied {
  const { node } = pushed;
  const adopt = settleBytes(tx, pushed, row);
  const local = ownState(tx, pushed, row);
  const rows = new Map<ItemKey, MirrorItem | null>([[node, row]]);
  const occupant = mirrorAt(tx, row.parent, fold(row.name));
  const there = occupant === undefined || occupant === node ? undefined : tx.mirror.get(occupant);
  if (occupant !== undefined && there) rows.set(occupant, { ...there, name: outOfTheWay(tx, occupant, there) });
  // Local keeps its own words while the Mirror has nothing, or something else, of the node.
  if (local || tx.mirror.get(node)) changeTrees(tx, new Map<ItemKey, NodeChange>([[node, { local }]]));
  const nextNode = (tx.meta.get("nextNode") as number | undefined) ?? ROOT + 1;
  const incoming: Incoming = { rows, claimed: new Map([[node, given]]), nextNode };
  const applied = mergeIn(tx, incoming, settings);
  finishPark(tx, node, row);
  return { ...applied, adopt: [...adopt, ...applied.adopt] };
}

/** Whoever the Mirror has in a slot that our item was given is elsewhere by now. */
function outOfTheWay(tx: Writer, node: ItemKey, row: MirrorItem): string {
  const taken = (name: string): boolean => mirrorAt(tx, row.parent, fold(name)) !== undefined;
  return conflictName(row.name, { device: "cloud", date: "moved", tag: node.toString(36) }, taken);
}

/** The Mirror row with what the request changed. */
function ours({ action }: Pushed, held: MirrorItem, row: MirrorItem): MirrorItem {
  if (action === "move" || action === "createFile" || action === "createFolder")
    return { ...held, parent: row.parent, name: row.name, mtime: row.mtime };
  if (action === "writeContent") return { ...row, parent: held.parent, name: held.name };
  return { ...held, mtime: row.mtime };
}

/** Where a create asked for its item to be, while that folder is there. */
function placeOf(tx: Writer, asked: { parent: ItemKey; name: string }, row: MirrorItem): Partial<MirrorItem> {
  const other = mirrorAt(tx, asked.parent, fold(asked.name));
  const free = other === undefined || tx.mirror.get(other)?.id === row.id;
  return isFolder(tx, asked.parent) && free ? { parent: asked.parent, name: asked.name } : {};
}

/** What Local says of the node, now that the cloud has what was sent. */
function ownState(tx: Writer, pushed: Pushed, row: MirrorItem): LocalItem | null {
  const view = viewLocal(tx, pushed.node);
  if (!view) return null;
  const { kind, parent, name, mtime, content } = view;
  const own = { kind, parent, name, mtime: keepsTime(tx, pushed, view) ? mtime : row.mtime };
  if (content.from === "cloud" || content.blob === pushed.blob) return { ...own, content: { from: "cloud" } };
  const seen = madeFrom(tx, pushed, { row, view }) ? contentVersion(row) : content.seen;
  return { ...own, content: { ...bytesIn(content), ...(seen === undefined ? {} : { seen }) } };
}

function bytesIn({ blob, size }: FileContent & { from: "blob" }): FileContent & { from: "blob" } {
  return { from: "blob", blob, size };
}

/** Bytes above what was sent, or above the version that only got other tags. */
function madeFrom(tx: Writer, pushed: Pushed, { row, view }: { row: MirrorItem; view: LocalView }): boolean {
  const { blob, action, node } = pushed;
  const { content, mirror } = view;
  if (content.from !== "blob") return false;
  if (blob !== undefined && origin(tx, node, content).blobs.includes(blob)) return true;
  if (!mirror || action === "writeContent" || content.seen !== contentVersion(mirror)) return false;
  return sameBytes(cloudBytes(mirror), cloudBytes(row));
}

/** A time of ours stays to be sent; one that we only had from the cloud, or that the cloud was just given, follows the cloud. */
function keepsTime(tx: Writer, { action, node }: Pushed, { mtime, mirror, content }: LocalView): boolean {
  if (content.from === "blob") return true;
  if (action === "setMetadata") return ofNode(tx, node).some(({ op }) => op.type === "setMetadata");
  return !mirror || mirror.mtime !== mtime;
}

/** What was sent is clean now, wherever it is; an older generation is only dropped. */
function settleBytes(tx: Writer, { node, blob }: Pushed, row: MirrorItem): Adopt[] {
  const sent = blob === undefined ? undefined : tx.blobs.get(blob);
  if (blob === undefined || !sent || sent.node !== node) return [];
  const view = viewLocal(tx, node);
  const current = view?.content.from === "blob" && view.content.blob === blob;
  const same = current && sent.hash !== undefined && sent.hash === row.hash && sent.size === row.size;
  tx.blobs.put(blob, { ...sent, state: "pushed" });
  return [{ blob, node, version: contentVersion(row), same }];
}

/** A record of bytes that this request did not send stays: it knows which version they were made from. */
function closeRequest(tx: Writer, { node, blob, upTo }: Pushed): void {
  for (const record of ofNode(tx, node)) {
    if (record.seq > upTo) continue;
    if (blob !== undefined || record.op.type !== "writeContent" || !viewLocal(tx, node)) dropRecord(tx, record);
    else if (record.status.state === "inflight") setStatus(tx, record.seq, { state: "pending" });
  }
  if (tx.intents.get(node)) tx.intents.remove(node);
  forgetAsked(tx, node);
  if (blob !== undefined && tx.sessions.get(blob)) tx.sessions.remove(blob);
}

function finishPark(tx: Writer, node: ItemKey, row: MirrorItem): void {
  const park = tx.parks.get(node);
  if (park && park.parkingName !== row.name) tx.parks.remove(node);
}

/** The item is gone, as asked. When nothing below it is wanted here the rows just go; else it is merged like any tombstone. */
function removed(tx: Writer, node: ItemKey, settings: MergeSettings): Applied {
  const id = tx.mirror.get(node)?.id;
  if (id === undefined) return NOTHING;
  const doomed: ItemKey[] = [node];
  for (let at = 0; at < doomed.length; at++) for (const child of mirrorChildren(tx, doomed[at]!)) doomed.push(child);
  if (doomed.some((each) => viewLocal(tx, each))) {
    const read = readChanges(tx, [{ deleted: true, id }], { read: new Set([id]), now: settings.now });
    return read.ok ? mergeIn(tx, read.value, settings) : NOTHING;
  }
  changeTrees(tx, new Map(doomed.map((each): [ItemKey, NodeChange] => [each, { mirror: null, local: null }])));
  for (const each of doomed) dropNode(tx, each);
  tidyNodes(tx, doomed);
  return NOTHING;
}

/** An answer about an item that is not the node's: merged as news; what that cannot do without, the feed will bring. */
function mergeAlone(tx: Writer, item: CloudItem, settings: MergeSettings): Applied {
  const read = readChanges(tx, [{ deleted: false, item }], { read: new Set([item.id]), now: settings.now });
  return read.ok ? mergeIn(tx, read.value, settings) : NOTHING;
}

/** The feed was faster than the answer and gave our item a node of its own: when nobody touched that one, it is joined to ours. */
function join(tx: Writer, node: ItemKey, item: CloudItem): boolean {
  const other = tx.ids.get(item.id);
  const row = other === undefined ? undefined : tx.mirror.get(other);
  if (other === undefined || other === node || !row || tx.mirror.get(node) || tx.local.get(other)) return false;
  const view = viewLocal(tx, node);
  if (!view || view.kind !== row.kind) return false;
  const changes = new Map<ItemKey, NodeChange>([
    [other, { mirror: null, local: null }],
    [node, { mirror: row, local: tx.local.get(node) as LocalItem }],
  ]);
  for (const child of mirrorChildren(tx, other)) {
    const mirror = tx.mirror.get(child);
    if (mirror) changes.set(child, { ...changes.get(child), mirror: { ...mirror, parent: node } });
  }
  for (const child of localChildren(tx, other)) {
    const local = tx.local.get(child);
    if (local && !isGone(local)) changes.set(child, { ...changes.get(child), local: { ...local, parent: node } });
  }
  changeTrees(tx, changes);
  return true;
}

function isCreate({ action }: Pushed): boolean {
  return action === "createFile" || action === "createFolder";
}

function isFolder(tx: Writer, node: ItemKey): boolean {
  return node === ROOT || tx.mirror.get(node)?.kind === "folder";
}

function isBelow(tx: Writer, place: ItemKey, folder: ItemKey): boolean {
  for (let at = place; at !== ROOT; at = tx.mirror.get(at)?.parent ?? ROOT) if (at === folder) return true;
  return false;
}
