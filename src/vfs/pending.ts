/**
 * What of a node is on its way to the cloud, and how it is taken back. An operation that is being sent is never touched: its
 * answer will come, and the blob it sends stays until then.
 */
import type { BlobId, ItemKey, OpId } from "../model/ids.ts";
import type { OpRecord } from "../op/op.ts";
import type { Reader, Writer } from "../store/store.ts";
import { opId } from "../model/ids.ts";

/** True while a request for the node is under way, or one was made whose answer is not known. */
export function busyWith(read: Reader, node: ItemKey): boolean {
  return (
    read.intents.get(node) !== undefined || opsOf(read, node).some(([, record]) => record.status.state === "inflight")
  );
}

/** The node's operations in the order they were made. */
export function opsOf(read: Reader, node: ItemKey): readonly (readonly [OpId, OpRecord])[] {
  const found: [OpId, OpRecord][] = [];
  for (const [[, seq]] of read.nodeOps.range({ start: [node, 0], end: [(node + 1) as ItemKey, 0] })) {
    const record = read.ops.get(opId(seq));
    if (record) found.push([record.seq, record]);
  }
  return found;
}

/** The blob is no longer what its file consists of: its row goes, unless it is being sent (then who sends it removes it). */
export function releaseBlob(tx: Writer, blob: BlobId): void {
  const row = tx.blobs.get(blob);
  if (!row || row.state === "pushed" || (row.state === "frozen" && busyWith(tx, row.node))) return;
  tx.blobs.remove(blob);
}

/** Takes back what was not yet begun. */
export function dropOps(tx: Writer, node: ItemKey): void {
  for (const [seq, record] of opsOf(tx, node)) {
    if (record.status.state === "inflight") continue;
    tx.ops.remove(seq);
    tx.nodeOps.remove([node, seq]);
  }
}
