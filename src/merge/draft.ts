/**
 * The tree a rebase is making, T*, while it is being made: Remote with the nodes the rebase has decided otherwise. It keeps track
 * of *strays*, the nodes that are not where Remote has them (or that Remote does not have): Remote is well-formed, so only a stray can
 * share a slot with somebody or close a cycle, and the cost of every step depends on the strays alone.
 */
import type { Folded, ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import type { Conflict, RebaseInput, Tree, TreeNode } from "./merge.ts";
import { byNumber, overlaid, samePlace, slotKey, slotOf, unparked } from "./tree-view.ts";

export interface Draft {
  readonly input: RebaseInput;
  readonly base: Tree;
  readonly local: Tree;
  readonly remote: Tree;
  /** Nodes with local differences, by number. */
  readonly dirty: readonly ItemKey[];
  readonly star: Star;
  readonly copies: { of: ItemKey; copy: ItemKey }[];
  /** Two nodes that turned out to be one; the winner's place and item stand. */
  readonly pairs: { winner: ItemKey; loser: ItemKey }[];
  /** Nodes a conflict moved to another name, and moves that were dropped: for telling what became of a conflict. */
  readonly asides: Set<ItemKey>;
  readonly conflicts: Conflict[];
}

export interface Star {
  get(node: ItemKey): TreeNode | undefined;
  put(node: ItemKey, state: TreeNode): void;
  drop(node: ItemKey): void;
  /** Everybody at a slot, by number. */
  occupants(parent: ItemKey, name: Folded): ItemKey[];
  strays(): ItemKey[];
  /** The strays directly below a folder, by number: all of its children when Remote does not have it. */
  strayChildren(folder: ItemKey): ItemKey[];
  /** Nodes decided so far, alive or not, by number. */
  decided(): ItemKey[];
}

export function openDraft(input: RebaseInput): Draft {
  const remote = overlaid(input.base, input.remote);
  return {
    input,
    base: input.base,
    local: overlaid(input.base, input.local),
    remote,
    dirty: [...input.local.keys()].sort(byNumber),
    star: openStar(remote),
    copies: [],
    pairs: [],
    asides: new Set(),
    conflicts: [],
  };
}

/** The node as the cloud means it: with its real name while it is parked. */
export function cloudState(draft: Draft, node: ItemKey): TreeNode | undefined {
  const state = draft.remote.get(node);
  return state && unparked(state, draft.input.parked.get(node));
}

export function baseState(draft: Draft, node: ItemKey): TreeNode | undefined {
  const state = draft.base.get(node);
  return state && unparked(state, draft.input.parked.get(node));
}

/** True when the node has bytes here that the cloud was not known to have. */
export function isDirty(draft: Draft, node: ItemKey): boolean {
  const bytes = draft.local.get(node)?.bytes;
  return !!bytes && bytes.version !== draft.base.get(node)?.bytes?.version;
}

function openStar(remote: Tree): Star {
  const decided = new Map<ItemKey, TreeNode | null>();
  const bySlot = new Map<string, Set<ItemKey>>();
  const byParent = new Map<ItemKey, Set<ItemKey>>();
  const strays = new Set<ItemKey>();
  const get = (node: ItemKey): TreeNode | undefined => {
    const own = decided.get(node);
    return own === undefined ? remote.get(node) : (own ?? undefined);
  };
  const forget = (node: ItemKey): void => {
    const was = decided.get(node);
    if (!was || !strays.delete(node)) return;
    bySlot.get(slotOf(was))?.delete(node);
    byParent.get(was.parent)?.delete(node);
  };
  return {
    get,
    put(node, state) {
      forget(node);
      decided.set(node, state);
      const cloud = remote.get(node);
      if (cloud && samePlace(cloud, state)) return;
      strays.add(node);
      addTo(bySlot, slotOf(state), node);
      addTo(byParent, state.parent, node);
    },
    drop(node) {
      forget(node);
      decided.set(node, null);
    },
    occupants(parent, name) {
      const there = [...(bySlot.get(slotKey(parent, name)) ?? [])];
      const settled = remote.at(parent, name);
      const state = settled !== undefined && !strays.has(settled) ? get(settled) : undefined;
      if (settled !== undefined && state?.parent === parent && fold(state.name) === name) there.push(settled);
      return there.sort(byNumber);
    },
    strays: () => [...strays].sort(byNumber),
    strayChildren: (folder) => [...(byParent.get(folder) ?? [])].sort(byNumber),
    decided: () => [...decided.keys()].sort(byNumber),
  };
}

function addTo<K>(index: Map<K, Set<ItemKey>>, key: K, node: ItemKey): void {
  const there = index.get(key);
  if (there) there.add(node);
  else index.set(key, new Set([node]));
}
