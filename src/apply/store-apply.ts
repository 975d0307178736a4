/**
 * Apply on the store: one transaction a call. A batch that is not a tree, or is about unpushed bytes that nobody hashed yet, changes
 * nothing and says what it needs. A plan is a pure function of the tables; when unpushed bytes were overtaken (a handle that had an
 * older version open) they are settled first, as a merge with no news.
 */
import type { Clock } from "../base/clock.ts";
import { log as openLog, type Log } from "../base/log.ts";
import { failed, ok } from "../base/result.ts";
import { atOnce, type Stepwise } from "../base/stepwise.ts";
import { DEFAULT_LOCAL_ONLY_NAMES } from "../model/name.ts";
import { ROOT, type ItemKey } from "../model/ids.ts";
import { dropNode } from "../oplog/oplog.ts";
import type { Reader, Store, Writer } from "../store/store.ts";
import { acknowledgeIn } from "./acknowledge.ts";
import type { Apply, Batch } from "./apply.ts";
import { forgetAsked } from "./echo.ts";
import { noteForeignParks, sweepForeignParks } from "./foreign-parks.ts";
import { newsOf, readChanges, type Incoming } from "./incoming.ts";
import { decide, isNews, rebaseAll, unhashedConflicts, writeIn, type MergeSettings } from "./merge-in.ts";
import { hasOvertakenBytes, isLeftover, isParkLeftover, leftovers, planFrom, type PlanReport } from "./plan-store.ts";

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
    news: (changes) => newsOf(store.read, changes),
    batch(batch) {
      const now = settings();
      const read = readChanges(store.read, batch.changes, { read: new Set(batch.read), now: now.now });
      if (!read.ok) return failed({ kind: "incomplete", read: read.fault });
      const decision = isNews(store.read, read.value) ? decide(store.read, read.value, now) : undefined;
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
      atOnce(this.tidy(store.read));
      return atOnce(this.planOn(store.read));
    },
    *tidy(read) {
      if (yield* hasOvertakenBytes(read)) store.transact((tx) => settleOvertaken(tx, settings()));
      yield* sweep(store, read);
    },
    *planOn(read) {
      return ok(yield* planFrom(read, { ...settings(), log, report: (report) => options.report?.(report) }));
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

/** Some at a time; each is looked at once more in the transaction that drops it. */
function* sweep(store: Store, read: Reader): Stepwise<void> {
  const { records, parks, sent } = yield* leftovers(read);
  const drop = function* (all: readonly ItemKey[], still: typeof isLeftover, one: (tx: Writer, node: ItemKey) => void) {
    for (let at = 0; at < all.length; at += SWEPT_AT_ONCE) {
      yield;
      const some = all.slice(at, at + SWEPT_AT_ONCE);
      store.transact((tx) => some.filter((node) => still(tx, node)).forEach((node) => one(tx, node)));
    }
  };
  yield* drop(records, isLeftover, dropNode);
  yield* drop(parks, isParkLeftover, (tx, node) => tx.parks.remove(node));
  yield* drop(sent, isLeftover, forgetAsked);
}

const SWEPT_AT_ONCE = 64;

/** A merge of all that differs here, without news. */
function settleOvertaken(tx: Writer, settings: MergeSettings): void {
  const nextNode = (tx.meta.get("nextNode") as number | undefined) ?? ROOT + 1;
  const nothingNew: Incoming = { rows: new Map(), claimed: new Map(), nextNode };
  writeIn(tx, rebaseAll(tx, nothingNew, settings), nothingNew);
}
