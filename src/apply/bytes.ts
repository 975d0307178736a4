/**
 * Where unpushed bytes go in a rebase: they stay, move to the node of a conflict copy, or turn out to be in the cloud already. Then
 * content adopts them as clean bytes. No blob is ever left without a node.
 */
import type { BlobId, ItemKey } from "../model/ids.ts";
import type { Writer } from "../store/store.ts";
import type { Applied } from "./apply.ts";
import type { Merge } from "./merge-in.ts";
import { blobIn } from "./trees.ts";

type Adopt = Applied["adopt"][number];

export function moveBytes(merge: Merge): Adopt[] {
  const { tx, local, rebased } = merge;
  const copies = new Map(rebased.copies.map(({ of, copy }) => [of, copy]));
  const adopt: Adopt[] = [];
  for (const [node, state] of local) {
    const blob = blobIn(state?.bytes?.version);
    if (blob === undefined) continue;
    const home = merge.nameOf(copies.get(node) ?? node);
    const settled = settle(merge, { node, blob, home });
    if (settled) adopt.push(settled);
    else if (home !== node) rehome(tx, blob, home);
  }
  return adopt;
}

/** Undefined: the bytes are still unpushed at their home. */
function settle(merge: Merge, { blob, home }: { node: ItemKey; blob: BlobId; home: ItemKey }): Adopt | undefined {
  const decided = merge.rebased.local.get(home);
  const bytes = decided === undefined ? merge.remote.get(home)?.bytes : decided?.bytes;
  if (bytes && blobIn(bytes.version) === blob) return undefined;
  const inCloud = !!bytes && blobIn(bytes.version) === undefined;
  const row = merge.tx.blobs.get(blob);
  if (row) merge.tx.blobs.put(blob, { ...row, node: home, state: "pushed" });
  if (merge.tx.sessions.get(blob)) merge.tx.sessions.remove(blob);
  return { blob, node: home, version: inCloud ? bytes.version : "", same: inCloud };
}

function rehome(tx: Writer, blob: BlobId, home: ItemKey): void {
  const row = tx.blobs.get(blob);
  tx.blobs.put(blob, row ? { ...row, node: home } : { node: home, size: 0, state: "open" });
}
