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

/** The node as the mount shows it, or undefined when it is not there. The root is always there, also before the cloud was ever asked. */
export function viewLocal(read: Reader, node: ItemKey): LocalView | undefined {
  const mirror = read.mirror.get(node);
  return viewOf(node, mirror, read.local.get(node));
}

/** The node as its rows in both trees say. */
export function viewOf(
  node: ItemKey,
  mirror: MirrorItem | undefined,
  row: LocalItem | LocalGone | undefined,
): LocalView | undefined {
  if (row) return isGone(row) ? undefined : fromLocal(node, row, mirror);
  if (mirror) return fromMirror(node, mirror);
  return node === ROOT ? UNKNOWN_ROOT : undefined;
}

const UNKNOWN_ROOT: LocalView = {
  node: ROOT,
  kind: "folder",
  parent: ROOT,
  name: "",
  mtime: 0,
  size: 0,
  content: { from: "cloud" },
  mirror: undefined,
};

/** Who is at (parent, folded name) in Local. */
export function localAt(read: Reader, parent: ItemKey, name: Folded): ItemKey | undefined {
  const slot = [parent, name] as const;
  const own = read.localSlots.get(slot);
  if (own !== undefined) return own === 0 ? undefined : own;
  return read.mirrorSlots.get(slot);
}

/** Children of a folder in Local, in the code point order of their folded names, those after `after` only. */
export function* localChildren(read: Reader, parent: ItemKey, after?: Folded): Iterable<ItemKey> {
  for (const [, node] of localEntries(read, parent, after)) yield node;
}

