/**
 * The states of the log's records: under way, parked, held, pending again. An operation is under way from before its request is
 * sent until its answer is recorded; the vfs never rewrites such a one. The last record of a node speaks for the node; one that says
 * that bytes of its blob are lost goes on doing so until the file has other bytes, or a person says that it is to be sent as it is.
 */
import type { ItemKey } from "../model/ids.ts";
import type { OpRecord, OpState } from "../op/op.ts";
import { all, lastOf, ofNode, setStatus } from "../oplog/oplog.ts";
import type { Reader, Writer } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";

/** The node's last record. */
export function lastOpOf(read: Reader, node: ItemKey): OpRecord | undefined {
  return lastOf(read, node);
}

/** Serial number of the node's last record; 0 without one. */
export function lastSeqOf(read: Reader, node: ItemKey): number {
  return lastOpOf(read, node)?.seq ?? 0;
}

/** Whether the node waits for a person, and why. */
export function standingOf(read: Reader, node: ItemKey): OpState {
  const records = ofNode(read, node);
  const last = records.at(-1)?.status ?? { state: "pending" };
  if (last.state === "parked" || last.state === "held") return last;
  return records.findLast(({ status }) => hasLost(read, node, status))?.status ?? last;
}

function hasLost(read: Reader, node: ItemKey, status: OpState): boolean {
  if (status.state !== "parked" || status.lost === undefined) return false;
  const content = viewLocal(read, node)?.content;
  return content?.from === "blob" && content.blob === status.lost;
}

/** Marks everything recorded of the node so far as under way; returns the last serial number. */
export function markInflight(tx: Writer, node: ItemKey): number {
  for (const { seq } of ofNode(tx, node)) setStatus(tx, seq, { state: "inflight" });
  return lastSeqOf(tx, node);
}

/** What was under way is pending again; `why`: the try failed. */
export function markPending(tx: Writer, node: ItemKey, why?: string): void {
  for (const { seq, status } of ofNode(tx, node))
    if (status.state === "inflight") setStatus(tx, seq, { state: "pending" }, why);
}

export function park(tx: Writer, node: ItemKey, reason: string): void {
  for (const { seq } of ofNode(tx, node)) setStatus(tx, seq, { state: "parked", reason }, reason);
}

export function hold(tx: Writer, node: ItemKey, reason: string): void {
  for (const { seq } of ofNode(tx, node)) setStatus(tx, seq, { state: "held", reason });
}

/** Parked and held records of the node are pending again. */
export function letGo(tx: Writer, node: ItemKey): void {
  for (const { seq, status } of ofNode(tx, node))
    if (status.state === "parked" || status.state === "held") setStatus(tx, seq, { state: "pending" });
}

/** A person says: as it is, also bytes that are damaged. */
export function sendAsItIs(tx: Writer, node: ItemKey): void {
  letGo(tx, node);
  const content = viewLocal(tx, node)?.content;
  const row = content?.from === "blob" ? tx.blobs.get(content.blob) : undefined;
  if (content?.from !== "blob" || row?.damaged === undefined) return;
  const { damaged: _, ...asItIs } = row;
  tx.blobs.put(content.blob, asItIs);
}

/** Nodes with a record in this state. */
export function nodesIn(read: Reader, state: OpState["state"], reason?: string): ItemKey[] {
  const nodes = new Set<ItemKey>();
  for (const { op, status } of all(read)) {
    if (status.state !== state) continue;
    if (reason === undefined || ("reason" in status && status.reason === reason)) nodes.add(op.node);
  }
  return [...nodes];
}

/** Last serial number of the node's records that were under way: what a request found to be carried out stands for. */
export function lastInflight(read: Reader, node: ItemKey): number {
  return ofNode(read, node).findLast(({ status }) => status.state === "inflight")?.seq ?? 0;
}
