/**
 * Finds out what became of requests that got no clear answer, here or in a process that died. Until that is known nothing else
 * is sent.
 *
 * A create is looked for where its intent says; then, after a whole round of changes, among the items that are new since; only
 * then is it free to be sent again. An item that the person has deleted meanwhile is never bound: it arrives as somebody else's.
 * Everything else is read by id and merged: a state equal to what is wanted is the answer.
 */
import { sleep } from "../base/clock.ts";
import { ok, type Result } from "../base/result.ts";
import type { Pushed } from "../apply/apply.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { itemKey } from "../model/ids.ts";
import type { CloudItem, MirrorItem } from "../model/item.ts";
import { CONFIRM_GONE_MS, ENUMERATE_STEP_ITEMS } from "../model/limits.ts";
import type { IntentRow } from "../store/schema.ts";
import { dropNode } from "../oplog/oplog.ts";
import { viewLocal } from "../store/tree.ts";
import { finish } from "./finish.ts";
import { lastInflight, markPending, nodesIn } from "./op-states.ts";
import type { Pushing } from "./pushing.ts";

/** Nodes with a request whose outcome is not recorded. Only true while nothing is under way. */
export function unresolvedNodes(pushing: Pushing): ItemKey[] {
  const { read } = pushing.store;
  const intents = [...read.intents.range()].map(([node]) => node);
  return [...new Set([...intents, ...nodesIn(read, "inflight")])].sort((a, b) => a - b);
}

export async function resolve(pushing: Pushing, node: ItemKey, signal: AbortSignal): Promise<Result<undefined, Fault>> {
  const intent = pushing.store.read.intents.get(node);
  const outcome = intent
    ? await resolveCreate(pushing, { node, intent }, signal)
    : await resolveById(pushing, node, signal);
  if (outcome.ok) release(pushing, node);
  return outcome;
}

/** The request is known not to have been carried out (or its effect is known): its node is free again. */
export function release(pushing: Pushing, node: ItemKey, why?: string): void {
  pushing.store.transact((tx) => {
    if (tx.intents.get(node)) tx.intents.remove(node);
    const park = tx.parks.get(node);
    if (park && tx.mirror.get(node)?.name !== park.parkingName) tx.parks.remove(node);
    // What differs no more has nothing to say: the request was carried out, or the cloud got there by itself.
    if (tx.local.get(node) === undefined) dropNode(tx, node);
    else markPending(tx, node, why);
  });
}

async function resolveById(pushing: Pushing, node: ItemKey, signal: AbortSignal): Promise<Result<undefined, Fault>> {
  const id = pushing.store.read.mirror.get(node)?.id;
  if (id === undefined) return ok();
  let item = await pushing.drive.item(id, signal);
  if (!item.ok && item.fault.kind === "notFound") {
    await sleep(pushing.clock, CONFIRM_GONE_MS, signal);
    item = await pushing.drive.item(id, signal);
  }
  if (!item.ok && item.fault.kind !== "notFound") return item;
  const change: CloudChange = item.ok ? { deleted: false, item: item.value } : { deleted: true, id };
  return pushing.cloud.absorb([change], signal);
}

/** A round of changes may take as long as the network likes; the end of the mount does not wait for it. */
function unlessAborted(
  round: Promise<Result<undefined, Fault>>,
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  return new Promise((done, failed) => {
    const stop = (): void => done(fault("interrupted", "the mount is ending"));
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    round.then(done, failed).finally(() => signal.removeEventListener("abort", stop));
  });
}

type Create = { readonly node: ItemKey; readonly intent: IntentRow };

async function resolveCreate(pushing: Pushing, create: Create, signal: AbortSignal): Promise<Result<undefined, Fault>> {
  const { read } = pushing.store;
  if (read.mirror.get(create.node) !== undefined) return ok();
  const parent = read.mirror.get(create.intent.parent)?.id;
  if (parent === undefined) return ok();
  const there = await pushing.drive.itemAt(parent, create.intent.name, signal);
  if (there.ok) return take(pushing, create, there.value, signal);
  if (there.fault.kind !== "notFound") return there;
  const round = await unlessAborted(pushing.cloud.sync(), signal);
  if (!round.ok) return round;
  const moved = newSince(pushing, create);
  if (!moved) return ok();
  const item = await pushing.drive.item(moved.id, signal);
  if (item.ok) return take(pushing, create, item.value, signal);
  return item.fault.kind === "notFound" ? ok() : item;
}

/** Binds what is there to the node when it is what was sent and still wanted; else it is merged as somebody's item. */
async function take(
  pushing: Pushing,
  { node, intent }: Create,
  item: CloudItem,
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  const { read } = pushing.store;
  const wanted = viewLocal(read, node) !== undefined && read.mirror.get(node) === undefined;
  if (!wanted || !isWhatWasSent(intent, item)) return pushing.cloud.absorb([{ deleted: false, item }], signal);
  const action = intent.kind === "folder" ? "createFolder" : "createFile";
  const blob = intent.blob === undefined ? {} : { blob: intent.blob };
  const pushed: Pushed = { node, action, upTo: lastInflight(read, node), ...blob };
  await finish(pushing, pushed, item);
  return ok();
}

/** A file new in the Mirror since the intent, with the bytes that were sent: somebody moved it meanwhile. */
function newSince(pushing: Pushing, { node, intent }: Create): MirrorItem | undefined {
  if (intent.kind === "folder" || intent.size === 0) return undefined;
  const { read } = pushing.store;
  for (let from = itemKey(node + 1); ;) {
    const rows = [...read.mirror.range({ start: from, limit: ENUMERATE_STEP_ITEMS })];
    const found = rows.find(([, row]) => isWhatWasSent(intent, row));
    const last = rows.at(-1);
    if (found || !last) return found?.[1];
    from = itemKey(last[0] + 1);
  }
}

function isWhatWasSent(intent: IntentRow, item: Pick<CloudItem, "kind" | "size" | "hash">): boolean {
  if (item.kind !== intent.kind) return false;
  if (intent.kind === "folder") return true;
  return item.size === intent.size && (item.size === 0 || item.hash === intent.hash);
}
