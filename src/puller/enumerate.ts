/**
 * The first enumeration of the drive, by the change feed from its start. Every page is applied when it arrives; entries whose
 * folder is not known yet wait. The link of the next page and the waiting entries are stored, so that a restart goes on; the last
 * page stores the cursor and `enumerated` in one transaction. Long pages are applied in small parts.
 */
import { breathe } from "../base/loop.ts";
import { ok, type Result } from "../base/result.ts";
import type { ChangePage, CloudChange } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import { ENUMERATE_STEP_ITEMS } from "../model/limits.ts";
import type { Reader } from "../store/store.ts";
import type { Pulling } from "./pulling.ts";

/** What `meta.staging` holds between two pages. */
export interface Staging {
  readonly next: string;
  readonly waiting: readonly CloudChange[];
}

export async function enumerateFirst(pulling: Pulling, signal: AbortSignal): Promise<Result<undefined, Fault>> {
  const { store, clock } = pulling;
  for (;;) {
    if (signal.aborted) return fault("interrupted", "the mount is ending");
    const staging = store.read.meta.get("staging") as Staging | undefined;
    const page = pulling.heard(await pulling.drive.changes(staging?.next, signal));
    if (!page.ok) return startAgain(pulling, staging, page.fault);
    if (page.value.next !== undefined && page.value.next === staging?.next)
      return startAgain(pulling, staging, fault("invalid", "a page of changes leads to itself").fault);
    const done = await takePage(pulling, { page: page.value, waiting: staging?.waiting ?? [] }, signal);
    if (!done.ok) return done;
    if (page.value.cursor === undefined) continue;
    store.transact((tx) => {
      tx.meta.put("polledAt", clock.now());
      tx.meta.put("auditedAt", clock.now());
      tx.meta.remove("staging");
    });
    return ok();
  }
}

/** A link that died: the enumeration starts from its beginning at the next try; what was applied stays. */
function startAgain(pulling: Pulling, staging: Staging | undefined, why: Fault): Result<undefined, Fault> {
  const dead = why.kind === "resync" || why.kind === "invalid" || why.kind === "notFound" || why.kind === "expired";
  if (staging && dead) pulling.store.transact((tx) => tx.meta.remove("staging"));
  return { ok: false, fault: why };
}

async function takePage(
  pulling: Pulling,
  { page, waiting }: { page: ChangePage; waiting: readonly CloudChange[] },
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  const { ready, orphans } = parentsFirst(pulling.store.read, [...waiting, ...page.changes]);
  for (let at = 0; at < ready.length; at += ENUMERATE_STEP_ITEMS) {
    if (ready.length > ENUMERATE_STEP_ITEMS) await breathe();
    const part = await pulling.absorb({ changes: ready.slice(at, at + ENUMERATE_STEP_ITEMS) }, signal);
    if (!part.ok) return part;
  }
  if (page.cursor !== undefined)
    return pulling.absorb({ changes: orphans, cursor: page.cursor, enumerated: true }, signal);
  const staging = { next: page.next ?? "", waiting: orphans };
  pulling.store.transact((tx) => tx.meta.put("staging", staging));
  return ok();
}

/** The last entry of each id, parents before children; entries whose parent nobody knows yet apart. */
export function parentsFirst(
  read: Reader,
  changes: readonly CloudChange[],
): { ready: CloudChange[]; orphans: CloudChange[] } {
  const last = new Map<ItemId, CloudChange>();
  for (const change of changes) last.set(change.deleted ? change.id : change.item.id, change);
  const ready: CloudChange[] = [];
  const orphans: CloudChange[] = [];
  const placed = new Map<ItemId, boolean>();
  const place = (id: ItemId, change: CloudChange): boolean => {
    const known = placed.get(id);
    if (known !== undefined) return known;
    placed.set(id, false);
    const fits = change.deleted || parentIsThere(change.item.parentId);
    placed.set(id, fits);
    (fits ? ready : orphans).push(change);
    return fits;
  };
  const parentIsThere = (parent: ItemId | undefined): boolean => {
    if (parent === undefined) return true;
    const entry = last.get(parent);
    if (entry?.deleted) return false;
    return (entry !== undefined && place(parent, entry)) || read.ids.get(parent) !== undefined;
  };
  for (const [id, change] of last) place(id, change);
  return { ready, orphans };
}
