/**
 * Makes the tables that follow from others anew: ids and slots from the two trees, the log's index from the log. It changes only rows that
 * are wrong, and no tree, record or blob. Of two nodes that want one slot or one id the one that has it keeps it; the other is told
 * by check, and settled when the drive is read again.
 */
import type { Folded, ItemId, ItemKey } from "../model/ids.ts";
import { ROOT } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import { decodeRecord } from "../op/codec.ts";
import type { Rows } from "./schema.ts";
import type { Key, WritableTable, Writer } from "./store.ts";
import { isGone } from "./tree.ts";

/** How many rows were wrong. */
export function repairIndexes(tx: Writer): { readonly repaired: number } {
  const ids = new Map<ItemId, ItemKey>();
  const mirrorSlots = new Map<string, Row<"mirrorSlots">>();
  const localSlots = new Map<string, Row<"localSlots">>();
  const nodeOps = new Map<string, Row<"nodeOps">>();
  for (const [node, row] of tx.mirror.range()) {
    if (tx.ids.get(row.id) === node || !ids.has(row.id)) ids.set(row.id, node);
    if (node !== ROOT) claim(mirrorSlots, [row.parent, fold(row.name)], node);
  }
  const shown = shownSlots(tx);
  for (const [name, [slot, node]] of shown) if (mirrorSlots.get(name)?.[1] !== node) localSlots.set(name, [slot, node]);
  for (const [name, [slot]] of mirrorSlots) if (!shown.has(name)) localSlots.set(name, [slot, 0]);
  for (const [seq, row] of tx.ops.range()) {
    const record = decodeRecord(row);
    if (record.ok) nodeOps.set(`${record.value.op.node} ${seq}`, [[record.value.op.node, seq], true]);
  }
  const wanted = new Map([...ids].map(([id, node]) => [id as string, [id, node] as const]));
  const repaired =
    settle(tx.ids, wanted, (id) => id) +
    settle(tx.mirrorSlots, mirrorSlots, nameOf) +
    settle(tx.localSlots, localSlots, nameOf) +
    settle(tx.nodeOps, nodeOps, ([node, seq]) => `${node} ${seq}`) +
    numberOn(tx);
  return { repaired };
}

type Row<T extends keyof Rows> = readonly [Rows[T]["key"], Rows[T]["value"]];
type Slot = readonly [ItemKey, Folded];

function nameOf([parent, name]: Slot): string {
  return `${parent}/${name}`;
}

/** Who is where in Local. */
function shownSlots(tx: Writer): Map<string, readonly [Slot, ItemKey]> {
  const shown = new Map<string, readonly [Slot, ItemKey]>();
  for (const [node, row] of tx.local.range())
    if (!isGone(row) && node !== ROOT) claim(shown, [row.parent, fold(row.name)], node);
  for (const [node, row] of tx.mirror.range())
    if (node !== ROOT && !tx.local.get(node)) claim(shown, [row.parent, fold(row.name)], node);
  return shown;
}

function claim(slots: Map<string, readonly [Slot, ItemKey]>, slot: Slot, node: ItemKey): void {
  if (!slots.has(nameOf(slot))) slots.set(nameOf(slot), [slot, node]);
}

/** Makes the table say what is wanted; how many rows it had to change. */
function settle<K extends Key, V>(
  table: WritableTable<K, V>,
  wanted: ReadonlyMap<string, readonly [K, V]>,
  name: (key: K) => string,
): number {
  let changed = 0;
  for (const [key] of Array.from(table.range())) {
    if (wanted.has(name(key))) continue;
    table.remove(key);
    changed++;
  }
  for (const [key, value] of wanted.values()) {
    if (table.get(key) === value) continue;
    table.put(key, value);
    changed++;
  }
  return changed;
}

/** The next numbers are above every one that was given out. */
function numberOn(tx: Writer): number {
  let changed = 0;
  const above = (counter: "nextNode" | "nextOp" | "nextBlob", last: number): void => {
    const next = tx.meta.get(counter);
    if (typeof next === "number" && next > last) return;
    tx.meta.put(counter, last + 1);
    changed++;
  };
  above("nextNode", Math.max(ROOT, lastOf(tx.mirror) ?? 0, lastOf(tx.local) ?? 0));
  above("nextOp", lastOf(tx.ops) ?? 0);
  above("nextBlob", lastOf(tx.blobs) ?? 0);
  return changed;
}

function lastOf<K extends number, V>(table: WritableTable<K, V>): number | undefined {
  for (const [key] of table.range({ reverse: true, limit: 1 })) return key;
  return undefined;
}
