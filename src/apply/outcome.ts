/** Local rows after a rebase: for the nodes it decided about and those whose identity was joined, nothing for all others. */
import { sameState } from "../merge/tree-view.ts";
import type { TreeNode } from "../merge/merge.ts";
import type { ItemKey } from "../model/ids.ts";
import type { FileContent, LocalItem } from "../model/item.ts";
import { isGone } from "../store/tree.ts";
import type { Merge } from "./merge-in.ts";
import { blobIn } from "./trees.ts";

type LocalState = LocalItem | null | "clean";

export function localStates(merge: Merge): Map<ItemKey, LocalState> {
  const { rebased, local, remote, nameOf } = merge;
  const states = new Map<ItemKey, LocalState>();
  for (const { gone } of rebased.bound) states.set(gone, null);
  for (const node of local.keys())
    if (!rebased.local.has(node) && nameOf(node) === node) states.set(node, remote.get(node) ? "clean" : null);
  for (const [node, state] of rebased.local) {
    const before = local.get(node);
    const touched = merge.incoming.rows.has(node) || nameOf(node) !== node;
    if (!touched && isAsBefore(before, state)) continue;
    states.set(node, state && itemOf(merge, node, state));
  }
  return states;
}

function isAsBefore(before: TreeNode | null | undefined, state: TreeNode | null): boolean {
  if (!before || !state) return before === state;
  return sameState(before, state) && before.bytes?.seen === state.bytes?.seen;
}

function itemOf(merge: Merge, node: ItemKey, state: TreeNode): LocalItem {
  const { kind, parent, name, mtime } = state;
  return { kind, parent, name, mtime, content: contentOf(merge, node, state) };
}

/** The row's own words stay when the rebase learned nothing new: a generation above an upload under way goes on naming it. */
function contentOf(merge: Merge, node: ItemKey, { bytes }: TreeNode): FileContent {
  const blob = blobIn(bytes?.version);
  if (!bytes || blob === undefined) return { from: "cloud" };
  const row = merge.tx.local.get(node);
  const mine =
    row && !isGone(row) && row.content.from === "blob" && row.content.blob === blob ? row.content : undefined;
  if (mine && merge.local.get(node)?.bytes?.seen === bytes.seen) return mine;
  return { from: "blob", blob, size: bytes.size, ...(bytes.seen === undefined ? {} : { seen: bytes.seen }) };
}
