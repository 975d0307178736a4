/**
 * One round of the change feed: all pages up to the new cursor, then one batch with it. A cursor that the service does not take
 * any more (410, a malformed token, a feed that breaks off again and again) leads to an enumeration anew. Nothing else moves it.
 */
import { ok, type Result } from "../base/result.ts";
import type { CloudChange } from "../model/change.ts";
import { failed } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { BROKEN_ROUNDS_MAX, CURSOR_KEEP_MS } from "../model/limits.ts";
import type { Auditor } from "./audit.ts";
import type { Pulling } from "./pulling.ts";

type Round = { readonly changes: CloudChange[]; readonly cursor: string };

export function poller(pulling: Pulling, audit: Auditor) {
  const { store, clock } = pulling;
  let broken = 0;
  let movedAt = clock.now();

  const take = async (round: Round, signal: AbortSignal): Promise<Result<undefined, Fault>> => {
    const empty = round.changes.every((change) => !change.deleted && change.item.parentId === undefined);
    if (!empty || clock.now() - movedAt >= CURSOR_KEEP_MS) {
      const applied = await pulling.absorb(round, signal);
      if (!applied.ok) return applied;
      movedAt = clock.now();
    }
    store.transact((tx) => tx.meta.put("polledAt", clock.now()));
    return ok();
  };

  return async (signal: AbortSignal): Promise<Result<undefined, Fault>> => {
    const cursor = store.read.meta.get("cursor") as string | undefined;
    if (cursor === undefined) return audit.resync(signal);
    const round = await wholeRound(pulling, cursor, signal);
    if (round.ok) {
      broken = 0;
      return take(round.value, signal);
    }
    const { kind } = round.fault;
    if (kind === "notFound") broken++;
    if (kind !== "resync" && kind !== "invalid" && broken < BROKEN_ROUNDS_MAX) return round;
    pulling.log.trace("the cursor is not taken any more: the drive is enumerated anew", { why: round.fault.why });
    broken = 0;
    return audit.resync(signal);
  };
}

async function wholeRound(pulling: Pulling, cursor: string, signal: AbortSignal): Promise<Result<Round, Fault>> {
  const changes: CloudChange[] = [];
  for (let link = cursor; ;) {
    const page = pulling.heard(await pulling.drive.changes(link, signal));
    if (!page.ok) return failed(page.fault);
    for (const change of page.value.changes) changes.push(change);
    if (page.value.cursor !== undefined) return ok({ changes, cursor: page.value.cursor });
    if (page.value.next === undefined || page.value.next === link)
      return fault("invalid", "a page of changes leads nowhere");
    link = page.value.next;
  }
}
