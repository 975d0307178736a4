/**
 * The difference of two trees as typed operations, the same for what a person did here and for what the cloud tells: one state of a
 * node against another gives at most a create, or a delete, or any of move, write and set-metadata. Deletes are one per node here; the
 * planner folds them. The result is in the order of node numbers.
 */
import { atOnce, type Stepwise } from "../base/stepwise.ts";
import type { ItemKey } from "../model/ids.ts";
import type { Action, Overlay, Tree, TreeNode } from "./merge.ts";
import { byNumber, samePlace } from "./tree-view.ts";

export function changesOf(start: Tree, overlay: Overlay): Action[] {
  return atOnce(changesInSteps(start, overlay));
}

export function* changesInSteps(start: Tree, overlay: Overlay): Stepwise<Action[]> {
  const actions: Action[] = [];
  for (const node of [...overlay.keys()].sort(byNumber)) {
    yield;
    const before = start.get(node);
    const after = overlay.get(node) ?? undefined;
    if (before && after) actions.push(...changed(node, before, after));
    else if (after) actions.push(created(node, after));
    else if (before) actions.push(deleted(node, before));
  }
  return actions;
}

function created(node: ItemKey, after: TreeNode): Action {
  const { parent, name, bytes, mtime } = after;
  if (!bytes) return { action: "createFolder", node, parent, name };
  return { action: "createFile", node, parent, name, bytes, mtime };
}

function deleted(node: ItemKey, before: TreeNode): Action {
  return before.kind === "folder" ? { action: "deleteFolder", node, covers: [] } : { action: "deleteFile", node };
}

function* changed(node: ItemKey, before: TreeNode, after: TreeNode): Iterable<Action> {
  const { parent, name, bytes, mtime } = after;
  if (!samePlace(before, after)) yield { action: "move", node, parent, name, park: false };
  if (!bytes) return;
  if (bytes.version !== before.bytes?.version) yield { action: "writeContent", node, bytes, mtime };
  else if (mtime !== before.mtime) yield { action: "setMetadata", node, mtime };
}
