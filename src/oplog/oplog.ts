/**
 * The log of what was done here and is not yet in the cloud, kept in the store inside the transaction of the change itself.
 *
 * A record is written once and then only changes by these rules: a second write, move or change of mtime of a node whose record of
 * that kind still waits takes that record's place (the log does not grow with every save); a record under way, parked or
 * held is never rewritten, only its status changes; acknowledged records are removed. Invariants: SPEC.md.
 */
import { assert } from "../base/assert.ts";
import { opId, type ItemKey, type OpId } from "../model/ids.ts";
import { assertOp } from "../op/codec.ts";
import type { Op, OpRecord, OpState } from "../op/op.ts";
import type { Reader, Writer } from "../store/store.ts";

/** Records `op`, done at `at` (milliseconds since the epoch). Returns the number of the record that stands for it. */
export function append(tx: Writer, op: Op, at: number): OpId {
  assertOp(op);
  const waiting = REPLACEABLE[op.type] ? lastWaiting(tx, op.node, op.type) : undefined;
  if (!waiting) return write(tx, nextSeq(tx), op, at);
  const merged = merge(waiting.op, op);
  if (op.type !== "move") return write(tx, waiting.seq, merged, at);
  dropRecord(tx, waiting);
  return write(tx, nextSeq(tx), merged, at);
}

/** The last act on the node was now: its settle window begins anew. */
export function touch(tx: Writer, node: ItemKey, at: number): void {
  const last = lastOf(tx, node);
  if (last) tx.ops.put(last.seq, { ...last, at });
}

/** The node's records, oldest first. */
export function ofNode(read: Reader, node: ItemKey): readonly OpRecord[] {
  return [...read.nodeOps.range(rangeOf(node))].map(([[, seq]]) => recordOf(read, opId(seq)));
}

/** Every record, oldest first. */
export function* all(read: Reader): Iterable<OpRecord> {
  for (const [, record] of read.ops.range()) yield record;
}

/** How many records there are, whatever their state: what the cloud does not have yet. */
export function pendingCount(read: Reader): number {
  return read.ops.count;
}

/** When the node was last acted on, in milliseconds since the epoch; undefined when nothing is recorded of it. */
export function settledAt(read: Reader, node: ItemKey): number | undefined {
  const times = ofNode(read, node).map((record) => record.at);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** With a `fault`: a try that failed, kept for a person. Without one, tries and the last fault stay as they are. */
export function setStatus(tx: Writer, seq: OpId, status: OpState, fault?: string): void {
  const record = recordOf(tx, seq);
  const tried = fault === undefined ? {} : { tries: record.tries + 1, lastFault: fault };
  tx.ops.put(seq, { ...record, status, ...tried });
}

/** The record says the same in other words. */
export function reword(tx: Writer, record: OpRecord, op: Op): void {
  assertOp(op);
  tx.ops.put(record.seq, { ...record, op });
}

/** The node's records up to and including `upTo` (all without) are done with. */
export function dropNode(tx: Writer, node: ItemKey, upTo: number = Number.MAX_SAFE_INTEGER): void {
  for (const record of ofNode(tx, node)) if (record.seq <= upTo) dropRecord(tx, record);
}

/** One record is done with. */
export function dropRecord(tx: Writer, { seq, op }: Pick<OpRecord, "seq" | "op">): void {
  tx.ops.remove(seq);
  tx.nodeOps.remove([op.node, seq]);
}

/** Kinds whose later record stands for the earlier one too. */
const REPLACEABLE: Record<Op["type"], boolean> = {
  createFile: false,
  createFolder: false,
  writeContent: true,
  move: true,
  deleteFile: false,
  deleteFolder: false,
  setMetadata: true,
  copy: false,
};

/** The later operation, with what only the earlier one knows: the version first built on, the place first left. */
function merge(earlier: Op, later: Op): Op {
  if (earlier.type === "writeContent" && later.type === "writeContent") {
    const { seen: _, ...bytes } = later;
    return earlier.seen === undefined ? bytes : { ...bytes, seen: earlier.seen };
  }
  if (earlier.type === "move" && later.type === "move")
    return { ...later, fromParent: earlier.fromParent, fromName: earlier.fromName };
  return later;
}

function lastWaiting(read: Reader, node: ItemKey, type: Op["type"]): OpRecord | undefined {
  return ofNode(read, node).findLast((record) => record.op.type === type && record.status.state === "pending");
}

/** The node's last record. */
export function lastOf(read: Reader, node: ItemKey): OpRecord | undefined {
  for (const [[, seq]] of read.nodeOps.range({ ...rangeOf(node), reverse: true, limit: 1 }))
    return recordOf(read, opId(seq));
  return undefined;
}

function write(tx: Writer, seq: OpId, op: Op, at: number): OpId {
  tx.ops.put(seq, { seq, op, at, status: { state: "pending" }, tries: 0 });
  tx.nodeOps.put([op.node, seq], true);
  return seq;
}

function nextSeq(tx: Writer): OpId {
  const next = opId((tx.meta.get("nextOp") as number | undefined) ?? 1);
  tx.meta.put("nextOp", next + 1);
  return next;
}

function recordOf(read: Reader, seq: OpId): OpRecord {
  const record = read.ops.get(seq);
  assert(record, `record ${seq} of the log is there`);
  return record;
}

function rangeOf(node: ItemKey): { start: readonly [ItemKey, number]; end: readonly [ItemKey, number] } {
  return { start: [node, 0], end: [(node + 1) as ItemKey, 0] };
}
