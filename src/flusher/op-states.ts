/**
 * The states of the log's records: under way, parked, held, pending again. An operation is under way from before its request is
 * sent until its answer is recorded; the vfs never rewrites such a one. The last record of a node speaks for the node.
 */
import type { Reader, Writer } from "../store/store.ts";
import type { ItemKey, OpId } from "../model/ids.ts";
import { opId } from "../model/ids.ts";
import type { OpRecord, OpState } from "../op/op.ts";

/** Serial numbers of the node's records, oldest first. */
export function opsOf(read: Reader, node: ItemKey): OpId[] {
  return [...read.nodeOps.range(rangeOf(node))].map(([key]) => opId(key[1]));
}

/** The node's last record. */
export function lastOpOf(read: Reader, node: ItemKey): OpRecord | undefined {
  for (const [key] of read.nodeOps.range({ ...rangeOf(node), reverse: true, limit: 1 }))
    return read.ops.get(opId(key[1]));
  return undefined;
}

/** Why the node is not sent, when it waits for a person. */
export function standingOf(read: Reader, node: ItemKey): OpState {
  return lastOpOf(read, node)?.status ?? { state: "pending" };
}

/** Marks everything recorded of the node so far as under way; returns the last serial number. */
export function markInflight(tx: Writer, node: ItemKey): number {
  const ops = opsOf(tx, node);
  for (const seq of ops) change(tx, seq, { status: { state: "inflight" } });
  return ops.at(-1) ?? 0;
}

/** What was under way is pending again; `why` counts as a try that failed. */
export function markPending(tx: Writer, node: ItemKey, why?: string): void {
  for (const seq of opsOf(tx, node)) {
    const row = tx.ops.get(seq);
    if (row?.status.state !== "inflight") continue;
    const tried = why === undefined ? {} : { tries: row.tries + 1, lastFault: why };
    change(tx, seq, { status: { state: "pending" }, ...tried });
  }
}

export function park(tx: Writer, node: ItemKey, reason: string): void {
  for (const seq of opsOf(tx, node)) {
    const row = tx.ops.get(seq);
    if (row) change(tx, seq, { status: { state: "parked", reason }, tries: row.tries + 1, lastFault: reason });
  }
}

export function hold(tx: Writer, node: ItemKey, reason: string): void {
  for (const seq of opsOf(tx, node)) change(tx, seq, { status: { state: "held", reason } });
}

/** Parked and held records of the node are pending again. */
export function letGo(tx: Writer, node: ItemKey): void {
  for (const seq of opsOf(tx, node)) {
    const state = tx.ops.get(seq)?.status.state;
    if (state === "parked" || state === "held") change(tx, seq, { status: { state: "pending" }, tries: 0 });
  }
}

/** Nodes with a record in this state. */
export function nodesIn(read: Reader, state: OpState["state"], reason?: string): ItemKey[] {
  const nodes = new Set<ItemKey>();
  for (const [, row] of read.ops.range()) {
    if (row.status.state !== state) continue;
    if (reason === undefined || ("reason" in row.status && row.status.reason === reason)) nodes.add(row.op.node);
  }
  return [...nodes];
}

/** Last serial number of the nodes' records that were under way: what a request found to be carried out stands for. */
export function lastInflight(read: Reader, node: ItemKey): number {
  const sent = opsOf(read, node).filter((seq) => read.ops.get(seq)?.status.state === "inflight");
  return sent.at(-1) ?? 0;
}

function change(tx: Writer, seq: OpId, to: Partial<OpRecord>): void {
  const row = tx.ops.get(seq);
  if (row) tx.ops.put(seq, { ...row, ...to });
}

function rangeOf(node: ItemKey) {
  return { start: [node, 0] as const, end: [node, Number.MAX_SAFE_INTEGER] as const };
}
