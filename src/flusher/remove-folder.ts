/**
 * Deletes a folder without deleting anything that nobody here has seen: the subtree is enumerated and compared with the Mirror in
 * both directions first. Where folders have a content tag that moves with everything below (old personal accounts), one
 * conditional request deletes it all. Elsewhere the known items are deleted one by one, conditionally, each folder only after a
 * fresh listing showed it empty. Any difference is merged instead and nothing is deleted.
 */
import { ok, type Result } from "../base/result.ts";
import type { CloudChange } from "../model/change.ts";
import type { Fault } from "../model/fault.ts";
import type { ItemId, ItemKey } from "../model/ids.ts";
import { contentVersion, type CloudItem, type MirrorItem } from "../model/item.ts";
import { mirrorChildren, viewLocal } from "../store/tree.ts";
import type { Begun } from "./begin.ts";
import { finish } from "./finish.ts";
import { lastSeqOf } from "./op-states.ts";
import { DONE, type End, type Pushing } from "./pushing.ts";
import { afterFailedRead, refused } from "./refusal.ts";

type Known = Map<ItemId, { readonly node: ItemKey; readonly row: MirrorItem; readonly parent: ItemId | undefined }>;

export async function removeFolder(pushing: Pushing, begun: Begun, signal: AbortSignal): Promise<End> {
  const id = idOf(begun);
  const top = await pushing.drive.item(id, signal);
  if (!top.ok && top.fault.kind === "notFound") return acknowledged(pushing, begun);
  if (!top.ok) return afterFailedRead(top.fault);
  const known = knownBelow(pushing, begun.step.node);
  if (isWanted(pushing, begun.step.node, known)) return OVERTAKEN;
  const found = await foundBelow(pushing, id, signal);
  if (!found.ok) return afterFailedRead(found.fault);
  const changes = await differences(pushing, { top: top.value, known, found: found.value }, signal);
  if (!changes.ok) return afterFailedRead(changes.fault);
  if (changes.value.length > 0) return merge(pushing, changes.value, signal);
  if (top.value.cTag === undefined) return removeOneByOne(pushing, { begun, known, top: top.value }, signal);
  const removed = await pushing.calls({ call: "remove", id, seen: top.value.cTag });
  if (removed.ok || removed.fault.kind === "notFound") return acknowledged(pushing, begun);
  return refused(pushing, begun, removed.fault, signal);
}

const OVERTAKEN: End = {
  end: "stale",
  remerged: false,
  why: "the folder is wanted again: the cloud has put something into it",
};

/** A merge since the step was begun has cancelled the deletion of the folder or of something in it. */
function isWanted({ store }: Pushing, top: ItemKey, known: Known): boolean {
  const nodes = [top, ...[...known.values()].map(({ node }) => node)];
  return nodes.some((node) => viewLocal(store.read, node) !== undefined);
}

async function merge(pushing: Pushing, changes: readonly CloudChange[], signal: AbortSignal): Promise<End> {
  const absorbed = await pushing.cloud.absorb(changes, signal);
  pushing.stirred();
  const why = "the folder is not what it was when it was deleted";
  return absorbed.ok ? { end: "stale", remerged: true, why } : afterFailedRead(absorbed.fault);
}

async function acknowledged(pushing: Pushing, { step, upTo }: Begun): Promise<End> {
  await finish(pushing, { node: step.node, action: "deleteFolder", upTo }, undefined);
  return DONE;
}

/** Everything the Mirror has below the folder. */
function knownBelow(pushing: Pushing, top: ItemKey): Known {
  const { read } = pushing.store;
  const known: Known = new Map();
  const folders = [top];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const node of mirrorChildren(read, folder)) {
      const row = read.mirror.get(node);
      if (!row) continue;
      known.set(row.id, { node, row, parent: read.mirror.get(folder)?.id });
      if (row.kind === "folder") folders.push(node);
    }
  }
  return known;
}

/** Everything the service lists below the folder. */
async function foundBelow(
  pushing: Pushing,
  top: ItemId,
  signal: AbortSignal,
): Promise<Result<Map<ItemId, CloudItem>, Fault>> {
  const found = new Map<ItemId, CloudItem>();
  const folders = [top];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const items = await listed(pushing, folder, signal);
    if (!items.ok) return items;
    for (const item of items.value) {
      if (item.kind === "folder" && !found.has(item.id)) folders.push(item.id);
      found.set(item.id, item);
    }
  }
  return ok(found);
}

async function listed(pushing: Pushing, folder: ItemId, signal: AbortSignal): Promise<Result<CloudItem[], Fault>> {
  const items: CloudItem[] = [];
  for (let link: string | undefined, first = true; first || link !== undefined; first = false) {
    const page = await pushing.drive.children(folder, link, signal);
    if (!page.ok) return page;
    items.push(...page.value.items);
    if (page.value.next === link) break;
    link = page.value.next;
  }
  return ok(items);
}

