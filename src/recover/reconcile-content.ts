/**
 * After an unclean stop: what the log says of unpushed bytes is made to agree with the bytes that are there.
 *
 *  - After kill -9 the file is right (the page cache outlived the process) and the recorded length may be older: the length is taken
 *    from the file, and the settle window begins anew.
 *  - After a power cut a file that is shorter than recorded has lost bytes that nobody synced; a file that is missing has lost all.
 *    Their push is parked with the reason: what is left stays readable here, and the cloud's version is not overwritten. The row of the
 *    blob says it too, for wherever its bytes go: into a conflict copy, or into bytes made from them.
 *
 * Only with this done the store forgets that it was restored: a process that is killed before leaves it to the next one.
 */
import type { OpenBlob, RecoveredContent } from "../content/recover-content.ts";
import type { BlobId } from "../model/ids.ts";
import { ofNode, setStatus, touch } from "../oplog/oplog.ts";
import type { Store, Writer } from "../store/store.ts";
import { changeTrees, isGone } from "../store/tree.ts";

export function reconcileContent(
  store: Store,
  recovered: Pick<RecoveredContent, "open" | "missing">,
  after: { readonly powerCut: boolean; readonly now: number },
): void {
  store.transact((tx) => {
    if (tx.meta.get("restored") !== undefined) tx.meta.remove("restored");
    for (const blob of recovered.missing) lost(tx, blob, "its unpushed bytes are missing from the state folder");
    for (const open of recovered.open) measured(tx, open, after);
  });
}

function measured(tx: Writer, open: OpenBlob, after: { readonly powerCut: boolean; readonly now: number }): void {
  const row = tx.local.get(open.node);
  if (!row || isGone(row) || row.content.from !== "blob" || row.content.blob !== open.blob) return;
  const recorded = row.content.size;
  if (recorded === open.length) return;
  if (after.powerCut && open.length < recorded) {
    const damaged = `a power cut left ${open.length} of its ${recorded} unpushed bytes`;
    const mine = tx.blobs.get(open.blob);
    if (mine) tx.blobs.put(open.blob, { ...mine, damaged });
    lost(tx, open.blob, damaged);
  }
  changeTrees(tx, new Map([[open.node, { local: { ...row, content: { ...row.content, size: open.length } } }]]));
  touch(tx, open.node, after.now);
}

/** All records of the node: the last one speaks for it, and any of them goes on speaking for the blob. */
function lost(tx: Writer, blob: BlobId, reason: string): void {
  const node = tx.blobs.get(blob)?.node;
  if (node === undefined) return;
  for (const { seq } of ofNode(tx, node)) setStatus(tx, seq, { state: "parked", reason, lost: blob });
}
