/**
 * A plan that deletes more than max(200 items, a quarter of the drive) is held for the person's word. Released once, the same
 * deletions are not held again: `meta.release` is the last serial number the release stands for.
 */
import type { Stepwise } from "../base/stepwise.ts";
import type { ItemKey } from "../model/ids.ts";
import { MASS_DELETE_FRACTION, MASS_DELETE_ITEMS } from "../model/limits.ts";
import type { Script } from "../merge/merge.ts";
import type { Store } from "../store/store.ts";
import { hold, lastOpOf, lastSeqOf, letGo, nodesIn } from "./op-states.ts";
import { isDelete, nodesOf } from "./schedule.ts";

/**
 * Holds what the plan deletes when it is too much at once, some items at a time (nothing of it is sent before the plan is in use; what
 * a kill leaves pending is judged again). Returns how many items are held now that were not before.
 */
export function* holdMassDeletion(store: Store, script: Script): Stepwise<number> {
  const { read } = store;
  const most = Math.max(MASS_DELETE_ITEMS, Math.floor(read.mirror.count * MASS_DELETE_FRACTION));
  if (script.deletes <= most) return 0;
  const released = (read.meta.get("release") as number | undefined) ?? 0;
  const items: ItemKey[] = [];
  for (const step of script.steps) {
    yield;
    if (isDelete(step) && lastSeqOf(read, step.node) > released) items.push(...nodesOf(step));
  }
  if (items.length <= most) return 0;
  const reason = `deletes ${items.length} items at once`;
  let held = 0;
  for (let at = 0; at < items.length; at += HELD_AT_ONCE) {
    yield;
    const some = items.slice(at, at + HELD_AT_ONCE);
    const fresh = some.filter((node) => lastOpOf(read, node)?.status.state === "pending");
    if (fresh.length > 0) store.transact((tx) => fresh.forEach((node) => hold(tx, node, reason)));
    held += fresh.length;
  }
  return held;
}

const HELD_AT_ONCE = 64;

export function heldNodes(store: Store): ItemKey[] {
  return nodesIn(store.read, "held");
}

export function releaseHeld(store: Store): number {
  const held = heldNodes(store);
  if (held.length === 0) return 0;
  const [last] = [...store.read.ops.range({ reverse: true, limit: 1 })];
  store.transact((tx) => {
    tx.meta.put("release", last?.[0] ?? 0);
    for (const node of held) letGo(tx, node);
  });
  return held.length;
}