/** What the cloud has and the Mirror does not know so, and what the Mirror has and the listing did not show, read by id. */
async function differences(
  pushing: Pushing,
  { top, known, found }: { top: CloudItem; known: Known; found: ReadonlyMap<ItemId, CloudItem> },
  signal: AbortSignal,
): Promise<Result<CloudChange[], Fault>> {
  const changes: CloudChange[] = [];
  for (const item of found.values()) {
    const there = known.get(item.id);
    const same =
      there &&
      there.parent === item.parentId &&
      there.row.name === item.name &&
      (item.kind === "folder" || sameContent(there.row, item));
    if (!same) changes.push({ deleted: false, item });
  }
  for (const id of known.keys()) {
    if (found.has(id)) continue;
    const item = await pushing.drive.item(id, signal);
    if (!item.ok && item.fault.kind !== "notFound") return item;
    changes.push(item.ok ? { deleted: false, item: item.value } : { deleted: true, id });
  }
  const row = pushing.store.read.ids.get(top.id);
  const mirror = row === undefined ? undefined : pushing.store.read.mirror.get(row);
  if (mirror && mirror.name !== top.name) changes.push({ deleted: false, item: top });
  return ok(changes);
}

function sameContent(row: MirrorItem, item: CloudItem): boolean {
  if (row.cTag !== undefined && item.cTag !== undefined) return row.cTag === item.cTag;
  if (row.hash !== undefined && item.hash !== undefined) return row.hash === item.hash && row.size === item.size;
  return contentVersion(row) === contentVersion(item);
}

type Removal = { readonly begun: Begun; readonly known: Known; readonly top: CloudItem };

/** Deepest first; every answer is recorded when it comes, so that a crash in between loses only time. */
async function removeOneByOne(pushing: Pushing, { begun, known, top }: Removal, signal: AbortSignal): Promise<End> {
  for (const level of levels(known, top.id)) {
    const ends = await Promise.all(level.map((id) => removeChild(pushing, { begun, known, id }, signal)));
    const bad = ends.find((end) => end.end !== "done");
    if (bad) return bad;
  }
  const removed = await removeIfEmpty(pushing, top.id, signal);
  if (removed === "filled") return merge(pushing, await newBelow(pushing, top.id, signal), signal);
  if (removed.ok || removed.fault.kind === "notFound") return acknowledged(pushing, begun);
  return refused(pushing, begun, removed.fault, signal);
}

async function removeChild(
  pushing: Pushing,
  { begun, known, id }: { begun: Begun; known: Known; id: ItemId },
  signal: AbortSignal,
): Promise<End> {
  const child = known.get(id);
  if (!child) return DONE;
  const { node, row } = child;
  const folder = row.kind === "folder";
  const removed = folder
    ? await removeIfEmpty(pushing, id, signal)
    : await pushing.calls({ call: "remove", id, seen: row.eTag ?? row.cTag });
  if (removed === "filled") return merge(pushing, await newBelow(pushing, id, signal), signal);
  if (!removed.ok && removed.fault.kind !== "notFound") {
    const request = { action: folder ? "deleteFolder" : "deleteFile", id, seen: row.eTag } as const;
    return refused(pushing, { ...begun, request, slot: undefined }, removed.fault, signal);
  }
  const upTo = lastSeqOf(pushing.store.read, node);
  await finish(pushing, { node, action: folder ? "deleteFolder" : "deleteFile", upTo }, undefined);
  return DONE;
}

/** The service's own tag of the folder is read before the listing: whatever happens to the folder itself in between is a 412. */
async function removeIfEmpty(
  pushing: Pushing,
  id: ItemId,
  signal: AbortSignal,
): Promise<Result<unknown, Fault> | "filled"> {
  const folder = await pushing.drive.item(id, signal);
  if (!folder.ok) return folder;
  const left = await listed(pushing, id, signal);
  if (!left.ok) return left;
  if (left.value.length > 0) return "filled";
  return pushing.calls({ call: "remove", id, seen: folder.value.eTag });
}

async function newBelow(pushing: Pushing, id: ItemId, signal: AbortSignal): Promise<CloudChange[]> {
  const items = await listed(pushing, id, signal);
  return items.ok ? items.value.map((item) => ({ deleted: false, item })) : [];
}

/** Ids below the folder, the deepest level first. */
function levels(known: Known, top: ItemId): ItemId[][] {
  const below = new Map<ItemId, ItemId[]>();
  for (const [id, { parent }] of known) if (parent !== undefined) below.set(parent, [...(below.get(parent) ?? []), id]);
  const out: ItemId[][] = [];
  for (let level = below.get(top) ?? []; level.length > 0; level = level.flatMap((id) => below.get(id) ?? []))
    out.unshift(level);
  return out;
}

function idOf({ request }: Begun): ItemId {
  if (request.action !== "deleteFolder") throw new TypeError("a folder is deleted by a deleteFolder request");
  return request.id;
}
