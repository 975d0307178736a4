/**
 * The entries of a page as changes. An entry that tells too little, or whose name looks percent-encoded (some answers encode names;
 * some names just look so), is asked for by its id. What cannot be shown is left out and logged; a tombstone comes only from a
 * `deleted` facet or a 404 by id.
 */
import { limit } from "../base/limit.ts";
import { inTurns } from "../base/loop.ts";
import type { Log } from "../base/log.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault, type FaultKind } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import { NAME_CHECKS_MAX, STRONG_READS_MAX, WIRE_ENTRIES_PER_TURN } from "../model/limits.ts";
import type { Drive } from "./drive.ts";
import type { WireItem, WirePage } from "./wire.ts";

export interface PageContext {
  readonly drive: Pick<Drive, "item">;
  readonly log: Log;
  readonly signal: AbortSignal | undefined;
}

/** Others have their turns meanwhile: a page may have a thousand entries. */
export async function knownChanges(
  page: Pick<WirePage, "items">,
  context: PageContext,
): Promise<Result<CloudChange[], Fault>> {
  const entries = await inTurns(page.items(), WIRE_ENTRIES_PER_TURN, context.signal);
  if (!entries) return fault("interrupted", "nobody waits for the page any more");
  const doubtful = new Set(entries.filter(looksEncoded).slice(0, NAME_CHECKS_MAX));
  const asked = entries.filter((entry) => entry.is === "incomplete" || doubtful.has(entry));
  const reads = limit(STRONG_READS_MAX);
  const answers = await Promise.all(asked.map((entry) => reads.run(() => strongly(idOf(entry), context))));
  const told = new Map(asked.map((entry, i) => [entry, answers[i]!]));
  const changes: CloudChange[] = [];
  for (const entry of entries) {
    const change = told.get(entry) ?? ok(plainly(entry, context.log));
    if (!change.ok) return change;
    if (change.value) changes.push(change.value);
  }
  return ok(changes);
}

function plainly(entry: WireItem, log: Log): CloudChange | undefined {
  if (entry.is === "item") return { deleted: false, item: entry.item };
  if (entry.is === "gone") return { deleted: true, id: entry.id };
  log.fault(`an item of the cloud is not shown: ${entry.why}`, { id: entry.id });
  return undefined;
}

/** Faults of one item that asking again will not change. */
const UNSHOWABLE: readonly FaultKind[] = ["invalid", "denied", "garbled"];

async function strongly(
  id: ItemId,
  { drive, log, signal }: PageContext,
): Promise<Result<CloudChange | undefined, Fault>> {
  const item = await drive.item(id, signal);
  if (item.ok) return ok({ deleted: false, item: item.value });
  const { kind, why } = item.fault;
  if (kind === "notFound") return ok({ deleted: true, id });
  if (!UNSHOWABLE.includes(kind)) return failed(item.fault);
  log.fault(`an item of the cloud is not shown: ${why}`, { id });
  return ok(undefined);
}

/** The name is what percent-encoding would make of another one. */
function looksEncoded(entry: WireItem): boolean {
  if (entry.is !== "item" || !entry.item.name.includes("%")) return false;
  try {
    const decoded = decodeURIComponent(entry.item.name);
    return decoded !== entry.item.name && encodeURIComponent(decoded) === entry.item.name;
  } catch {
    return false;
  }
}

function idOf(entry: WireItem): ItemId {
  return entry.is === "item" ? entry.item.id : entry.id;
}
