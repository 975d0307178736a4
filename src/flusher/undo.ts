/**
 * Takes deletions back that were not sent: the nodes are there again, as the Mirror says. Nothing is taken back into a place that is
 * occupied or gone.
 */
import type { Applied } from "../apply/apply.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import type { LocalItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import { dropNode } from "../oplog/oplog.ts";
import type { Reader, Store } from "../store/store.ts";
import { changeTrees, localAt, mirrorChildren, viewLocal, type NodeChange } from "../store/tree.ts";

/** Makes the nodes, and deleted folders above them, what the Mirror says: all or none. */
export function restore(store: Store, nodes: readonly ItemKey[]): Result<Applied, Fault> {
  const { read } = store;
  const all = new Set<ItemKey>();
  for (const node of nodes) for (const each of withGoneAbove(read, node)) all.add(each);
  const stuck = [...all].map((node) => obstacle(read, node, all)).find((why) => why !== undefined);
  if (stuck) return { ok: false, fault: stuck };
  const entries = [...all].flatMap((node) => placesOf(read, node));
  store.transact((tx) => {
    changeTrees(tx, new Map([...all].map((node): [ItemKey, NodeChange] => [node, { local: asInCloud(tx, node) }])));
    for (const node of all) dropNode(tx, node);
  });
  return ok({ conflicts: [], nodes: [...all], entries, renewed: [...all], adopt: [] });
}

/** The node and everything of the cloud's below it, that is gone here. */
export function withGoneBelow(read: Reader, node: ItemKey): ItemKey[] {
  const gone: ItemKey[] = [];
  const visit = (at: ItemKey): void => {
    if (viewLocal(read, at) === undefined) gone.push(at);
    for (const child of mirrorChildren(read, at)) if (viewLocal(read, child) === undefined) visit(child);
  };
  visit(node);
  return gone;
}

/** Those of the nodes that can be taken back: with a place to go to, all the way up. */
export function restorable(read: Reader, nodes: readonly ItemKey[]): ItemKey[] {
  let left = nodes;
  for (;;) {
    const all = new Set(left.flatMap((node) => withGoneAbove(read, node)));
    const stuck = new Set([...all].filter((node) => obstacle(read, node, all) !== undefined));
    const next = left.filter((node) => !withGoneAbove(read, node).some((each) => stuck.has(each)));
    if (next.length === left.length) return next;
    left = next;
  }
}

/** Where the cloud has the node; one that is parked there belongs under its own name. */
export function homeOf(read: Reader, node: ItemKey): { readonly parent: ItemKey; readonly name: string } | undefined {
  const mirror = read.mirror.get(node);
  return mirror && { parent: mirror.parent, name: read.parks.get(node)?.originalName ?? mirror.name };
}

function asInCloud(read: Reader, node: ItemKey): LocalItem | "clean" {
  const mirror = read.mirror.get(node);
  if (!mirror || !read.parks.get(node)) return "clean";
  const { kind, mtime } = mirror;
  return { ...homeOf(read, node)!, kind, mtime, content: { from: "cloud" } };
}

export function withGoneAbove(read: Reader, node: ItemKey): ItemKey[] {
  const chain = [node];
  for (let at = read.mirror.get(node)?.parent; at !== undefined && at !== ROOT; at = read.mirror.get(at)?.parent) {
    if (viewLocal(read, at) !== undefined) break;
    chain.push(at);
  }
  return chain;
}

/** Why the node cannot be where the Mirror has it; `all`: what goes back together with it. */
export function obstacle(read: Reader, node: ItemKey, all: ReadonlySet<ItemKey>): Fault | undefined {
  const place = homeOf(read, node);
  if (!place) return fault("notFound", "the item is gone from the cloud").fault;
  if (!all.has(place.parent) && viewLocal(read, place.parent)?.kind !== "folder")
    return fault("notFound", "the item's folder is gone").fault;
  const occupant = localAt(read, place.parent, fold(place.name));
  if (occupant !== undefined && !all.has(occupant))
    return fault("exists", `something else is called ${place.name} now`).fault;
  for (let at = place.parent; at !== ROOT; at = viewLocal(read, at)?.parent ?? ROOT)
    if (at === node) return fault("invalid", "the folder's place is below itself now").fault;
  return undefined;
}

function placesOf(read: Reader, node: ItemKey): { parent: ItemKey; name: string }[] {
  const places = [homeOf(read, node), viewLocal(read, node)].filter((place) => place !== undefined);
  return places.map(({ parent, name }) => ({ parent, name }));
}
