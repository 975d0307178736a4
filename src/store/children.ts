/**
 * What a listing shows of a folder's children, read a page at a time. The children of one folder mostly came together and have neighbouring
 * numbers: then a range of each table is read instead of a row for each child, and the many rows that are not there cost nothing.
 */
import { itemKey, ROOT, type Folded, type ItemKey } from "../model/ids.ts";
import type { Facts } from "../model/item.ts";
import type { CachedRow } from "./schema.ts";
import type { Reader, Table } from "./store.ts";
import { localEntries, viewOf, type LocalView } from "./tree.ts";

export interface Child {
  readonly folded: Folded;
  readonly view: LocalView;
  readonly facts: Facts | undefined;
  readonly cached: CachedRow | undefined;
}

/** A range is read when its numbers are no more than so many times the children. */
const SPARSE_MOST = 4;

/** Those in Local behind `after`, at most `most`, in the order of their folded names. */
export function listChildren(read: Reader, parent: ItemKey, after: Folded | undefined, most: number): Child[] {
  if (most <= 0) return [];
  const slots: (readonly [Folded, ItemKey])[] = [];
  for (const slot of localEntries(read, parent, after, most + 1)) if (slots.push(slot) >= most) break;
  if (slots.length === 0) return [];
  const nodes = slots.map(([, node]) => node);
  const [mirror, local] = [rowsOf(read.mirror, nodes), rowsOf(read.local, nodes)];
  const [facts, cached] = [rowsOf(read.facts, nodes), rowsOf(read.cached, nodes)];
  return slots.map(([folded, node]) => ({
    folded,
    view: viewOf(node, mirror(node), local(node))!,
    facts: facts(node),
    cached: cached(node),
  }));
}

/**
 * Those in Local of a folder that has few: at most `most` slots in each tree, slots that are empty here included. Undefined when there are
 * more, and finding that out costs no more.
 */
export function fewChildren(read: Reader, parent: ItemKey, most: number): readonly ItemKey[] | undefined {
  const range = { start: [parent, "" as Folded], end: [itemKey(parent + 1), "" as Folded], limit: most + 1 } as const;
  const own = new Map<Folded, ItemKey | 0>();
  for (const [[, name], node] of read.localSlots.range(range)) own.set(name, node);
  if (own.size > most) return undefined;
  const mirror = [...read.mirrorSlots.range(range)];
  if (mirror.length > most) return undefined;
  const children = mirror.filter(([[, name]]) => !own.has(name)).map(([, node]) => node);
  for (const node of own.values()) if (node !== 0) children.push(node);
  return children;
}

/** True when every child the cloud has is in the Mirror; folders the cloud does not have are complete by birth. */
export function isListed(read: Reader, folder: ItemKey): boolean {
  if (read.meta.get("enumerated") === true || read.listed.get(folder) !== undefined) return true;
  return folder !== ROOT && read.mirror.get(folder) === undefined;
}

function rowsOf<V>(table: Table<ItemKey, V>, nodes: readonly ItemKey[]): (node: ItemKey) => V | undefined {
  let [first, last] = [Infinity, -Infinity];
  for (const node of nodes) [first, last] = [Math.min(first, node), Math.max(last, node)];
  if (last - first >= nodes.length * SPARSE_MOST) return (node) => table.get(node);
  const rows = new Map(table.range({ start: itemKey(first), end: itemKey(last + 1), expect: last - first + 1 }));
  return (node) => rows.get(node);
}
