/**
 * Apply on the store: one transaction a call. A batch that is not a tree, or is about unpushed bytes that nobody hashed yet, changes
 * nothing and says what it needs. A plan is a pure function of the tables; when unpushed bytes were overtaken (a handle that had an
 * older version open) they are settled first, as a merge with no news.
 */
import type { Clock } from "../base/clock.ts";
import { log as openLog, type Log } from "../base/log.ts";
import { failed, ok } from "../base/result.ts";
import { DEFAULT_LOCAL_ONLY_NAMES } from "../model/name.ts";
import { ROOT } from "../model/ids.ts";
import { dropNode } from "../oplog/oplog.ts";
import type { Store, Writer } from "../store/store.ts";
import { acknowledgeIn } from "./acknowledge.ts";
import type { Apply, Batch } from "./apply.ts";
import { forgetAsked } from "./echo.ts";
import { noteForeignParks, sweepForeignParks } from "./foreign-parks.ts";
import { readChanges, type Incoming } from "./incoming.ts";
import { decide, mergeIn, unhashedConflicts, writeIn, type MergeSettings } from "./merge-in.ts";
import { hasOvertakenBytes, leftovers, planFrom, type PlanReport } from "./plan-store.ts";

export interface ApplyOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** This machine's name, for conflict and parking names. */
  readonly device: string;
  /** Patterns of names that never leave this machine. */
  readonly localOnlyPatterns?: readonly string[];
  /** Nothing is done here of its own accord. */
  readonly readOnly?: boolean;
  readonly log?: Log;
  /** Told when the strict executor refuses a plan: a defect of ours, with everything needed to look into it. */
  report?(report: PlanReport): void;
}

export function storeApply(options: ApplyOptions): Apply {
  const { store, clock, device } = options;
  const log = options.log ?? openLog("apply");
  const settings = (): MergeSettings => ({
    device,
    localOnlyPatterns: options.localOnlyPatterns ?? DEFAULT_LOCAL_ONLY_NAMES,
    now: clock.now(),
  });
  return {
    batch(batch) {
      const now = settings();
      const read = readChanges(store.read, batch.changes, { read: new Set(batch.read), now: now.now });
      if (!read.ok) return failed({ kind: "incomplete", read: read.fault });
      const decision = decide(store.read, read.value, now);
      const freeze = decision ? unhashedConflicts(decision).filter((blob) => !batch.unhashed?.includes(blob)) : [];
      if (freeze.length > 0) return failed({ kind: "incomplete", read: [], freeze });
      return ok(
        store.transact((tx) => {
          const applied = writeIn(tx, decision, read.value);
          noteProgress(tx, batch, now.now);
          noteForeignParks(tx, read.value.rows, now.now);
          return applied;
        }),
      );
    },
    acknowledge: (pushed, item) => store.transact((tx) => acknowledgeIn(tx, { pushed, item }, settings())),
    giveNamesBack: () => (options.readOnly ? undefined : sweepForeignParks(store, settings())),
    plan() {
      if (hasOvertakenBytes(store.read)) store.transact((tx) => mergeIn(tx, nothingNew(tx), settings()));
      sweep(store);
      return ok(planFrom(store.read, { ...settings(), log, report: (report) => options.report?.(report) }));
    },
  };
}

function noteProgress(tx: Writer, batch: Batch, now: number): void {
  for (const id of batch.listed ?? []) {
    const node = tx.ids.get(id);
    if (node !== undefined) tx.listed.put(node, now);
  }
  if (batch.cursor !== undefined) tx.meta.put("cursor", batch.cursor);
  if (batch.enumerated) tx.meta.put("enumerated", true);
}

function sweep(store: Store): void {
  const { records, parks, sent } = leftovers(store.read);
  if (records.length + parks.length + sent.length === 0) return;
  store.transact((tx) => {
    for (const node of records) dropNode(tx, node);
    for (const node of parks) tx.parks.remove(node);
    for (const node of sent) forgetAsked(tx, node);
  });
}

function nothingNew(tx: Writer): Incoming {
  return { rows: new Map(), claimed: new Map(), nextNode: (tx.meta.get("nextNode") as number | undefined) ?? ROOT + 1 };
}
