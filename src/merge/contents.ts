/**
 * Step 5 of a rebase: whose bytes a file shows. Bytes nobody else changed stay; equal bytes are one; otherwise the node keeps the cloud's
 * and ours become a new file beside it. What counts as "changed in the cloud" is decided by the version the writing handle had
 * open (`seen`), not by what Base holds now.
 */
import type { ItemKey } from "../model/ids.ts";
import { asideName } from "./aside.ts";
import { isDirty, type Draft } from "./draft.ts";
import type { Bytes, TreeNode } from "./merge.ts";
import { sameBytes } from "./tree-view.ts";

export function mergeContents(draft: Draft): void {
  for (const node of draft.dirty) {
    const here = draft.local.get(node);
    const state = draft.star.get(node);
    if (here?.bytes && state && isDirty(draft, node)) mergeFile(draft, node, { here, state });
  }
}

function mergeFile(draft: Draft, node: ItemKey, file: { here: TreeNode; state: TreeNode }): void {
  const { star } = draft;
  const { here, state } = file;
  const bytes = here.bytes as Bytes;
  const cloud = draft.remote.get(node);
  if (!cloud) return star.put(node, { ...state, bytes: draft.base.get(node) ? bornHere(bytes) : bytes });
  if (sawTheCloud(bytes, cloud.bytes) || isUnchanged(draft, node, bytes))
    return star.put(node, { ...state, bytes: { ...bytes, seen: cloud.bytes?.version ?? "" }, mtime: here.mtime });
  if (sameBytes(bytes, cloud.bytes)) return;
  star.put(node, { ...state, mtime: cloud.mtime });
  const copy = draft.input.fresh();
  const beside: TreeNode = { ...here, parent: state.parent, name: state.name, bytes: bornHere(bytes) };
  star.put(copy, { ...beside, name: asideName(draft, copy, beside) });
  draft.copies.push({ of: node, copy });
}

/** What the cloud has is what these bytes were made from. */
function sawTheCloud(bytes: Bytes, cloud: Bytes | null): boolean {
  if (!cloud) return false;
  if (bytes.seen === cloud.version) return true;
  return bytes.sent?.some((sent) => sameBytes({ version: "", asked: true, ...sent }, cloud)) ?? false;
}

/** Another version of the very bytes that these were made from. */
function isUnchanged(draft: Draft, node: ItemKey, bytes: Bytes): boolean {
  const base = draft.base.get(node)?.bytes;
  return !!base && bytes.seen === base.version && sameBytes(base, draft.remote.get(node)?.bytes ?? null);
}

function bornHere(bytes: Bytes): Bytes {
  const { seen: _, sent: __, asked: ___, ...rest } = bytes;
  return rest;
}
