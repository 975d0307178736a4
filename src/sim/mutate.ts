/**
 * The changes a client can make, each with the service's rules: names, conflicts, quota, what moves which tag, what a
 * deletion takes along. Every function checks everything first and throws a `Refusal` before it changes anything.
 */
import type { Content } from "./content.ts";
import { usedBytes } from "./drive.ts";
import { isFolder, isWithin, pathOf, subtree, type Actor, type Item } from "./item.ts";
import { collate, numberedName, PATH_MAX_CHARS, refusedName } from "./names.ts";
import { badRequest, nameTaken, notFound, quotaReached, Refusal } from "./refusal.ts";
import type { World } from "./world.ts";

export type Conflict = "fail" | "replace" | "rename";
const VERSIONS_KEPT = 50;

/** A place for an item: a name in a folder. */
export interface Slot {
  readonly parent: Item;
  readonly name: string;
}

export function occupant(slot: Slot): Item | undefined {
  return slot.parent.children?.get(collate(slot.name));
}

export interface ClientTimes {
  readonly created?: number | undefined;
  readonly modified?: number | undefined;
}

/** `made` is false when `replace` found the folder there already. */
export function createFolder(
  world: World,
  slot: Slot,
  how: { conflict: Conflict; by: Actor; times?: ClientTimes },
): { item: Item; made: boolean } {
  checkSlot(world, slot, true);
  const there = occupant(slot);
  if (there && how.conflict === "replace" && isFolder(there)) return { item: there, made: false };
  const name = there ? freeName(slot, how.conflict) : slot.name;
  const item = world.add(slot.parent, name, { content: null, by: how.by });
  setTimes(world, item, how.times);
  world.note(item);
  return { item, made: true };
}

export interface WriteHow {
  readonly conflict: Conflict;
  readonly by: Actor;
  readonly times?: ClientTimes | undefined;
  readonly description?: string | undefined;
}

/** Content into a slot: a new file, or a new version of the one there. */
export function writeSlot(world: World, slot: Slot, content: Content, how: WriteHow): { item: Item; made: boolean } {
  const there = occupant(slot);
  if (there && how.conflict === "replace") return { item: writeFile(world, there, content, how), made: false };
  checkSlot(world, slot, false);
  const name = there ? freeName(slot, how.conflict) : slot.name;
  checkQuota(slot.parent, content.size);
  const item = world.add(slot.parent, name, { content, by: how.by });
  setTimes(world, item, how.times);
  if (how.description !== undefined) item.extra = { ...item.extra, description: how.description };
  world.note(item);
  return { item, made: true };
}

/** New content for a file; the old becomes a version. */
export function writeFile(world: World, item: Item, content: Content, how: Omit<WriteHow, "conflict">): Item {
  if (!item.content) throw nameTaken("A folder or notebook has this name");
  checkQuota(item, content.size - item.content.size);
  keepVersion(world, item);
  world.hold(content);
  item.content = content;
  world.grow(item, content.size - item.size);
  item.contentChanges++;
  item.clientModified = world.now();
  setTimes(world, item, how.times);
  world.touch(item, how.by);
  return item;
}

export interface Update {
  readonly name?: string | undefined;
  readonly parent?: Item | undefined;
  readonly times?: ClientTimes | undefined;
  readonly description?: string | undefined;
}

/** Rename, move and times in one step. */
export function updateItem(world: World, item: Item, change: Update, how: { conflict: Conflict; by: Actor }): Item {
  const parent = change.parent ?? item.parent;
  const slot = { parent: parent!, name: change.name ?? item.name };
  const moves = slot.parent !== item.parent || slot.name !== item.name;
  if (moves) moveItem(world, item, slot, how);
  if (change.times) patchTimes(world, item, change.times);
  else if (moves && item.content) item.clientModified = world.now();
  if (change.description !== undefined) item.extra = { ...item.extra, description: change.description };
  const { modified } = item;
  world.touch(item, how.by);
  if (!moves && !world.profile.timePatchMakesVersion) item.modified = modified;
  return item;
}

function moveItem(world: World, item: Item, slot: Slot, how: { conflict: Conflict; by: Actor }): void {
  if (!item.parent) throw new Refusal(400, "invalidRequest", { message: "The root cannot be moved or renamed." });
  if (isWithin(slot.parent, item)) throw badRequest("invalidRequest", "An item cannot be moved below itself.");
  if (slot.parent.drive !== item.drive) throw badRequest("notSupported", "Items cannot be moved between drives.");
  checkSlot(world, slot, isFolder(item), item);
  const there = occupant(slot);
  const clashes = there !== undefined && there !== item;
  if (clashes && how.conflict === "replace" && there.content && item.content) removeItem(world, there, how.by);
  else if (clashes) slot = { ...slot, name: freeName(slot, how.conflict) };
  world.detach(item);
  item.name = slot.name;
  world.attach(item, slot.parent);
}

/** Into the recycle bin, with everything below; each item gets a tombstone, children before their folder. */
export function removeItem(world: World, item: Item, by: Actor): void {
  if (!item.parent) throw new Refusal(400, "invalidRequest", { message: "The root cannot be deleted." });
  if (item.binned) throw notFound();
  const deletion = world.newDeletion();
  const taken = [...subtree(item)];
  world.detach(item);
  for (const each of taken.reverse()) {
    each.binned = deletion;
    each.modifiedBy = by;
    world.note(each);
  }
  item.drive.bin.add(item);
}

