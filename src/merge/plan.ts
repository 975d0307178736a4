/**
 * (Mirror, Local) -> the script that makes the cloud say what Local says. Steps: the difference as typed operations; the delete of a
 * folder swallows the deletes below it; the opgraph says who needs whom; a depth-first walk in order of preference puts providers
 * first and deletes last. When the walk meets a cycle it cuts one of its `name` edges (every cycle has one) by parking: the occupant is
 * renamed in place to a name nobody wants, which needs nothing and frees the slot at once.
 * The same function orders a script for any start tree, so also for the local one.
 */
import { assert, present } from "../base/assert.ts";
import { atOnce, type Stepwise } from "../base/stepwise.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import { fold, parkingName } from "../model/name.ts";
import { changesInSteps } from "./changes.ts";
import type { Action, Overlay, PlanOptions, Script, Step, Tree } from "./merge.ts";
import { orderEdges, type Edge } from "./opgraph.ts";
import { byNumber } from "./tree-view.ts";

export function plan(mirror: Tree, local: Overlay, options: PlanOptions): Script {
  return atOnce(planInSteps(mirror, local, options));
}

/** The same, with a bounded piece of work between two steps (sorting numbers apart). The trees must not change meanwhile. */
export function* planInSteps(mirror: Tree, local: Overlay, options: PlanOptions): Stepwise<Script> {
  const kept = yield* keptNodes({ local, mirror, options });
  const sendable = kept.size === 0 ? local : new Map([...local].filter(([node]) => !kept.has(node)));
  const changes = yield* changesInSteps(mirror, sendable);
  const wanted = yield* foldDeletes(changes, mirror);
  const asWanted = yield* orderEdges(wanted, mirror);
  const yielding = yieldingNodes(wanted, asWanted.stuck, mirror);
  const actions = wanted.map((action) => (yielding.has(action.node) ? parkOf(action.node, mirror, options) : action));
  const graph = yielding.size === 0 ? asWanted : yield* orderEdges(actions, mirror);
  const sent = actions.map((_, index) => index).filter((index) => !graph.stuck.has(index));
  const ordered = yield* order({ actions, edges: graph.edges.map((edges) => [...edges]), sent, mirror, options });
  const left = new Set<ItemKey>([...graph.stuck].map((index) => present(actions[index], "a step").node));
  for (const node of yielding) left.add(node);
  for (const node of kept) left.add(node);
  return { steps: ordered, deletes: deletesOf(ordered), left: [...left].sort(byNumber) };
}

function deletesOf(steps: readonly Step[]): number {
  let deletes = 0;
  for (const step of steps)
    if (step.action === "deleteFolder") deletes += 1 + step.covers.length;
    else if (step.action === "deleteFile") deletes += 1;
  return deletes;
}

function* keptNodes(situation: Situation): Stepwise<Set<ItemKey>> {
  const kept = new Set<ItemKey>();
  if (situation.options.localOnly.size === 0) return kept;
  for (const node of situation.local.keys()) {
    yield;
    if (isLocalOnly(node, situation)) kept.add(node);
  }
  return kept;
}

/**
 * Items of the cloud that were moved into a local-only folder (a trash can) stay in the cloud where they are; but one whose name there is
 * wanted by somebody else is parked.
 */
function yieldingNodes(actions: readonly Action[], stuck: ReadonlySet<number>, mirror: Tree): Set<ItemKey> {
  const made = new Set(actions.filter((action) => action.action === "createFolder").map(({ node }) => node));
  const leaving = new Set<ItemKey>();
  for (const action of stuck.size > 0 ? actions : [])
    if (action.action === "move" && !mirror.get(action.parent) && !made.has(action.parent)) leaving.add(action.node);
  const yielding = new Set<ItemKey>();
  for (const index of stuck) {
    const action = present(actions[index], "a step");
    const occupant = "name" in action ? mirror.at(action.parent, fold(action.name)) : undefined;
    if (occupant !== undefined && occupant !== action.node && leaving.has(occupant)) yielding.add(occupant);
  }
  return yielding;
}

/** Local-only itself, or below such a node; what the cloud has never is. */
function isLocalOnly(node: ItemKey, { local, mirror, options }: Situation): boolean {
  for (let at: ItemKey | undefined = node; at !== undefined && at !== ROOT; at = local.get(at)?.parent) {
    if (mirror.get(at)) return false;
    if (options.localOnly.has(at)) return true;
  }
  return false;
}

interface Situation {
  readonly local: Overlay;
  readonly mirror: Tree;
  readonly options: PlanOptions;
}

