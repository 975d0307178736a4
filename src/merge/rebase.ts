/**
 * What Local becomes when the cloud has moved on: (Base, Local, Remote) -> T*, a state function of its arguments.
 *
 *   1 existence  2 placement  3 closure  4 cycles   survive.ts
 *   5 content                                        contents.ts
 *   6 re-creation                                    a survivor without an item is reported as reborn
 *   7 slots                                          slots.ts
 *
 * Principles: the cloud wins names and places; nobody wins bytes; a delete covers only what the deleter saw; creation and edit beat
 * deletion, deletion beats a pure local move. Cost depends on the nodes with local differences, the folders above them and what the
 * cloud changed, never on the size of the tree. See SPEC.md.
 */
import type { ItemKey } from "../model/ids.ts";
import { findConflicts } from "./conflicts.ts";
import { mergeContents } from "./contents.ts";
import { openDraft, type Draft } from "./draft.ts";
import type { Rebased, RebaseInput, TreeNode } from "./merge.ts";
import { settleSlots } from "./slots.ts";
import { breakCycles, closeUpwards, decideSurvivors } from "./survive.ts";
import { sameState } from "./tree-view.ts";

export function rebase(input: RebaseInput): Rebased {
  if (input.local.size === 0) return { local: new Map(), copies: [], bound: [], reborn: [], conflicts: [] };
  const draft = openDraft(input);
  decideSurvivors(draft);
  closeUpwards(draft);
  breakCycles(draft);
  mergeContents(draft);
  settleSlots(draft);
  return outcome(draft);
}

function outcome(draft: Draft): Rebased {
  const { bound, nameOf } = identities(draft);
  const local = new Map<ItemKey, TreeNode | null>();
  const reborn: ItemKey[] = [];
  for (const node of draft.star.decided()) {
    const state = draft.star.get(node);
    const cloud = draft.remote.get(node);
    if (state && !cloud && draft.base.get(node)) reborn.push(node);
    if (state ? cloud && sameState(state, cloud) : !cloud) continue;
    local.set(nameOf(node), state ? { ...state, parent: nameOf(state.parent) } : null);
  }
  return { local, copies: draft.copies, bound, reborn, conflicts: findConflicts(draft) };
}

/**
 * Which node number two that are one keep. Programs know the local node, so it is kept against an item that is new here; an item
 * known for longer keeps its own.
 */
function identities(draft: Draft): { bound: { kept: ItemKey; gone: ItemKey }[]; nameOf: (node: ItemKey) => ItemKey } {
  const names = new Map<ItemKey, ItemKey>();
  const nameOf = (node: ItemKey): ItemKey => names.get(node) ?? node;
  const bound: { kept: ItemKey; gone: ItemKey }[] = [];
  for (const { winner, loser } of draft.pairs) {
    const isNewItem = !draft.base.get(winner) && !!draft.remote.get(winner) && !names.has(winner);
    if (isNewItem) names.set(winner, loser);
    bound.push(isNewItem ? { kept: loser, gone: winner } : { kept: nameOf(winner), gone: loser });
  }
  return { bound, nameOf };
}