/** Gone for good: no way back, its bytes are let go. */
export function purgeItem(world: World, item: Item, by: Actor): void {
  if (!item.binned) removeItem(world, item, by);
  item.drive.bin.delete(item);
  for (const each of subtree(item)) {
    for (const version of each.extra?.versions ?? []) world.release(version.content);
    if (each.content) world.release(each.content);
    each.extra = { ...each.extra, versions: [], purged: true };
  }
}

/** Out of the recycle bin, with what was deleted along with it. */
export function restoreItem(world: World, item: Item, change: Update, by: Actor): Item {
  if (!item.binned || !item.drive.bin.has(item)) throw notFound("The item is not in the recycle bin.");
  const parent = change.parent ?? item.parent;
  if (!parent || parent.binned) throw notFound("The folder to restore into is gone.");
  const slot = { parent, name: change.name ?? item.name };
  checkSlot(world, slot, isFolder(item), item);
  if (occupant(slot)) throw nameTaken();
  item.drive.bin.delete(item);
  item.name = slot.name;
  world.attach(item, parent);
  for (const each of subtree(item)) {
    each.binned = 0;
    each.changes++;
    each.modifiedBy = by;
    world.note(each);
  }
  return item;
}

/** A copy of an item and all below it; times are the copy's own. */
export function copyItem(world: World, item: Item, slot: Slot, how: { conflict: Conflict; by: Actor }): Item {
  if (isWithin(slot.parent, item)) throw badRequest("invalidRequest", "A folder cannot be copied into itself.");
  checkSlot(world, slot, isFolder(item), item);
  checkQuota(slot.parent, item.size);
  const there = occupant(slot);
  const clash = there === item ? "rename" : how.conflict;
  if (there && clash === "replace") removeItem(world, there, how.by);
  const name = there && clash !== "replace" ? freeName(slot, clash) : slot.name;
  const copies = new Map<Item, Item>();
  for (const each of subtree(item)) {
    const parent = each === item ? slot.parent : copies.get(each.parent!)!;
    const copy = world.add(parent, each === item ? name : each.name, { content: each.content, by: how.by });
    if (each.extra) copy.extra = copiedExtra(each.extra);
    copies.set(each, copy);
    world.note(copy);
  }
  return copies.get(item)!;
}

/** Puts an old version's bytes in front again. */
export function restoreVersion(world: World, item: Item, label: number, by: Actor): void {
  const version = item.extra?.versions?.find((each) => each.label === label);
  if (!version) throw notFound("There is no such version.");
  writeFile(world, item, version.content, { by, times: { modified: item.clientModified } });
}

export function currentVersion(item: Item): number {
  return (item.extra?.versions?.at(-1)?.label ?? 0) + 1;
}

export function checkQuota(place: Item, bytes: number): void {
  if (bytes > 0 && usedBytes(place.drive) + bytes > place.drive.quotaBytes) throw quotaReached();
}

/** The name and the path are ones the service takes, and the parent is a live folder. */
export function checkSlot(world: World, slot: Slot, folder: boolean, moving?: Item): void {
  if (slot.parent.binned) throw notFound();
  if (!slot.parent.children) throw badRequest("invalidRequest", "The parent is not a folder.");
  const refused = refusedName(slot.name, { profile: world.profile, atRoot: !slot.parent.parent, folder });
  if (refused) throw refused;
  const parentPath = pathOf(slot.parent);
  const own = (parentPath ? parentPath.length + 1 : 0) + slot.name.length;
  if (own + (moving ? depthBelow(moving) : 0) > PATH_MAX_CHARS) {
    throw badRequest("invalidRequest", "The path is too long.", "pathIsTooLong");
  }
}

/** Characters of the longest path below an item, with its leading slash. */
function depthBelow(item: Item): number {
  let longest = 0;
  const waiting: [Item, number][] = [[item, 0]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    longest = Math.max(longest, next[1]);
    for (const child of next[0].children?.values() ?? []) waiting.push([child, next[1] + 1 + child.name.length]);
  }
  return longest;
}

function freeName(slot: Slot, conflict: Conflict): string {
  if (conflict !== "rename") throw nameTaken();
  for (let n = 1; ; n++) {
    const name = numberedName(slot.name, n);
    if (!occupant({ ...slot, name })) return name;
  }
}

function keepVersion(world: World, item: Item): void {
  const versions = item.extra?.versions ?? [];
  const label = currentVersion(item);
  const kept = [...versions, { label, content: item.content!, modified: item.modified, by: item.modifiedBy }];
  while (kept.length > VERSIONS_KEPT) world.release(kept.shift()!.content);
  item.extra = { ...item.extra, versions: kept };
}

function patchTimes(world: World, item: Item, times: ClientTimes): void {
  if (item.content && world.profile.timePatchMakesVersion) {
    keepVersion(world, item);
    world.hold(item.content);
  }
  setTimes(world, item, times);
}

function setTimes(world: World, item: Item, times: ClientTimes | undefined): void {
  if (times?.created !== undefined) item.clientCreated = world.precise(times.created);
  if (times?.modified !== undefined) item.clientModified = world.precise(times.modified);
}

function copiedExtra(extra: NonNullable<Item["extra"]>): Item["extra"] {
  const { versions: _versions, special: _special, ...rest } = extra;
  return rest;
}
