/**
 * The one graph of preconditions and effects, for the cloud's changes and ours. An operation needs conditions of the tree it starts
 * from; operations provide or destroy them:
 *
 *   need                 provided by                              destroyed by
 *   exists(d)            create of d                              delete of d
 *   free(d, n)           the op that removes the occupant (name)  create or move to (d, n)
 *   outside(x, d)        any move on the chain d..x        (sub)  a move that puts d below x
 *   empty(x)             moves and deletes below x       (empty)  create, move or write to below x
 *   at(x, aspect)        -                                        another actor's write, move or delete of x
 *
 * Who provides a need orders a script (plan.ts); who destroys one is a conflict (conflicts.ts). The same functions answer both.
 */
import type { Stepwise } from "../base/stepwise.ts";
import { blobId, ROOT, type ItemKey } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import type { Op } from "../op/op.ts";
import { conditionsOf, type Condition } from "../op/precondition.ts";
import type { Action, Tree } from "./merge.ts";
import { slotKey } from "./tree-view.ts";

/** What an operation needs: the conditions of op/precondition.ts, but for `bytes`, which is a matter of sending, not of order. */
export function needsOf(action: Action): Condition[] {
  return conditionsOf(asOp(action)).filter((condition) => condition.kind !== "bytes");
}

/** The operation of the log that says the same; the cloud's changes get one too. */
function asOp(action: Action): Op {
  const { node } = action;
  switch (action.action) {
    case "createFolder":
    case "createFile":
      return { type: action.action, node, parent: action.parent, name: action.name };
    case "move":
      return { type: "move", node, parent: action.parent, name: action.name, fromParent: ROOT, fromName: "" };
    case "writeContent":
      return { type: "writeContent", node, blob: NO_BLOB };
    case "setMetadata":
      return { type: "setMetadata", node, mtime: action.mtime };
    case "deleteFile":
    case "deleteFolder":
      return { type: action.action, node };
  }
}

/** Which bytes it is plays no part here. */
const NO_BLOB = blobId(1);

/** What a set of operations does to a tree, by what it touches; values are indexes into `actions`. */
export interface Effects {
  readonly appears: ReadonlyMap<ItemKey, number>;
  /** Deletes, also of what the delete of a folder covers. */
  readonly disappears: ReadonlyMap<ItemKey, number>;
  readonly moves: ReadonlyMap<ItemKey, number>;
  readonly writes: ReadonlyMap<ItemKey, number>;
  readonly metadata: ReadonlyMap<ItemKey, number>;
  readonly takes: ReadonlyMap<string, number>;
}

export function effectsOf(actions: readonly Action[]): Effects {
  const maps = () => new Map<ItemKey, number>();
  const effects = { appears: maps(), disappears: maps(), moves: maps(), writes: maps(), metadata: maps() };
  const takes = new Map<string, number>();
  actions.forEach((action, index) => {
    const { node } = action;
    if ("name" in action) takes.set(slotKey(action.parent, fold(action.name)), index);
    if (action.action === "createFile" || action.action === "createFolder") effects.appears.set(node, index);
    else if (action.action === "move") effects.moves.set(node, index);
    else if (action.action === "writeContent") effects.writes.set(node, index);
    else if (action.action === "setMetadata") effects.metadata.set(node, index);
    else effects.disappears.set(node, index);
    if (action.action === "deleteFolder") for (const covered of action.covers) effects.disappears.set(covered, index);
  });
  return { ...effects, takes };
}

/** The folders above a place, from near to far, through folders that `actions` create; the root is the last. */
export function* chainAbove(
  parent: ItemKey,
  start: Tree,
  created: { actions: readonly Action[]; effects: Effects },
): Iterable<ItemKey> {
  const seen = new Set<ItemKey>();
  for (let at = parent; !seen.has(at);) {
    seen.add(at);
    yield at;
    if (at === ROOT) return;
    const made = created.actions[created.effects.appears.get(at) ?? -1];
    const above = made && "parent" in made ? made.parent : start.get(at)?.parent;
    if (above === undefined) return;
    at = above;
  }
}

export type EdgeKind = "dir" | "name" | "sub" | "empty";
export interface Edge {
  readonly kind: EdgeKind;
  /** Index of the operation that must come first. */
  readonly to: number;
}

export interface Opgraph {
  readonly edges: readonly (readonly Edge[])[];
  /** Operations with a need that nothing provides, or that need such an operation. */
  readonly stuck: ReadonlySet<number>;
}

/** Which operations need which others first, evaluated on the tree the script starts from. */
export function* orderEdges(actions: readonly Action[], start: Tree): Stepwise<Opgraph> {
  const effects = effectsOf(actions);
  const edges: Edge[][] = actions.map(() => []);
  const stuck = new Set<number>();
  for (const [index, action] of actions.entries()) {
    yield;
    for (const need of needsOf(action)) {
      const providers = providersOf(need, action, { start, actions, effects });
      if (providers) edges[index]?.push(...providers.filter((edge) => edge.to !== index));
      else stuck.add(index);
    }
    for (const edge of emptied(action, { start, actions, effects })) edges[edge]?.push({ kind: "empty", to: index });
  }
  spread(stuck, edges);
  return { edges, stuck };
}

interface Situation {
  readonly start: Tree;
  readonly actions: readonly Action[];
  readonly effects: Effects;
}

/** Undefined: the need is not met and nothing here provides it. */
function providersOf(need: Condition, action: Action, situation: Situation): Edge[] | undefined {
  const { start, actions, effects } = situation;
  if (need.kind === "exists") {
    const made = effects.appears.get(need.node);
    if (made !== undefined) return [{ kind: "dir", to: made }];
    return start.get(need.node) ? [] : undefined;
  }
  if (need.kind === "free") {
    const occupant = start.at(need.parent, need.name);
    if (occupant === undefined || occupant === action.node) return [];
    const leaves = effects.moves.get(occupant) ?? effects.disappears.get(occupant);
    return leaves === undefined ? undefined : [{ kind: "name", to: leaves }];
  }
  if (need.kind === "outside") {
    const chain: ItemKey[] = [];
    for (const above of chainAbove(need.folder, start, { actions, effects })) {
      if (above === action.node) return chain.flatMap((node) => subEdge(effects.moves.get(node)));
      chain.push(above);
    }
  }
  return [];
}

function subEdge(move: number | undefined): Edge[] {
  return move === undefined ? [] : [{ kind: "sub", to: move }];
}

/** The deletes of folders above that wait for this operation to take its node out (or away). */
function emptied(action: Action, { start, effects }: Situation): number[] {
  const leaves = action.action === "move" || action.action === "deleteFile" || action.action === "deleteFolder";
  const waiting = new Set<number>();
  const own = effects.disappears.get(action.node);
  for (let at = leaves ? start.get(action.node)?.parent : undefined; at !== undefined && at !== ROOT;) {
    const above = effects.disappears.get(at);
    if (above !== undefined && above !== own) waiting.add(above);
    at = start.get(at)?.parent;
  }
  return [...waiting];
}

function spread(stuck: Set<number>, edges: readonly (readonly Edge[])[]): void {
  if (stuck.size === 0) return;
  const dependants = edges.map(() => [] as number[]);
  edges.forEach((list, from) => list.forEach((edge) => dependants[edge.to]?.push(from)));
  for (const index of stuck) for (const dependant of dependants[index] ?? []) stuck.add(dependant);
}
