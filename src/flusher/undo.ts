/**
 * Takes operations back that were not sent: the node is again as the Mirror says. Deletions, moves and times only; unpushed bytes
 * are never dropped here. Nothing is taken back into a place that is occupied or gone.
 */
import type { Applied } from "../apply/apply.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { ROOT, type ItemKey, type OpId } from "../model/ids.ts";
import { fold } from "../model/name.ts";
import { dropNode } from "../oplog/oplog.ts";
import type { Reader, Store } from "../store/store.ts";
import { changeTrees, localAt, viewLocal, type NodeChange } from "../store/tree.ts";

/** Gives up what the operation's node has pending. */
export function cancelOp(store: Store, seq: OpId): Result<Applied, Fault> {
  const row = store.read.ops.get(seq);
  if (!row) return fault("notFound", "there is no such operation");
  if (row.status.state === "inflight") return fault("busy", "the operation is under way");
  const { node } = row.op;
  const view = viewLocal(store.read, node);
  if (!store.read.mirror.get(node))
    return fault("notSupported", "the item is not in the cloud yet: delete it, or move it, instead");
  if (view?.content.from === "blob")
    return fault("notSupported", "the file has unpushed bytes: replace or delete it instead");
  return restore(store, [node]);
}

/** Makes the nodes, and deleted folders above them, what the Mirror says: all or none. */
export function restore(store: Store, nodes: readonly ItemKey[]): Result<Applied, Fault> {
  const { read } = store;
  const all = new Set<ItemKey>();
  for (const node of nodes) for (const each of withGoneAbove(read, node)) all.add(each);
  const stuck = [...all].map((node) => obstacle(read, node, all)).find((why) => why !== undefined);
  if (stuck) return { ok: false, fault: stuck };
  const entries = [...all].flatMap((node) => placesOf(read, node));
  store.transact((tx) => {
    changeTrees(tx, new Map([...all].map((node): [ItemKey, NodeChange] => [node, { local: "clean" }])));
    for (const node of all) dropNode(tx, node);
  });
  return ok({ conflicts: [], nodes: [...all], entries, renewed: [...all], adopt: [] });
}

function withGoneAbove(read: Reader, node: ItemKey): ItemKey[] {
  const chain = [node];
  for (let at = read.mirror.get(node)?.parent; at !== undefined && at !== ROOT; at = read.mirror.get(at)?.parent) {
    if (viewLocal(read, at) !== undefined) break;
    chain.push(at);
  }
  return chain;
}

function obstacle(read: Reader, node: ItemKey, all: ReadonlySet<ItemKey>): Fault | undefined {
  const place = read.mirror.get(node);
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
  const places = [read.mirror.get(node), viewLocal(read, node)].filter((place) => place !== undefined);
  return places.map(({ parent, name }) => ({ parent, name }));
}
