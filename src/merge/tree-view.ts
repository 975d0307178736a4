/**
 * Trees seen as another tree plus differences, and what "the same" means for places and bytes. Reading costs a few look-ups; only
 * `children` of a folder costs as much as the folder has children. Nothing here changes a tree.
 */
import { ROOT, type Folded, type ItemKey } from "../model/ids.ts";
import { saysLengthOnly } from "../model/hash.ts";
import { fold, parkedOriginal } from "../model/name.ts";
import type { Bytes, Overlay, Tree, TreeNode } from "./merge.ts";

/** `tree` with the differences of `overlay`; the overlay must not change afterwards. */
export function overlaid(tree: Tree, overlay: Overlay): Tree {
  const slots = new Map<string, ItemKey>();
  const below = new Map<ItemKey, ItemKey[]>();
  for (const [node, state] of overlay) {
    if (!state || node === ROOT) continue;
    slots.set(slotKey(state.parent, fold(state.name)), node);
    const siblings = below.get(state.parent);
    if (siblings) siblings.push(node);
    else below.set(state.parent, [node]);
  }
  const get = (node: ItemKey): TreeNode | undefined => {
    const own = overlay.get(node);
    return own === undefined ? tree.get(node) : (own ?? undefined);
  };
  return {
    get,
    at(parent, name) {
      const own = slots.get(slotKey(parent, name));
      if (own !== undefined) return own;
      const under = tree.at(parent, name);
      return under !== undefined && !overlay.has(under) ? under : undefined;
    },
    *children(node) {
      for (const child of tree.children(node)) if (!overlay.has(child)) yield child;
      yield* below.get(node) ?? [];
    },
  };
}

export function slotKey(parent: ItemKey, name: Folded): string {
  return `${parent}/${name}`;
}

export function slotOf(state: Pick<TreeNode, "parent" | "name">): string {
  return slotKey(state.parent, fold(state.name));
}

export function samePlace(a: Pick<TreeNode, "parent" | "name">, b: Pick<TreeNode, "parent" | "name">): boolean {
  return a.parent === b.parent && a.name === b.name;
}

/**
 * The same version, or equal by size and hash. A missing hash is never equal to anything; one that says only the length is, where
 * these very bytes were asked to be stored.
 */
export function sameBytes(a: Bytes | null, b: Bytes | null): boolean {
  if (!a || !b) return a === b;
  if (a.version === b.version) return true;
  if (a.size !== b.size || !a.hash || a.hash !== b.hash) return false;
  return a.size === 0 || a.asked === true || b.asked === true || !saysLengthOnly(a.hash);
}

/** Nothing to tell apart by: place, version and (of files) mtime agree. */
export function sameState(a: TreeNode, b: TreeNode): boolean {
  return samePlace(a, b) && a.bytes?.version === b.bytes?.version && (a.kind === "folder" || a.mtime === b.mtime);
}

/** A node with its real name instead of the parking name it may carry: a parking name is nobody's intention. */
export function unparked(state: TreeNode, real: string | undefined): TreeNode {
  return real === undefined || parkedOriginal(state.name) === undefined ? state : { ...state, name: real };
}

export const byNumber = (a: number, b: number): number => a - b;
