/**
 * Finds out what became of requests that got no clear answer, here or in a process that died. Until that is known nothing else
 * is sent.
 *
 * A create is looked for where its intent says; when it is not there, or somebody else's item is, then after a whole round of changes
 * among the items that are new since; only then is it free to be sent again. An item that the person has deleted meanwhile is never
 * bound here: it goes through the merge, which knows equal bytes in the intent's slot for what was deleted.
 * Everything else is read by id and merged: a state equal to what is wanted is the answer.
 */
import { sleep } from "../base/clock.ts";
import { breathe } from "../base/loop.ts";
import { ok, type Result } from "../base/result.ts";
import type { Pushed } from "../apply/apply.ts";
import { forgetAsked } from "../apply/echo.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import { itemKey } from "../model/ids.ts";
import type { CloudItem, MirrorItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import { CONFIRM_GONE_MS, ENUMERATE_STEP_ITEMS } from "../model/limits.ts";
import type { BlobRow, IntentRow } from "../store/schema.ts";
import { dropNode, ofNode } from "../oplog/oplog.ts";
import type { Reader } from "../store/store.ts";
import { mirrorAt, viewLocal, type LocalView } from "../store/tree.ts";
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
    if (tx.local.get(node) !== undefined) return markPending(tx, node, why);
    dropNode(tx, node);
    forgetAsked(tx, node);
  });
  pushing.acknowledged(node);
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
  const blob =
    item.ok && viewLocal(pushing.store.read, node) === undefined ? sentBlob(pushing, node, item.value) : undefined;
  if (item.ok && blob !== undefined) {
    const upTo = lastInflight(pushing.store.read, node);
    await finish(pushing, { node, action: "writeContent", blob, upTo }, item.value);
    return ok();
  }
  const change: CloudChange = item.ok ? { deleted: false, item: item.value } : { deleted: true, id };
  return pushing.cloud.absorb([change], signal);
}

/** Bytes of ours that the item has: deleted here while they were sent, they are no edit of somebody else's. */
function sentBlob({ store }: Pushing, node: ItemKey, item: CloudItem): BlobId | undefined {
  const sent = ([, row]: readonly [BlobId, BlobRow]): boolean =>
    row.node === node && row.state === "frozen" && row.size === item.size && (row.size === 0 || row.hash === item.hash);
  return [...store.read.blobs.range()].find(sent)?.[0];
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
  const home = homeOf(read, create);
  if (read.mirror.get(home) !== undefined) return ok();
  const there = await inSlot(pushing, create, signal);
  if (!there.ok) return there;
  const occupant = there.value;
  const ours = occupant !== undefined && isWhatWasSent(create.intent, occupant);
  if (ours && home === create.node) return take(pushing, create, occupant, signal);
  if (isMovable(create.intent) && isWanted(pushing, home)) {
    const elsewhere = await movedAway(pushing, create, signal);
    if (!elsewhere.ok) return elsewhere;
    if (elsewhere.value) return take(pushing, atHome(pushing, create), elsewhere.value, signal);
  }
  return occupant ? resolveForeign(pushing, occupant, signal) : ok();
}

/** The node that has the bytes now: somebody else's item in the slot may have set them aside. */
function homeOf(read: Reader, { node, intent }: Create): ItemKey {
  const row = intent.blob === undefined ? undefined : read.blobs.get(intent.blob);
  const content = row && viewLocal(read, row.node)?.content;
  return row && content?.from === "blob" && content.blob === intent.blob ? row.node : node;
}

/** The create as if it had asked for the place where its bytes were set aside: only what the cloud did since is news then. */
function atHome({ store }: Pushing, create: Create): Create {
  const node = homeOf(store.read, create);
  const view = viewLocal(store.read, node);
  if (!view || (node === create.node && !isSetAside(store.read, create, view))) return create;
  const intent = { ...create.intent, parent: view.parent, name: view.name };
  store.transact((tx) => tx.intents.put(node, intent));
  return { node, intent };
}

