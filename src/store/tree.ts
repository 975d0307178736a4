/**
 * The two trees in the tables: the Mirror (what the cloud last said) and Local (what the mount shows), see model/item.ts.
 *
 * Reading is by node or by slot (parent, folded name) and costs a few gets. Changing goes through `changeTrees` alone, which
 * takes the new state of any set of nodes at once (so swaps and rotations need no order), keeps ids and both slot indexes
 * exact, drops Local rows that say what the Mirror says, and asserts that no slot has two occupants.
 */
import { assert } from "../base/assert.ts";
import type { Folded, ItemId, ItemKey } from "../model/ids.ts";
import { itemKey, ROOT } from "../model/ids.ts";
import type { FileContent, Kind, LocalGone, LocalItem, MirrorItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import type { Reader, Table, Writer } from "./store.ts";

/** A node as the mount shows it. `mirror` is there when the cloud has an item for it. */
export interface LocalView {
  readonly node: ItemKey;
  readonly kind: Kind;
  readonly parent: ItemKey;
  readonly name: string;
  readonly mtime: number;
  readonly size: number;
  readonly content: FileContent;
  readonly mirror: MirrorItem | undefined;
}

/** The node as the mount shows it, or undefined when it is not there. */
export function viewLocal(read: Reader, node: ItemKey): LocalView | undefined {
  const mirror = read.mirror.get(node);
  const row = read.local.get(node);
  if (row) return isGone(row) ? undefined : fromLocal(node, row, mirror);
  return mirror && fromMirror(node, mirror);
}

/** Who is at (parent, folded name) in Local. */
export function localAt(read: Reader, parent: ItemKey, name: Folded): ItemKey | undefined {
  const slot = [parent, name] as const;
  const own = read.localSlots.get(slot);
  if (own !== undefined) return own === 0 ? undefined : own;
  return read.mirrorSlots.get(slot);
}

/** Children of a folder in Local, in the code point order of their folded names, those after `after` only. */
export function* localChildren(read: Reader, parent: ItemKey, after?: Folded): Iterable<ItemKey> {
  const overlay = entries(read.localSlots, parent, after);
  try {
    let own = overlay.next();
    for (const [name, node] of entries(read.mirrorSlots, parent, after)) {
      for (; !own.done && byCodePoint(own.value[0], name) < 0; own = overlay.next())
        if (own.value[1] !== 0) yield own.value[1];
      if (own.done || own.value[0] !== name) {
        yield node;
        continue;
      }
      if (own.value[1] !== 0) yield own.value[1];
      own = overlay.next();
    }
    for (; !own.done; own = overlay.next()) if (own.value[1] !== 0) yield own.value[1];
  } finally {
    overlay.return(undefined);
  }
}

/** Who is at (parent, folded name) in the Mirror. */
export function mirrorAt(read: Reader, parent: ItemKey, name: Folded): ItemKey | undefined {
  return read.mirrorSlots.get([parent, name]);
}

/** Children of a folder in the Mirror, in the code point order of their folded names. */
export function* mirrorChildren(read: Reader, parent: ItemKey): Iterable<ItemKey> {
  for (const [, node] of entries(read.mirrorSlots, parent)) yield node;
}

export function nodeOf(read: Reader, id: ItemId): ItemKey | undefined {
  return read.ids.get(id);
}

export function isGone(row: LocalItem | LocalGone): row is LocalGone {
  return "gone" in row;
}

/** A node number never used before. */
export function newNode(tx: Writer): ItemKey {
  const next = (tx.meta.get("nextNode") as number | undefined) ?? ROOT + 1;
  tx.meta.put("nextNode", next + 1);
  return itemKey(next);
}

/** The new state of one node; a part left out stays as it is. */
export interface NodeChange {
  /** `null`: the cloud has no item for it any more. */
  readonly mirror?: MirrorItem | null;
  /** `null`: not there in Local. `"clean"`: as the Mirror says. */
  readonly local?: LocalItem | null | "clean";
}

/** Sets the given nodes to their new states, all at once. */
export function changeTrees(tx: Writer, changes: ReadonlyMap<ItemKey, NodeChange>): void {
  const before = [...changes.keys()].map((node) => ({ node, mirror: tx.mirror.get(node), local: viewLocal(tx, node) }));
  const slots = new Map<string, { parent: ItemKey; name: Folded; mirror?: ItemKey; local?: ItemKey }>();
  const touch = (place: { parent: ItemKey; name: string } | undefined, node: ItemKey): void => {
    if (!place || node === ROOT) return;
    const name = fold(place.name);
    slots.set(`${place.parent}/${name}`, { parent: place.parent, name });
  };
  for (const was of before) {
    touch(was.mirror, was.node);
    touch(was.local, was.node);
  }
  // Occupants that are not part of the change keep their slots; a local occupant is found through the old indexes.
  for (const [node, change] of changes) {
    touch(change.mirror ?? undefined, node);
    if (change.local && change.local !== "clean") touch(change.local, node);
  }
  for (const slot of slots.values()) {
    const mirror = mirrorAt(tx, slot.parent, slot.name);
    const local = localAt(tx, slot.parent, slot.name);
    if (mirror !== undefined && !changes.has(mirror)) slot.mirror = mirror;
    if (local !== undefined && !changes.has(local)) slot.local = local;
  }
  assertIds(tx, changes);
  for (const [node, change] of changes) writeRows(tx, node, change);
  for (const node of changes.keys()) {
    if (node === ROOT) continue;
    const mirror = tx.mirror.get(node);
    const local = viewLocal(tx, node);
    if (mirror) occupy(slots, mirror, node, "mirror");
    if (local) occupy(slots, local, node, "local");
  }
  for (const slot of slots.values()) writeSlot(tx, slot);
}

/** A cloud id belongs to one node: whoever has it now must give it up in the same change. */
function assertIds(tx: Writer, changes: ReadonlyMap<ItemKey, NodeChange>): void {
  const taken = new Set<ItemId>();
  for (const [node, { mirror }] of changes) {
    if (!mirror) continue;
    const owner = tx.ids.get(mirror.id);
    const given = owner === undefined || owner === node || changes.get(owner)?.mirror !== undefined;
    assert(given && !taken.has(mirror.id), `one node of an id: ${owner} and ${node}`);
    taken.add(mirror.id);
  }
}

function occupy(
  slots: Map<string, { mirror?: ItemKey; local?: ItemKey }>,
  place: { parent: ItemKey; name: string },
  node: ItemKey,
  side: "mirror" | "local",
): void {
  const slot = slots.get(`${place.parent}/${fold(place.name)}`);
  assert(slot, `slot of node ${node} was collected`);
  assert(slot[side] === undefined || slot[side] === node, `one ${side} occupant of a slot: ${slot[side]} and ${node}`);
  slot[side] = node;
}

function writeRows(tx: Writer, node: ItemKey, change: NodeChange): void {
  const shown = change.local === undefined ? tx.local.get(node) : change.local;
  if (change.mirror !== undefined) {
    const old = tx.mirror.get(node);
    if (old && old.id !== change.mirror?.id && tx.ids.get(old.id) === node) tx.ids.remove(old.id);
    if (change.mirror) {
      tx.mirror.put(node, change.mirror);
      tx.ids.put(change.mirror.id, node);
    } else if (old) tx.mirror.remove(node);
  }
  const mirror = tx.mirror.get(node);
  if (shown === undefined || shown === "clean") return void (tx.local.get(node) && tx.local.remove(node));
  const gone = shown === null || isGone(shown);
  if (gone ? !mirror : mirror && saysTheSame(shown, mirror)) return void (tx.local.get(node) && tx.local.remove(node));
  tx.local.put(node, gone ? { gone: true } : shown);
}

function writeSlot(tx: Writer, slot: { parent: ItemKey; name: Folded; mirror?: ItemKey; local?: ItemKey }): void {
  const key = [slot.parent, slot.name] as const;
  if (slot.mirror !== tx.mirrorSlots.get(key)) {
    if (slot.mirror === undefined) tx.mirrorSlots.remove(key);
    else tx.mirrorSlots.put(key, slot.mirror);
  }
  const own = slot.local === slot.mirror ? undefined : (slot.local ?? 0);
  if (own === tx.localSlots.get(key)) return;
  if (own === undefined) tx.localSlots.remove(key);
  else tx.localSlots.put(key, own);
}

function saysTheSame(local: LocalItem, mirror: MirrorItem): boolean {
  return (
    local.content.from === "cloud" &&
    local.parent === mirror.parent &&
    local.name === mirror.name &&
    (local.kind === "folder" || local.mtime === mirror.mtime)
  );
}

function fromMirror(node: ItemKey, mirror: MirrorItem): LocalView {
  const { kind, parent, name, mtime, size } = mirror;
  return { node, kind, parent, name, mtime, size, content: { from: "cloud" }, mirror };
}

function fromLocal(node: ItemKey, row: LocalItem, mirror: MirrorItem | undefined): LocalView {
  const size = row.content.from === "blob" ? row.content.size : (mirror?.size ?? 0);
  return { node, ...row, size, mirror };
}

/** The slots of one folder as (folded name, node) in key order, which is code point order. */
function* entries<V>(
  table: Table<readonly [ItemKey, Folded], V>,
  parent: ItemKey,
  after = "" as Folded,
): Generator<readonly [Folded, V], undefined> {
  const range = { start: [parent, after] as const, end: [itemKey(parent + 1), "" as Folded] as const };
  for (const [slot, value] of table.range(range)) if (slot[1] !== after) yield [slot[1], value];
  return undefined;
}

/** The order of LMDB's keys (UTF-8 bytes), which is not that of JavaScript's `<` (UTF-16 units). */
function byCodePoint(a: string, b: string): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    if (a[i] === b[i]) continue;
    return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above the rest of the 16-bit range. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