/** The delete of a folder stands for the deletes directly below it, and theirs. */
function* foldDeletes(actions: readonly Action[], mirror: Tree): Stepwise<Action[]> {
  const deleted = new Set(actions.filter(isDelete).map((action) => action.node));
  const topmost = new Map<ItemKey, ItemKey>();
  const topOf = (node: ItemKey): ItemKey => {
    const path: ItemKey[] = [];
    let at = node;
    while (!topmost.has(at)) {
      path.push(at);
      const parent = mirror.get(at)?.parent;
      if (parent === undefined || parent === at || !deleted.has(parent)) topmost.set(at, at);
      else at = parent;
    }
    const top = present(topmost.get(at), "a topmost delete");
    for (const below of path) topmost.set(below, top);
    return top;
  };
  const covers = new Map<ItemKey, ItemKey[]>();
  for (const node of deleted) {
    yield;
    const top = topOf(node);
    if (top === node) continue;
    const list = covers.get(top);
    if (list) list.push(node);
    else covers.set(top, [node]);
  }
  return actions
    .filter((action) => !isDelete(action) || topOf(action.node) === action.node)
    .map((action) =>
      action.action === "deleteFolder" ? { ...action, covers: covers.get(action.node) ?? [] } : action,
    );
}

function isDelete(action: Action): boolean {
  return action.action === "deleteFile" || action.action === "deleteFolder";
}

interface Sorting {
  readonly actions: Action[];
  readonly edges: Edge[][];
  /** Indexes into actions that take part, and later the parks. */
  readonly sent: readonly number[];
  readonly mirror: Tree;
  readonly options: PlanOptions;
}

function* order(sorting: Sorting): Stepwise<Step[]> {
  const { actions, edges } = sorting;
  const preferred = [...sorting.sent].sort((a, b) => preference(actions[a]) - preference(actions[b]) || a - b);
  for (;;) {
    const walked = yield* walk(preferred, edges);
    if (!("cycle" in walked)) return yield* numbered(walked.order, sorting);
    park(walked.cycle, sorting);
  }
}

/** Cheap steps on names first, then bytes, deletes last. */
function preference(action: Action | undefined): number {
  if (!action || isDelete(action)) return 2;
  return action.action === "createFile" || action.action === "writeContent" ? 1 : 0;
}

/** Depth first, providers before dependants; or a cycle, as indexes each of which needs the next (the last needs the first). */
function* walk(
  preferred: readonly number[],
  edges: readonly (readonly Edge[])[],
): Stepwise<{ order: number[] } | { cycle: number[] }> {
  const done = new Set<number>();
  const order: number[] = [];
  for (const start of preferred) {
    yield;
    const path: { index: number; next: number }[] = done.has(start) ? [] : [{ index: start, next: 0 }];
    const onPath = new Set<number>([start]);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const edge = edges[top.index]?.[top.next++];
      if (!edge) {
        done.add(top.index);
        order.push(top.index);
        onPath.delete(top.index);
        path.pop();
      } else if (onPath.has(edge.to)) {
        const indexes = path.map((entry) => entry.index);
        return { cycle: indexes.slice(indexes.indexOf(edge.to)) };
      } else if (!done.has(edge.to)) {
        onPath.add(edge.to);
        path.push({ index: edge.to, next: 0 });
      }
    }
  }
  return { order };
}

/** Cuts the name edge of the cycle whose occupant has the lowest number: whoever waited for that slot now waits for the park alone. */
function park(cycle: readonly number[], { actions, edges, mirror, options }: Sorting): void {
  const providers = cycle.filter((to, at) => {
    const from = present(cycle[(at + cycle.length - 1) % cycle.length], "a step before");
    return edges[from]?.some((edge) => edge.to === to && edge.kind === "name");
  });
  const provider = providers.sort(byNumber)[0];
  assert(provider !== undefined, "a cycle has a name edge");
  const { node } = present(actions[provider], "the provider of a name");
  const index = actions.push(parkOf(node, mirror, options)) - 1;
  for (const list of edges)
    for (const [at, edge] of list.entries())
      if (edge.to === provider && edge.kind === "name") list[at] = { kind: "name", to: index };
  edges.push([]);
  edges[provider]?.push({ kind: "name", to: index });
}

function parkOf(node: ItemKey, mirror: Tree, options: PlanOptions): Action {
  const { parent } = present(mirror.get(node), "the occupant of a slot");
  return { action: "move", node, parent, name: parkingNameFor(node, mirror, options), park: true };
}

function parkingNameFor(node: ItemKey, mirror: Tree, options: PlanOptions): string {
  const place = present(mirror.get(node), "the parked node");
  const real = options.parked.get(node) ?? place.name;
  for (let salt = 0; ; salt++) {
    const name = parkingName(real, markOf(`${options.device}/${node}/${salt}`));
    if (mirror.at(place.parent, fold(name)) === undefined) return name;
  }
}

/** A short mark of letters and digits (FNV-1a, 32 bits, base 36). */
function markOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return (hash >>> 0).toString(36);
}

function* numbered(sequence: readonly number[], { actions, edges }: Sorting): Stepwise<Step[]> {
  const position = new Map(sequence.map((index, at) => [index, at]));
  const steps: Step[] = [];
  for (const index of sequence) {
    yield;
    const needs = new Set((edges[index] ?? []).map((edge) => present(position.get(edge.to), "a step needed first")));
    steps.push({ ...present(actions[index], "a step"), needs: [...needs].sort(byNumber) });
  }
  return steps;
}