/** Somebody else's item has the name and the file got another one for that: no wish of the person's. */
function isSetAside(read: Reader, { node, intent }: Create, view: LocalView): boolean {
  const occupant = mirrorAt(read, intent.parent, fold(intent.name));
  if (occupant === undefined || occupant === node || view.parent !== intent.parent) return false;
  return view.name !== intent.name && !ofNode(read, node).some(({ op }) => op.type === "move" && op.name === view.name);
}

/** What is now where the create put its item; undefined: nothing. */
async function inSlot(
  { store, drive }: Pushing,
  { intent }: Create,
  signal: AbortSignal,
): Promise<Result<CloudItem | undefined, Fault>> {
  const parent = store.read.mirror.get(intent.parent)?.id;
  if (parent === undefined) return ok(undefined);
  return orNothing(await drive.itemAt(parent, intent.name, signal));
}

/** Our item after somebody moved it: a whole round of changes tells of it, and it is read once more. */
async function movedAway(
  pushing: Pushing,
  create: Create,
  signal: AbortSignal,
): Promise<Result<CloudItem | undefined, Fault>> {
  const round = await unlessAborted(pushing.cloud.sync(), signal);
  if (!round.ok) return round;
  const moved = await newSince(pushing, create, signal);
  if (!moved) return ok(undefined);
  return orNothing(await pushing.drive.item(moved.id, signal));
}

/** Somebody else's item in the slot: merged, as it is now. */
async function resolveForeign(
  pushing: Pushing,
  { id }: CloudItem,
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  const now = orNothing(await pushing.drive.item(id, signal));
  if (!now.ok || !now.value) return now.ok ? ok() : now;
  return pushing.cloud.absorb([{ deleted: false, item: now.value }], signal);
}

function orNothing(answer: Result<CloudItem, Fault>): Result<CloudItem | undefined, Fault> {
  return !answer.ok && answer.fault.kind === "notFound" ? ok(undefined) : answer;
}

/** Binds what is there to the node when it is still wanted; else it is merged as somebody's item. */
async function take(
  pushing: Pushing,
  { node, intent }: Create,
  item: CloudItem,
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  const { read } = pushing.store;
  const bind = isWanted(pushing, node) && isWhatWasSent(intent, item);
  if (!bind) return pushing.cloud.absorb([{ deleted: false, item }], signal);
  const action = intent.kind === "folder" ? "createFolder" : "createFile";
  const blob = intent.blob === undefined ? {} : { blob: intent.blob };
  const pushed: Pushed = { node, action, upTo: lastInflight(read, node), ...blob };
  await finish(pushing, pushed, item);
  return ok();
}

function isWanted({ store }: Pushing, node: ItemKey): boolean {
  return viewLocal(store.read, node) !== undefined && store.read.mirror.get(node) === undefined;
}

/** Only bytes tell an item from others: a folder or an empty file is nobody's in particular. */
function isMovable({ kind, size }: IntentRow): boolean {
  return kind === "file" && (size ?? 0) > 0;
}

/**
 * A file that is new since the intent, with the bytes that were sent, and that was not made here: another file of ours with equal bytes
 * is a file of its own. One that is older than the request is not ours either; the clocks may differ a little.
 */
async function newSince(
  { store }: Pushing,
  { node, intent }: Create,
  signal: AbortSignal,
): Promise<MirrorItem | undefined> {
  const { read } = store;
  const isOurs = ([key, row]: readonly [ItemKey, MirrorItem]): boolean =>
    isWhatWasSent(intent, row) && row.birth * 1000 >= intent.at - CLOCKS_DIFFER_MS && read.facts.get(key) === undefined;
  for (let from = itemKey(node + 1); !signal.aborted; await breathe()) {
    const rows = [...read.mirror.range({ start: from, limit: ENUMERATE_STEP_ITEMS })];
    const found = rows.find(isOurs);
    const last = rows.at(-1);
    if (found || !last) return found?.[1];
    from = itemKey(last[0] + 1);
  }
  return undefined;
}

/** The service's clock and ours. */
const CLOCKS_DIFFER_MS = 600_000;

function isWhatWasSent(intent: IntentRow, item: Pick<CloudItem, "kind" | "size" | "hash">): boolean {
  if (item.kind !== intent.kind) return false;
  if (intent.kind === "folder") return true;
  return item.size === intent.size && (item.size === 0 || item.hash === intent.hash);
}
