/**
 * What of a node is on its way to the cloud, and how it is taken back. An operation that is being sent is never touched: its
 * answer will come, and the blob it sends stays until then.
 */
import type { BlobId, ItemKey } from "../model/ids.ts";
import type { Op } from "../op/op.ts";
import { append, dropRecord, ofNode } from "../oplog/oplog.ts";
import type { Reader, Writer } from "../store/store.ts";

/** Records an operation whose effect was made in this transaction. Back at what the cloud has, there is nothing to do any more. */
export function record(tx: Writer, op: Op, at: number): void {
  append(tx, op, at);
  const there = tx.mirror.get(op.node) !== undefined && tx.local.get(op.node) === undefined;
  if (there && !busyWith(tx, op.node)) dropOps(tx, op.node);
}

/** True while a request for the node is under way, or one was made whose answer is not known. */
export function busyWith(read: Reader, node: ItemKey): boolean {
  if (read.intents.get(node) !== undefined) return true;
  return ofNode(read, node).some(({ status }) => status.state === "inflight");
}

/** The blob is no longer what its file consists of: its row goes, unless it is being sent (then who sends it removes it). */
export function releaseBlob(tx: Writer, blob: BlobId): void {
  const row = tx.blobs.get(blob);
  if (!row || row.state === "pushed" || (row.state === "frozen" && busyWith(tx, row.node))) return;
  tx.blobs.remove(blob);
}

/** Takes back what was not yet begun. */
export function dropOps(tx: Writer, node: ItemKey): void {
  for (const record of ofNode(tx, node)) if (record.status.state !== "inflight") dropRecord(tx, record);
}