/** The same with their folded names; about `expect` of them will be looked at. */
export function* localEntries(
  read: Reader,
  parent: ItemKey,
  after?: Folded,
  expect?: number,
): Iterable<readonly [Folded, ItemKey]> {
  const overlay = entries(read.localSlots, parent, after, expect);
  try {
    let own = overlay.next();
    for (const entry of entries(read.mirrorSlots, parent, after, expect)) {
      const [name] = entry;
      for (; !own.done && byCodePoint(own.value[0], name) < 0; own = overlay.next())
        if (own.value[1] !== 0) yield [own.value[0], own.value[1]];
      if (own.done || own.value[0] !== name) {
        yield entry;
        continue;
      }
      if (own.value[1] !== 0) yield [name, own.value[1]];
      own = overlay.next();
    }
    for (; !own.done; own = overlay.next()) if (own.value[1] !== 0) yield [own.value[0], own.value[1]];
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
  const nodes = [...changes].map(([node, change]) => stateOf(tx, node, change));
  assertIds(tx, nodes, changes);
  const slots = new Slots(tx, changes);
  for (const state of nodes) slots.collect(state);
  for (const state of nodes) writeRows(tx, state);
  for (const state of nodes) slots.occupy(state);
  slots.write(tx);
}

/** One node before and after; everything is read once, before anything is written. */
interface NodeState {
  readonly node: ItemKey;
  readonly mirrorWas: MirrorItem | undefined;
  readonly mirror: MirrorItem | undefined;
  readonly rowWas: LocalItem | LocalGone | undefined;
  readonly row: LocalItem | LocalGone | undefined;
}

type Place = { readonly parent: ItemKey; readonly name: string };

function stateOf(tx: Writer, node: ItemKey, change: NodeChange): NodeState {
  const mirrorWas = tx.mirror.get(node);
  const rowWas = tx.local.get(node);
  const mirror = change.mirror === undefined ? mirrorWas : (change.mirror ?? undefined);
  const row = needed(change.local === undefined ? rowWas : change.local, mirror);
  return { node, mirrorWas, mirror, rowWas, row };
}

/** The Local row that says it, or none when the Mirror says it already. */
function needed(
  shown: LocalItem | LocalGone | null | "clean" | undefined,
  mirror: MirrorItem | undefined,
): LocalItem | LocalGone | undefined {
  if (shown === undefined || shown === "clean") return undefined;
  if (shown === null || isGone(shown)) return mirror && GONE;
  return mirror && saysTheSame(shown, mirror) ? undefined : shown;
}

const GONE: LocalGone = { gone: true };

function placeInLocal(
  row: LocalItem | LocalGone | undefined,
  mirror: MirrorItem | undefined,
): LocalItem | MirrorItem | undefined {
  if (!row) return mirror;
  return isGone(row) ? undefined : row;
}

/** A cloud id belongs to one node: whoever has it now must give it up in the same change. */
function assertIds(tx: Writer, nodes: readonly NodeState[], changes: ReadonlyMap<ItemKey, NodeChange>): void {
  const taken = new Set<ItemId>();
  for (const { node, mirror, mirrorWas } of nodes) {
    if (!mirror || !changes.get(node)?.mirror) continue;
    const owner = mirrorWas?.id === mirror.id ? node : tx.ids.get(mirror.id);
    const given = owner === undefined || owner === node || changes.get(owner)?.mirror !== undefined;
    assert(given && !taken.has(mirror.id), `one node of an id: ${owner} and ${node}`);
    taken.add(mirror.id);
  }
}

function writeRows(tx: Writer, { node, mirrorWas, mirror, rowWas, row }: NodeState): void {
  if (mirror !== mirrorWas) {
    if (mirrorWas && mirrorWas.id !== mirror?.id && tx.ids.get(mirrorWas.id) === node) tx.ids.remove(mirrorWas.id);
    if (mirror) tx.mirror.put(node, mirror);
    else tx.mirror.remove(node);
    if (mirror && mirrorWas?.id !== mirror.id) tx.ids.put(mirror.id, node);
  }
  if (row === rowWas) return;
  if (row) tx.local.put(node, row);
  else tx.local.remove(node);
}

interface Slot {
  readonly key: readonly [ItemKey, Folded];
  readonly mirrorWas: ItemKey | undefined;
  readonly ownWas: ItemKey | 0 | undefined;
  mirror: ItemKey | undefined;
  local: ItemKey | undefined;
}

/** The slots that a change touches: those its nodes leave and those they take. */
class Slots {
  private readonly slots = new Map<string, Slot>();
  private readonly tx: Writer;
  private readonly changes: ReadonlyMap<ItemKey, NodeChange>;

  constructor(tx: Writer, changes: ReadonlyMap<ItemKey, NodeChange>) {
    this.tx = tx;
    this.changes = changes;
  }

  collect({ node, mirrorWas, mirror, rowWas, row }: NodeState): void {
    if (node === ROOT) return;
    if (mirrorWas) this.at(mirrorWas);
    if (mirror && mirror !== mirrorWas) this.at(mirror);
    if (!rowWas && !row) return;
    const [was, is] = [placeInLocal(rowWas, mirrorWas), placeInLocal(row, mirror)];
    if (was) this.at(was);
    if (is) this.at(is);
  }

  occupy({ node, mirror, row }: NodeState): void {
    if (node === ROOT) return;
    const local = placeInLocal(row, mirror);
    const there = mirror && this.at(mirror);
    if (there) this.take(there, node, "mirror");
    if (local) this.take(local === mirror && there ? there : this.at(local), node, "local");
  }

  write(tx: Writer): void {
    for (const { key, mirrorWas, mirror, ownWas, local } of this.slots.values()) {
      if (mirror !== mirrorWas) {
        if (mirror === undefined) tx.mirrorSlots.remove(key);
        else tx.mirrorSlots.put(key, mirror);
      }
      const own = local === mirror ? undefined : (local ?? 0);
      if (own === ownWas) continue;
      if (own === undefined) tx.localSlots.remove(key);
      else tx.localSlots.put(key, own);
    }
  }

  private take(slot: Slot, node: ItemKey, side: "mirror" | "local"): void {
    assert(
      slot[side] === undefined || slot[side] === node,
      `one ${side} occupant of a slot: ${slot[side]} and ${node}`,
    );
    slot[side] = node;
  }

  /** Occupants that are not part of the change keep their slots. */
  private at(place: Place): Slot {
    const name = fold(place.name);
    const id = `${place.parent}/${name}`;
    const found = this.slots.get(id);
    if (found) return found;
    const key = [place.parent, name] as const;
    const mirrorWas = this.tx.mirrorSlots.get(key);
    const ownWas = this.tx.localSlots.get(key);
    const localWas = ownWas === undefined ? mirrorWas : ownWas || undefined;
    const staying = (node: ItemKey | undefined): ItemKey | undefined =>
      node !== undefined && this.changes.has(node) ? undefined : node;
    const slot = { key, mirrorWas, ownWas, mirror: staying(mirrorWas), local: staying(localWas) };
    this.slots.set(id, slot);
    return slot;
  }
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
  expect?: number,
): Generator<readonly [Folded, V], undefined> {
  const bounds = { start: [parent, after] as const, end: [itemKey(parent + 1), "" as Folded] as const };
  const range = expect === undefined ? bounds : { ...bounds, expect };
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
