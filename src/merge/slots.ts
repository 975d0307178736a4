/**
 * Step 7 of a rebase: one node a slot. The node that has the slot in the cloud stays. A new folder merges into a folder, child by
 * child; a new file with equal bytes is the same file; everybody else is renamed aside. Every step removes a node or makes a name
 * unique, so it ends; nodes are taken by number, so it is deterministic.
 */
import { present } from "../base/assert.ts";
import type { ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import { asideName } from "./aside.ts";
import { cloudState, type Draft } from "./draft.ts";
import type { TreeNode } from "./merge.ts";
import { sameBytes, slotOf } from "./tree-view.ts";

export function settleSlots(draft: Draft): void {
  const waiting = draft.star.strays();
  for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
    const state = draft.star.get(node);
    if (!state) continue;
    const rivals = draft.star.occupants(state.parent, fold(state.name));
    if (rivals.length > 1) waiting.push(...settle(draft, rivals));
  }
}

/** Returns the nodes whose place changed. */
function settle(draft: Draft, rivals: readonly ItemKey[]): ItemKey[] {
  const [winner, ...losers] = [...rivals].sort((a, b) => rank(draft, a) - rank(draft, b) || a - b);
  const moved: ItemKey[] = [];
  for (const loser of losers) moved.push(...giveWay(draft, present(winner, "a winner"), loser));
  return moved;
}

/** 0: has the slot in the cloud; 1: has an item there; 2: is made anew; 3: new; 4: never goes there. */
function rank(draft: Draft, node: ItemKey): number {
  const state = draft.star.get(node);
  const cloud = draft.remote.get(node);
  if (cloud) return state && slotOf(cloud) === slotOf(state) ? 0 : 1;
  if (draft.input.localOnly.has(node)) return 4;
  return draft.base.get(node) ? 2 : 3;
}

function giveWay(draft: Draft, winner: ItemKey, loser: ItemKey): ItemKey[] {
  const { star } = draft;
  const stays = present(star.get(winner), "the winner of a slot");
  const goes = present(star.get(loser), "the loser of a slot");
  if (canBeOne(draft, { winner, loser, stays, goes })) {
    const children = stays.kind === "folder" ? star.strayChildren(loser) : [];
    for (const child of children) star.put(child, { ...present(star.get(child), "a child"), parent: winner });
    if (!draft.base.get(winner) && stays.bytes) star.put(winner, { ...stays, mtime: goes.mtime });
    star.drop(loser);
    draft.pairs.push({ winner, loser });
    return children;
  }
  star.put(loser, { ...goes, name: asideName(draft, loser, goes) });
  draft.asides.add(loser);
  return [loser];
}

function canBeOne(draft: Draft, pair: { winner: ItemKey; loser: ItemKey; stays: TreeNode; goes: TreeNode }): boolean {
  const { localOnly } = draft.input;
  if (cloudState(draft, pair.loser) || localOnly.has(pair.loser) || localOnly.has(pair.winner)) return false;
  if (pair.stays.kind !== pair.goes.kind) return false;
  return pair.stays.kind === "folder" || sameBytes(pair.stays.bytes, pair.goes.bytes);
}
