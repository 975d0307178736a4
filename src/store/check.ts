/**
 * Verifies every invariant of the store (SPEC.md), for `onedrivectl check`, for tests and simulations. It only reads, reports
 * what it finds instead of throwing, and works in slices, so that a large store can be checked while it is used.
 */
import { ROOT, itemKey, opId, type ItemKey } from "../model/ids.ts";
import type { LocalItem, MirrorItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import { decodeRecord } from "../op/codec.ts";
import type { Rows } from "./schema.ts";
import type { Reader } from "./store.ts";
import { isGone, localAt, viewLocal } from "./tree.ts";

export interface Problem {
  /** Number of the invariant in SPEC.md. */
  readonly invariant: string;
  readonly what: string;
  readonly node?: ItemKey;
}

/** Everything at once. */
export function checkStore(read: Reader): Problem[] {
  return [...checkSlices(read)].flat();
}

/** The same in short steps; the store may be changed between them. */
export function* checkSlices(read: Reader): Generator<Problem[]> {
  const reach: Reach = { mirror: new Set([ROOT]), local: new Set([ROOT]) };
  yield* overRows(read, "mirror", (node, item) => mirrorProblems(read, node, item, reach));
  yield* overRows(read, "ids", (id, node) =>
    read.mirror.get(node)?.id === id ? [] : [problem("T1", "an id names a node that does not have it", node)],
  );
  yield* overRows(read, "mirrorSlots", ([parent, name], node) => {
    const item = read.mirror.get(node);
    const there = item && item.parent === parent && fold(item.name) === name;
    return there ? [] : [problem("T2", `the Mirror's slot ${parent}/${name} names a node that is not there`, node)];
  });
  yield* overRows(read, "local", (node, row) =>
    isGone(row) ? goneProblems(read, node) : localProblems(read, node, row, reach),
  );
  yield* overRows(read, "localSlots", ([parent, name], node) => slotProblems(read, parent, name, node));
  yield* overRows(read, "ops", (seq, record) => recordProblems(read, seq, record));
  yield* overRows(read, "nodeOps", ([node, seq]) => indexProblems(read, node, seq));
  yield* overRows(read, "blobs", (blob) => belowNext(read, "nextBlob", blob, "T8", `blob ${blob}`));
}

const ROWS_AT_ONCE = 500;

function* overRows<T extends keyof Rows>(
  read: Reader,
  table: T,
  check: (key: Rows[T]["key"], row: Rows[T]["value"]) => readonly Problem[],
): Generator<Problem[]> {
  let start: Rows[T]["key"] | undefined;
  for (;;) {
    const range = { limit: ROWS_AT_ONCE + 1, ...(start === undefined ? {} : { start }) };
    const rows = [...read[table].range(range)] as (readonly [Rows[T]["key"], Rows[T]["value"]])[];
    yield rows.slice(0, ROWS_AT_ONCE).flatMap(([key, row]) => check(key, row));
    start = rows[ROWS_AT_ONCE]?.[0];
    if (start === undefined) return;
  }
}

/** Folders known to reach the root. */
interface Reach {
  readonly mirror: Set<ItemKey>;
  readonly local: Set<ItemKey>;
}

function mirrorProblems(read: Reader, node: ItemKey, item: MirrorItem, reach: Reach): Problem[] {
  const found = belowNext(read, "nextNode", node, "T8", `node ${node}`);
  if (read.ids.get(item.id) !== node) found.push(problem("T1", "the id of an item does not name it", node));
  if (node === ROOT) return found;
  const slot = fold(item.name);
  if (read.mirrorSlots.get([item.parent, slot]) !== node)
    found.push(problem("T2", `the Mirror's slot ${item.parent}/${slot} does not name its item`, node));
  if (!read.local.get(node) && localAt(read, item.parent, slot) !== node)
    found.push(problem("T3", `an unchanged item is not found at ${item.parent}/${slot}`, node));
  if (!reachesRoot((at) => read.mirror.get(at), item.parent, reach.mirror))
    found.push(problem("T6", "an item of the Mirror is not in folders up to the root", node));
  if (!read.local.get(node) && !reachesRoot((at) => viewLocal(read, at), item.parent, reach.local))
    found.push(problem("T6", "an unchanged item is not in folders up to the root", node));
  return found;
}

function goneProblems(read: Reader, node: ItemKey): Problem[] {
  return read.mirror.get(node) ? [] : [problem("T4", "a deleted node is kept that the Mirror does not have", node)];
}

function localProblems(read: Reader, node: ItemKey, row: LocalItem, reach: Reach): Problem[] {
  const found = belowNext(read, "nextNode", node, "T8", `node ${node}`);
  const mirror = read.mirror.get(node);
  const slot = fold(row.name);
  if (localAt(read, row.parent, slot) !== node)
    found.push(problem("T3", `a changed node is not found at ${row.parent}/${slot}`, node));
  if (mirror && sameAsMirror(row, mirror))
    found.push(problem("T4", "a Local row says nothing that the Mirror does not say", node));
  if (mirror && mirror.kind !== row.kind) found.push(problem("T5", "the two sides differ in the kind of a node", node));
  if (!reachesRoot((at) => viewLocal(read, at), row.parent, reach.local))
    found.push(problem("T6", "a changed node is not in folders up to the root", node));
  return found.concat(contentProblems(read, node, row, mirror));
}

function contentProblems(read: Reader, node: ItemKey, row: LocalItem, mirror: MirrorItem | undefined): Problem[] {
  if (row.content.from === "cloud")
    return row.kind === "folder" || mirror
      ? []
      : [problem("T7", "a file has the bytes of an item that is not there", node)];
  const { blob } = row.content;
  if (row.kind === "folder") return [problem("T7", "a folder has bytes", node)];
  return read.blobs.get(blob) ? [] : [problem("T7", `a file has the bytes of blob ${blob}, which has no row`, node)];
}

function slotProblems(read: Reader, parent: ItemKey, name: Rows["localSlots"]["key"][1], node: ItemKey | 0): Problem[] {
  const mirror = read.mirrorSlots.get([parent, name as never]);
  if (node === 0)
    return mirror === undefined
      ? [problem("T3", `slot ${parent}/${name} is kept empty without need`)]
      : emptied(read, mirror);
  if (node === mirror) return [problem("T3", `slot ${parent}/${name} repeats the Mirror's`, node)];
  const view = viewLocal(read, node);
  const there = view && view.parent === parent && fold(view.name) === name;
  return there ? [] : [problem("T3", `slot ${parent}/${name} names a node that is not there`, node)];
}

/** The Mirror's occupant of a slot that is empty here must have gone or moved. */
function emptied(read: Reader, occupant: ItemKey): Problem[] {
  return read.local.get(occupant) ? [] : [problem("T3", "an unchanged item's slot is shown as empty", occupant)];
}

function recordProblems(read: Reader, seq: Rows["ops"]["key"], row: Rows["ops"]["value"]): Problem[] {
  const record = decodeRecord(row);
  if (!record.ok) return [problem("L3", `record ${seq} cannot be believed: ${record.fault}`)];
  const { node } = record.value.op;
  const found = belowNext(read, "nextOp", seq, "L2", `record ${seq}`);
  if (record.value.seq !== seq) found.push(problem("L1", `record ${seq} says it is ${record.value.seq}`, node));
  if (!read.nodeOps.get([node, seq])) found.push(problem("L1", `record ${seq} is not in the index`, node));
  return found;
}

function indexProblems(read: Reader, node: ItemKey, seq: number): Problem[] {
  const record = decodeRecord(read.ops.get(opId(seq)));
  const right = record.ok && record.value.op.node === node;
  return right ? [] : [problem("L1", `the index names record ${seq}, which is not of its node`, node)];
}

function belowNext(
  read: Reader,
  counter: "nextNode" | "nextOp" | "nextBlob",
  number: number,
  invariant: string,
  what: string,
): Problem[] {
  const next = read.meta.get(counter);
  const isRoot = counter === "nextNode" && number === ROOT;
  const fine = isRoot || (typeof next === "number" && number < next);
  return fine ? [] : [problem(invariant, `${what} was never given out (next is ${String(next)})`)];
}

/** Climbs until a folder that is known to reach the root; remembers the way when it does. */
function reachesRoot(
  get: (node: ItemKey) => { readonly kind: string; readonly parent: ItemKey } | undefined,
  from: ItemKey,
  known: Set<ItemKey>,
): boolean {
  const way = new Set<ItemKey>();
  for (let at = from; !known.has(at);) {
    const folder = get(at);
    if (!folder || folder.kind !== "folder" || way.has(at)) return false;
    way.add(at);
    at = folder.parent;
  }
  for (const node of way) known.add(node);
  return true;
}

function sameAsMirror(row: LocalItem, mirror: MirrorItem): boolean {
  const sameTime = row.kind === "folder" || row.mtime === mirror.mtime;
  return row.content.from === "cloud" && row.parent === mirror.parent && row.name === mirror.name && sameTime;
}

function problem(invariant: string, what: string, node?: ItemKey | 0): Problem {
  return node ? { invariant, what, node: itemKey(node) } : { invariant, what };
}
