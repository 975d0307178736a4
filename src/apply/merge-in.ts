/**
 * New Mirror rows meet Local, inside one transaction: runs the rebase and writes what it decided. Mirror := Remote, Local := T*, bytes
 * follow their new nodes, identities that turned out to be one are joined, the log keeps what is still to be said.
 * When the news concern nothing that differs here, the rows are simply written.
 */
import { atOnce, type Stepwise } from "../base/stepwise.ts";
import type { Conflict, Overlay, Rebased, Tree, TreeNode } from "../merge/merge.ts";
import { rebase } from "../merge/rebase.ts";
import { overlaid, sameState } from "../merge/tree-view.ts";
import { itemKey, type BlobId, type ItemKey } from "../model/ids.ts";
import { isLocalOnly } from "../store/local-only.ts";
import { ofNode } from "../oplog/oplog.ts";
import type { Reader, Writer } from "../store/store.ts";
import { changeTrees, type NodeChange } from "../store/tree.ts";
import { isApart } from "./apart.ts";
import type { Applied } from "./apply.ts";
import { moveBytes } from "./bytes.ts";
import type { Incoming } from "./incoming.ts";
import { joinFacts, tidyNodes } from "./node-facts.ts";
import { localStates } from "./outcome.ts";
import { blobIn, localOverlay, mirrorTree, nodeOf } from "./trees.ts";
import { watchViews } from "./views.ts";

