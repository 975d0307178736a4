/**
 * What a refusal means and what is done about it: one row for every kind of fault. Whatever shows that the cloud is not what the
 * Mirror says is read by id or by slot and absorbed, so that the next plan starts from the truth.
 */
import type { Result } from "../base/result.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault, type FaultKind } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import { FRESH_ITEM_MS, LOCKED_WAIT_MS } from "../model/limits.ts";
import { fold } from "../model/name.ts";
import { viewLocal } from "../store/tree.ts";
import type { Begun } from "./begin.ts";
import type { End, Pushing } from "./pushing.ts";
import { release } from "./resolve.ts";

type Reaction = "reread" | "readSlot" | "look" | "lock" | "full" | "pause" | "wait" | "park" | "stale";

const REACTIONS: Record<FaultKind, Reaction> = {
  changed: "reread",
  nameTaken: "readSlot",
  exists: "readSlot",
  notFound: "look",
  stale: "look",
  locked: "lock",
  noSpace: "full",
  offline: "pause",
  timedOut: "pause",
  throttled: "pause",
  signedOut: "pause",
  garbled: "pause",
  interrupted: "stale",
  unavailable: "wait",
  busy: "wait",
  wouldBlock: "wait",
  resync: "wait",
  expired: "wait",
  rangeUnsatisfied: "wait",
  notEmpty: "reread",
  io: "park",
  denied: "park",
  notPermitted: "park",
  readOnly: "park",
  invalid: "park",
  nameTooLong: "park",
  tooLarge: "park",
  tooSmall: "park",
  notSupported: "park",
  noAttribute: "park",
  crossDrive: "park",
  isFolder: "park",
  notFolder: "park",
  badHandle: "park",
};

export async function refused(pushing: Pushing, begun: Begun, why: Fault, signal: AbortSignal): Promise<End> {
  if (why.unclear) return { end: "unclear", fault: why };
  switch (REACTIONS[why.kind]) {
    case "reread":
      return reread(pushing, begun, why, signal);
    case "readSlot":
      return readSlot(pushing, begun, why, signal);
    case "look":
      return look(pushing, begun, why, signal);
    case "lock":
      return { end: "wait", fault: why, waitMs: Math.max(why.retryAfterMs ?? 0, LOCKED_WAIT_MS) };
    case "full":
      return { end: "full", fault: why };
    case "pause":
      return { end: "pause", fault: why };
    case "wait":
      return { end: "wait", fault: why };
    case "park":
      return { end: "park", fault: why };
    case "stale":
      return { end: "stale", remerged: false, why: why.why };
  }
}

/** The item moved on: its present state, or that it is gone, is merged. */
async function reread(pushing: Pushing, begun: Begun, why: Fault, signal: AbortSignal): Promise<End> {
  const id = "id" in begun.request ? begun.request.id : undefined;
  if (id === undefined) return readSlot(pushing, begun, why, signal);
  const item = await pushing.drive.item(id, signal);
  if (item.ok) return absorbed(pushing, begun, { changes: [{ deleted: false, item: item.value }], why }, signal);
  return item.fault.kind === "notFound" ? look(pushing, begun, why, signal) : afterFailedRead(item.fault);
}

/** Somebody has the name: the occupant is merged. The service's notion of equal names is the authority. */
async function readSlot(pushing: Pushing, begun: Begun, why: Fault, signal: AbortSignal): Promise<End> {
  if (!begun.slot) return { end: "wait", fault: why };
  const item = await pushing.drive.itemAt(begun.slot.parent, begun.slot.name, signal);
  if (item.ok) {
    const told = await absorbed(pushing, begun, { changes: [{ deleted: false, item: item.value }], why }, signal);
    const clash = told.end === "stale" ? equalElsewhere(pushing, begun, item.value) : undefined;
    return clash ? { end: "park", fault: clash } : told;
  }
  if (item.fault.kind !== "notFound") return afterFailedRead(item.fault);
  // Taken and yet not there: a name the service holds for equal although we do not, a lagging replica, or a folder that is gone.
  return look(pushing, begun, why, signal);
}

/** Two names that are one for the service and two here, of which neither goes away by itself: a person has to choose. */
function equalElsewhere({ store: { read } }: Pushing, { step, slot }: Begun, occupant: CloudItem): Fault | undefined {
  const node = read.ids.get(occupant.id);
  if (node === undefined || node === step.node || !slot || fold(occupant.name) === fold(slot.name)) return undefined;
  const shown = viewLocal(read, node);
  const stays = shown?.parent === read.ids.get(slot.parent) && fold(shown?.name ?? "") === fold(occupant.name);
  if (!stays) return undefined;
  const names = `${JSON.stringify(slot.name)} and ${JSON.stringify(occupant.name)}`;
  return fault("nameTaken", `${names} are the same name in the cloud, in one folder: rename one of them, then retry`)
    .fault;
}

/** 404: the item or its folder is gone, or the service does not know yet what we made a moment ago. */
async function look(pushing: Pushing, begun: Begun, why: Fault, signal: AbortSignal): Promise<End> {
  const { request } = begun;
  const ids = [
    "id" in request ? request.id : undefined,
    "parent" in request ? request.parent : begun.slot?.parent,
  ].filter((id) => id !== undefined);
  const changes: CloudChange[] = [];
  for (const id of ids) {
    const item = await pushing.drive.item(id, signal);
    if (!item.ok && item.fault.kind !== "notFound") return afterFailedRead(item.fault);
    if (!item.ok && isFresh(pushing, id)) return { end: "wait", fault: why };
    changes.push(item.ok ? { deleted: false, item: item.value } : { deleted: true, id });
  }
  const gone = changes.some((change) => change.deleted);
  if (gone) return absorbed(pushing, begun, { changes, why }, signal);
  const told = await absorbed(pushing, begun, { changes, why }, signal);
  return told.end === "stale" ? { end: "wait", fault: why } : told;
}

async function absorbed(
  pushing: Pushing,
  begun: Begun,
  { changes, why }: { readonly changes: readonly CloudChange[]; readonly why: Fault },
  signal: AbortSignal,
): Promise<End> {
  // The answer was clear: what the cloud shows now is not from us.
  release(pushing, begun.step.node);
  const done: Result<undefined, Fault> = await pushing.cloud.absorb(changes, signal);
  pushing.stirred();
  return done.ok ? { end: "stale", remerged: true, why: why.why } : afterFailedRead(done.fault);
}

export function afterFailedRead(why: Fault): End {
  if (REACTIONS[why.kind] === "pause") return { end: "pause", fault: why };
  if (why.kind === "interrupted") return { end: "stale", remerged: false, why: why.why };
  return { end: "wait", fault: why };
}

function isFresh(pushing: Pushing, id: ItemId): boolean {
  const at = pushing.fresh.get(id);
  return at !== undefined && pushing.clock.now() - at < FRESH_ITEM_MS;
}
