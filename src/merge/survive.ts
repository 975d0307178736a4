/**
 * Steps 1 to 4 of a rebase: who lives, where, and in a tree.
 *
 *   existence   a delete covers only what the deleter saw: anything newer cancels it for that item
 *   placement   parent, name and mtime one by one: the cloud's when the cloud changed it, else ours
 *   closure     a survivor's folder survives: kept where the cloud has it, or made anew for what is new or unpushed; a clean item
 *               moved into a folder that is gone stays at its cloud place
 *   cycles      the latest local move on the cycle is dropped
 */
import { assert, present } from "../base/assert.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import { parkedOriginal } from "../model/name.ts";
import { baseState, cloudState, isDirty, type Draft } from "./draft.ts";
import type { TreeNode } from "./merge.ts";
import { sameBytes, samePlace } from "./tree-view.ts";

export function decideSurvivors(draft: Draft): void {
  const rescue = rescuer(draft);
  for (const node of draft.dirty) {
    const state = placed(draft, node, rescue);
    if (state) draft.star.put(node, state);
    else draft.star.drop(node);
  }
}

export function closeUpwards(draft: Draft): void {
  const alive = draft.dirty.filter((node) => draft.star.get(node));
  for (const node of alive) if (needsHome(draft, node)) giveHome(draft, node);
  for (const [node, state] of draft.input.remote) if (state && draft.star.get(node)) giveHome(draft, node);
  for (const node of alive) giveHome(draft, node);
}

export function breakCycles(draft: Draft): void {
  for (let again = true; again;) {
    again = false;
    for (const node of draft.star.strays()) {
      const cycle = cycleThrough(draft, node);
      if (!cycle) continue;
      dropLatestMove(draft, cycle);
      again = true;
    }
  }
}

function placed(draft: Draft, node: ItemKey, rescued: (folder: ItemKey) => boolean): TreeNode | undefined {
  const here = draft.local.get(node);
  const cloud = cloudState(draft, node);
  const base = baseState(draft, node) ?? (here && cloud);
  if (!base) return here ?? cloud;
  if (here && cloud) return blend(base, here, cloud);
  if (here) return isDirty(draft, node) ? madeAnew(here, base) : undefined;
  if (!cloud) return undefined;
  const seen = samePlace(base, cloud) && sameBytes(base.bytes, cloud.bytes);
  return seen && !rescued(base.parent) ? undefined : cloud;
}

/** What is gone in the cloud takes no name along that another device had parked it under. */
function madeAnew(here: TreeNode, base: TreeNode | undefined): TreeNode {
  const original = here.name === base?.name ? parkedOriginal(here.name) : undefined;
  return original === undefined ? here : { ...here, name: original };
}

function folderAnew(draft: Draft, folder: ItemKey): TreeNode {
  return madeAnew(present(draft.local.get(folder), "the folder of a survivor"), draft.base.get(folder));
}

function blend(base: TreeNode, here: TreeNode, cloud: TreeNode): TreeNode {
  return {
    ...cloud,
    parent: cloud.parent === base.parent ? here.parent : cloud.parent,
    name: cloud.name === base.name ? here.name : cloud.name,
    mtime: cloud.mtime === base.mtime ? here.mtime : cloud.mtime,
  };
}

/** Tells whether a folder, or one above it in Base, was deleted here and moved or renamed in the cloud. */
function rescuer(draft: Draft): (folder: ItemKey) => boolean {
  const known = new Map<ItemKey, boolean>([[ROOT, false]]);
  return (folder) => {
    const path: ItemKey[] = [];
    let at = folder;
    for (; known.get(at) === undefined; at = present(draft.base.get(at), "a folder in Base").parent) {
      path.push(at);
      if (isRescued(draft, at)) known.set(at, true);
      if (known.get(at)) break;
    }
    const found = known.get(at) === true;
    for (const below of path) known.set(below, found);
    return found;
  };
}

function isRescued(draft: Draft, folder: ItemKey): boolean {
  const base = baseState(draft, folder);
  const cloud = cloudState(draft, folder);
  return !!base && !!cloud && !draft.local.get(folder) && !samePlace(base, cloud);
}

/** New to the cloud, made anew there, or with unpushed bytes: worth a folder that is gone. */
function needsHome(draft: Draft, node: ItemKey): boolean {
  return !draft.base.get(node) || !draft.remote.get(node) || isDirty(draft, node);
}

/** Makes the folders above a survivor survive. */
function giveHome(draft: Draft, node: ItemKey): void {
  const { star } = draft;
  for (let at = node; at !== ROOT;) {
    const state = present(star.get(at), "a survivor");
    if (star.get(state.parent)) return;
    const cloud = cloudState(draft, state.parent);
    if (cloud || needsHome(draft, at)) {
      star.put(state.parent, cloud ?? folderAnew(draft, state.parent));
      at = state.parent;
    } else {
      draft.asides.add(at);
      star.put(at, { ...state, ...placeOf(present(cloudState(draft, at), "the cloud place of a clean item")) });
    }
  }
}

function placeOf(state: TreeNode): Pick<TreeNode, "parent" | "name"> {
  return { parent: state.parent, name: state.name };
}

function cycleThrough(draft: Draft, node: ItemKey): ItemKey[] | undefined {
  const seen = new Set<ItemKey>();
  for (let at = node; at !== ROOT && !seen.has(at); at = present(draft.star.get(at), "a folder above").parent) {
    seen.add(at);
    if (draft.star.get(at)?.parent === node) return [...seen];
  }
  return undefined;
}

function dropLatestMove(draft: Draft, cycle: readonly ItemKey[]): void {
  const { star, remote } = draft;
  const moved = cycle.filter((node) => (remote.get(node)?.parent ?? star.get(node)?.parent) !== star.get(node)?.parent);
  const serial = (node: ItemKey): number => draft.input.movedAt.get(node) ?? 0;
  const victim = moved.sort((a, b) => serial(b) - serial(a) || b - a)[0];
  assert(victim !== undefined, "a cycle holds a cloud item at a place of ours");
  const { parent } = present(remote.get(victim), "the cloud place");
  star.put(victim, { ...present(star.get(victim), "the node on a cycle"), parent });
  draft.asides.add(victim);
  giveHome(draft, victim);
}