export interface MergeSettings {
  readonly device: string;
  readonly localOnlyPatterns: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A rebase and what it was about. */
export interface Decision {
  readonly incoming: Incoming;
  readonly settings: MergeSettings;
  readonly base: Tree;
  /** Remote with bound identities. */
  readonly remote: Tree;
  readonly local: Overlay;
  readonly localOnly: ReadonlySet<ItemKey>;
  readonly rebased: Rebased;
  /** The number a node has after identities were joined. */
  nameOf(node: ItemKey): ItemKey;
}

/** What the parts of the writing share. */
export interface Merge extends Decision {
  readonly tx: Writer;
}

export function mergeIn(tx: Writer, incoming: Incoming, settings: MergeSettings): Applied {
  return writeIn(tx, decide(tx, incoming, settings), incoming);
}

/** Undefined when nothing that differs here is concerned: then there is nothing to decide. */
export function decide(read: Reader, incoming: Incoming, settings: MergeSettings): Decision | undefined {
  return isApart(read, incoming) ? undefined : rebaseAll(read, incoming, settings);
}

/** Whether the rows say of any item that it is elsewhere, gone, new or other bytes: new tags alone change nothing here. */
export function isNews(read: Reader, { rows, claimed }: Incoming): boolean {
  if (claimed.size > 0) return true;
  for (const [node, row] of rows) {
    const held = read.mirror.get(node);
    if (!row || !held || row.id !== held.id || row.kind !== held.kind) return true;
    const [told, known] = [nodeOf(row), nodeOf(held)];
    if (!sameState(told, known) || told.bytes?.hash !== known.bytes?.hash || row.size !== held.size) return true;
  }
  return false;
}

/** To be called before anything else changes the store. */
export function writeIn(tx: Writer, decision: Decision | undefined, incoming: Incoming): Applied {
  if (decision) return write({ ...decision, tx });
  const changes = new Map<ItemKey, NodeChange>();
  for (const [node, mirror] of incoming.rows) changes.set(node, { mirror });
  const views = watchViews(tx, changes.keys());
  changeTrees(tx, changes);
  numberOn(tx, incoming.nextNode);
  tidyNodes(
    tx,
    [...changes.keys()].filter((node) => changes.get(node)?.mirror === null),
  );
  return { conflicts: [], adopt: [], ...views.changed([]) };
}

/** Blobs in a conflict whose hash nobody knows yet, so that neither equality nor a name can be told. */
export function unhashedConflicts({ rebased, local }: Decision): BlobId[] {
  const doubtful = new Set<BlobId>();
  const doubt = (state: TreeNode | null | undefined): void => {
    const blob = state?.bytes?.tag === undefined ? blobIn(state?.bytes?.version) : undefined;
    if (blob !== undefined) doubtful.add(blob);
  };
  for (const { of } of rebased.copies) doubt(local.get(of));
  for (const [node, state] of rebased.local)
    if (state && local.get(node) && state.name !== local.get(node)?.name) doubt(state);
  return [...doubtful];
}

/** The rebase of all that differs here. */
export function rebaseAll(read: Reader, incoming: Incoming, settings: MergeSettings): Decision {
  const base = overlaid(mirrorTree(read), new Map([...incoming.claimed].map(([node, row]) => [node, nodeOf(row)])));
  const local = new Map([...localOverlay(read, base), ...unsaid(read, incoming, base)]);
  const localOnly = atOnce(localOnlyInSteps(read, local, settings));
  const remote = new Map([...incoming.rows].map(([node, row]) => [node, row && nodeOf(row)] as const));
  let next = incoming.nextNode;
  const rebased = rebase({
    base,
    local,
    remote,
    movedAt: movesOf(read, local),
    parked: parkedNames(read),
    localOnly,
    device: settings.device,
    fresh: () => itemKey(next++),
  });
  const names = new Map(rebased.bound.map(({ kept, gone }) => [gone, kept]));
  const nameOf = (node: ItemKey): ItemKey => {
    let at = node;
    for (let to = names.get(at); to !== undefined; to = names.get(at)) at = to;
    return at;
  };
  // A node whose item is gone may be given the identity of another: what is gone comes first.
  const bound = new Map<ItemKey, TreeNode | null>();
  for (const [node, state] of remote) if (!state) bound.set(node, null);
  for (const [node, state] of remote) if (state) bound.set(nameOf(node), { ...state, parent: nameOf(state.parent) });
  const after = { ...incoming, nextNode: next };
  return { incoming: after, settings, base, remote: overlaid(base, bound), local, localOnly, rebased, nameOf };
}

/**
 * What Local does not say because it is as the Mirror has it, although the cloud has got something else from us: the place where the item was
 * before a move that was taken back; that a file is not there whose create arrived after it was deleted here.
 */
function unsaid(read: Reader, { claimed }: Incoming, base: Tree): Map<ItemKey, TreeNode | null> {
  const states = new Map<ItemKey, TreeNode | null>();
  for (const node of claimed.keys()) {
    const held = read.mirror.get(node);
    if (read.local.get(node) !== undefined) continue;
    states.set(node, held ? { ...nodeOf(held), bytes: base.get(node)?.bytes ?? null } : null);
  }
  return states;
}

function write(merge: Merge): Applied {
  const { tx, incoming, rebased, nameOf } = merge;
  const changes = new Map<ItemKey, NodeChange>();
  for (const [node, row] of incoming.rows) if (!row) changes.set(node, { mirror: null });
  for (const [node, row] of incoming.rows)
    if (row) changes.set(nameOf(node), { mirror: { ...row, parent: nameOf(row.parent) } });
  for (const [node, local] of localStates(merge)) changes.set(node, { ...changes.get(node), local });
  const views = watchViews(tx, changes.keys());
  const adopt = moveBytes(merge);
  joinFacts(merge);
  changeTrees(tx, changes);
  numberOn(tx, incoming.nextNode);
  tidyNodes(tx, changes.keys(), merge);
  noteConflicts(merge);
  return { conflicts: rebased.conflicts, adopt, ...views.changed(adopt) };
}

function numberOn(tx: Writer, next: number): void {
  if (tx.meta.get("nextNode") !== next) tx.meta.put("nextNode", next);
}

/** What a person finds under a name nobody gave it. */
function noteConflicts({ tx, rebased, local, settings, nameOf }: Merge): void {
  const at = settings.now;
  const why = new Map<ItemKey, Conflict>(rebased.conflicts.map((conflict) => [conflict.node, conflict]));
  const say = (conflict: Conflict | undefined, otherwise: string): string =>
    conflict ? `${conflict.local} here, ${conflict.cloud} in the cloud: ${conflict.outcome}` : otherwise;
  for (const { of, copy } of rebased.copies)
    if (nameOf(copy) === copy) tx.conflicts.put(copy, { of, why: say(why.get(of), "both sides wrote"), at });
  for (const [node, state] of rebased.local) {
    const was = local.get(node);
    const mirror = tx.mirror.get(node);
    if (!state || !was || was.name === state.name || mirror?.name === state.name) continue;
    tx.conflicts.put(node, { of: node, why: say(why.get(node), "the name was taken in the cloud"), at });
  }
}

export function* localOnlyInSteps(read: Reader, local: Overlay, settings: MergeSettings): Stepwise<Set<ItemKey>> {
  const nodes = new Set<ItemKey>();
  for (const [node, state] of local) {
    yield;
    if (state && isLocalOnly(read, node, settings.localOnlyPatterns)) nodes.add(node);
  }
  return nodes;
}

/** Serial numbers of the last moves: only folders can close a cycle. */
function movesOf(read: Reader, local: Overlay): Map<ItemKey, number> {
  const moves = new Map<ItemKey, number>();
  for (const [node, state] of local) {
    if (state?.kind !== "folder" || !read.mirror.get(node)) continue;
    for (const { op, seq } of ofNode(read, node)) if (op.type === "move") moves.set(node, seq);
  }
  return moves;
}

export function parkedNames(read: Reader): Map<ItemKey, string> {
  const parked = new Map<ItemKey, string>();
  for (const [node, row] of read.parks.range()) {
    // Another device has renamed it meanwhile: the row is stale and goes with the next plan.
    const name = read.mirror.get(node)?.name;
    if (name === row.parkingName || name === row.originalName) parked.set(node, row.originalName);
  }
  return parked;
}
