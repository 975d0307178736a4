/**
 * What a person may want to know of a rebase: operations of ours whose condition a change of the cloud destroyed, named by the
 * condition and both sides, with what became of it. Two sides that want the same are no conflict.
 */
import type { ItemKey } from "../model/ids.ts";
import { changesOf } from "./changes.ts";
import { cloudState, isDirty, type Draft } from "./draft.ts";
import type { Action, Conflict } from "./merge.ts";
import type { Condition } from "../op/precondition.ts";
import { chainAbove, effectsOf, needsOf, type Effects } from "./opgraph.ts";
import { sameBytes, slotKey } from "./tree-view.ts";

export function findConflicts(draft: Draft): Conflict[] {
  const ours = changesOf(draft.base, draft.input.local);
  const theirs = changesOf(draft.base, draft.input.remote);
  const effects = effectsOf(theirs);
  const found: Conflict[] = [];
  for (const action of ours)
    for (const need of needsOf(action)) {
      const cloud = destroyer(draft, action, { need, effects, theirs });
      if (cloud !== undefined) found.push({ ...conflict(draft, action, need), cloud });
    }
  return [...found, ...emptied(draft, { ours, theirs })];
}

function conflict(draft: Draft, action: Action, need: Condition): Omit<Conflict, "cloud"> {
  const condition = need.kind === "bytes" ? "at" : need.kind;
  return { node: action.node, condition, local: wordOf(action), outcome: outcomeOf(draft, action.node) };
}

interface Against {
  readonly need: Condition;
  readonly effects: Effects;
  readonly theirs: readonly Action[];
}

/** The cloud's change that destroyed a need, as a word. */
function destroyer(draft: Draft, action: Action, against: Against): string | undefined {
  const { need, effects, theirs } = against;
  if (need.kind === "exists") return effects.disappears.has(need.node) ? "delete" : undefined;
  if (need.kind === "free") {
    const taker = theirs[effects.takes.get(slotKey(need.parent, need.name)) ?? -1];
    return taker && taker.node !== action.node ? wordOf(taker) : undefined;
  }
  if (need.kind === "outside")
    return movedInside(draft, action.node, { folder: need.folder, effects }) ? "move" : undefined;
  if (need.kind === "at") return overtaken(draft, action, { need, effects, theirs });
  return undefined;
}

/** True when the cloud moved the folder, or one above it, below the node. */
function movedInside(draft: Draft, node: ItemKey, of: { folder: ItemKey; effects: Effects }): boolean {
  const none = { actions: [], effects: effectsOf([]) };
  let moved = false;
  for (const above of chainAbove(of.folder, draft.remote, none)) {
    if (above === node) return moved;
    moved ||= of.effects.moves.has(above);
  }
  return false;
}

/** The same item changed on both sides, in a way that cannot both hold. */
function overtaken(draft: Draft, action: Action, { effects }: Against): string | undefined {
  const { node } = action;
  const here = draft.local.get(node);
  const cloud = cloudState(draft, node);
  const base = draft.base.get(node);
  if (!cloud) return here && effects.disappears.has(node) ? "delete" : undefined;
  if (!here) {
    if (effects.writes.has(node)) return "write";
    return effects.moves.has(node) ? "move" : undefined;
  }
  if (action.action === "writeContent")
    return isDirty(draft, node) && draft.copies.some((copy) => copy.of === node) && !sameBytes(here.bytes, cloud.bytes)
      ? "write"
      : undefined;
  if (action.action !== "move" || !base || !effects.moves.has(node)) return undefined;
  const parents = here.parent !== base.parent && cloud.parent !== base.parent && here.parent !== cloud.parent;
  const names = here.name !== base.name && cloud.name !== base.name && here.name !== cloud.name;
  return parents || names ? "move" : undefined;
}

/** Folders deleted here into which the cloud put, or in which it changed, something. */
function emptied(draft: Draft, sides: { ours: readonly Action[]; theirs: readonly Action[] }): Conflict[] {
  const deleted = new Map(sides.ours.filter((action) => action.action === "deleteFolder").map((a) => [a.node, a]));
  const found = new Map<ItemKey, Conflict>();
  for (const change of deleted.size > 0 ? sides.theirs : []) {
    const arrives = draft.remote.get(change.node);
    for (let at = arrives?.parent; at !== undefined && deleted.has(at); at = draft.remote.get(at)?.parent) {
      const action = deleted.get(at);
      if (action && !found.has(at))
        found.set(at, { ...conflict(draft, action, { kind: "empty", node: at }), cloud: wordOf(change) });
    }
  }
  return [...found.values()];
}

function outcomeOf(draft: Draft, node: ItemKey): string {
  if (draft.copies.some((copy) => copy.of === node)) return "the bytes of here are kept in a conflict copy beside it";
  if (draft.pairs.some((pair) => pair.loser === node || pair.winner === node)) return "both are one now";
  if (!draft.star.get(node)) return "it is gone";
  if (draft.asides.has(node)) return draft.base.get(node) ? "the cloud's place stands" : "renamed aside";
  if (!draft.local.get(node)) return "it stays as the cloud has it";
  if (!draft.remote.get(node)) return "it is made anew in the cloud";
  return "the cloud's place stands";
}

function wordOf(action: Action): string {
  if (action.action === "move") return "move";
  if (action.action === "writeContent") return "write";
  if (action.action === "setMetadata") return "set times";
  return action.action.startsWith("delete") ? "delete" : "create";
}
