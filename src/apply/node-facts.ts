/** What else hangs on a node: facts, records, intents and marks; they follow joined identities and go with nodes that are gone. */
import type { ItemKey } from "../model/ids.ts";
import { dropNode } from "../oplog/oplog.ts";
import type { Writer } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import { forgetAsked } from "./echo.ts";
import { fitOps } from "./keep-ops.ts";
import type { Merge } from "./merge-in.ts";

/** A conflict copy has the mode and attributes of its origin; what was known of a joined node is known of the one that is kept. */
export function joinFacts({ tx, rebased }: Merge): void {
  for (const { of, copy } of rebased.copies) {
    const facts = tx.facts.get(of);
    if (!facts) continue;
    const { pin: _, localOnly: __, ...own } = facts;
    tx.facts.put(copy, own);
  }
  for (const { kept, gone } of rebased.bound) {
    const facts = tx.facts.get(gone);
    if (facts) tx.facts.put(kept, { ...facts, ...tx.facts.get(kept) });
    dropNode(tx, gone);
    if (tx.intents.get(gone)) tx.intents.remove(gone);
    forgetAsked(tx, gone);
  }
}

/** After the trees were changed: records fit the rows, and nodes that are nowhere leave nothing behind. */
export function tidyNodes(tx: Writer, nodes: Iterable<ItemKey>, merge?: Merge): void {
  for (const node of nodes) {
    const isAnywhere = tx.mirror.get(node) !== undefined || viewLocal(tx, node) !== undefined;
    if (merge) fitOps(tx, node, { at: merge.settings.now, localOnly: merge.localOnly.has(node) });
    if (merge?.incoming.claimed.has(node) && tx.intents.get(node)) tx.intents.remove(node);
    if (!isAnywhere) forget(tx, node);
  }
}

function forget(tx: Writer, node: ItemKey): void {
  if (tx.facts.get(node)) tx.facts.remove(node);
  if (tx.listed.get(node) !== undefined) tx.listed.remove(node);
  if (tx.conflicts.get(node)) tx.conflicts.remove(node);
  if (tx.parks.get(node)) tx.parks.remove(node);
  forgetAsked(tx, node);
}
