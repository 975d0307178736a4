/** What waits, until when and why: single items after a failure that passes, and the account as a whole. Kept in memory only. */
import { backoffMs } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { BACKOFF_FIRST_MS, BACKOFF_MOST_MS, REMERGES_MAX, WAITS_BEFORE_TIDYING } from "../model/limits.ts";

interface Wait {
  tries: number;
  remerges: number;
  stalls: number;
  until: number;
  failedAt: number;
  reason: string;
  kind: Fault["kind"] | undefined;
}

export interface Pause {
  readonly until: number;
  readonly fault: Fault;
}

export type Waits = ReturnType<typeof waits>;

const BOUNDS = { firstMs: BACKOFF_FIRST_MS, mostMs: BACKOFF_MOST_MS };

export function waits(clock: Clock, random: Random) {
  const nodes = new Map<ItemKey, Wait>();
  let pause: (Pause & { readonly tries: number }) | undefined;
  let tidyAbove = WAITS_BEFORE_TIDYING;
  const of = (node: ItemKey): Wait => {
    const known = nodes.get(node);
    if (known) return known;
    const fresh: Wait = { tries: 0, remerges: 0, stalls: 0, until: 0, failedAt: 0, reason: "", kind: undefined };
    nodes.set(node, fresh);
    return fresh;
  };
  return {
    /** The node's step failed in a way that passes. */
    failed(node: ItemKey, fault: Fault, waitMs?: number): void {
      const wait = of(node);
      wait.tries++;
      wait.until = clock.now() + (waitMs ?? Math.max(fault.retryAfterMs ?? 0, backoffMs(wait.tries, random, BOUNDS)));
      wait.failedAt = clock.now();
      wait.reason = fault.why;
      wait.kind = fault.kind;
    },
    /** The cloud was in the way and was merged. True when that happened too often without progress. */
    remerged(node: ItemKey): boolean {
      const wait = of(node);
      wait.remerges++;
      if (wait.remerges > 1) wait.until = clock.now() + backoffMs(wait.remerges, random, BOUNDS);
      return wait.remerges > REMERGES_MAX;
    },
    /** Its step did not hold when it was to start. Once is nothing; again and again is not to keep the machine busy. */
    stalled(node: ItemKey): void {
      const wait = of(node);
      wait.stalls++;
      if (wait.stalls > 1) wait.until = clock.now() + backoffMs(wait.stalls, random, BOUNDS);
    },
    succeeded(node: ItemKey): void {
      nodes.delete(node);
      if (pause && pause.until <= clock.now()) pause = undefined;
    },
    forget: (node: ItemKey): void => void nodes.delete(node),
    /** Nodes that nothing is to be done for any more are forgotten when there are many: some of them were deleted here and never come back. */
    tidy(isWanted: (node: ItemKey) => boolean): void {
      if (nodes.size <= tidyAbove) return;
      for (const node of nodes.keys()) if (!isWanted(node)) nodes.delete(node);
      tidyAbove = Math.max(WAITS_BEFORE_TIDYING, 2 * nodes.size);
    },
    get count(): number {
      return nodes.size;
    },
    /** When the node may go again; 0: now. */
    until: (node: ItemKey): number => nodes.get(node)?.until ?? 0,
    reason: (node: ItemKey): string | undefined => nodes.get(node)?.reason || undefined,
    /** Locked in the cloud and tried since then: trying again at once is of no use. */
    lockedSince: (node: ItemKey, since: number): boolean => {
      const wait = nodes.get(node);
      return wait?.kind === "locked" && wait.failedAt >= since;
    },
    /** The whole account waits. */
    pauseFor(fault: Fault): void {
      const tries = (pause?.tries ?? 0) + 1;
      const until = clock.now() + Math.max(fault.retryAfterMs ?? 0, backoffMs(tries, random, BOUNDS));
      pause = { until, fault, tries };
    },
    pause: (): Pause | undefined => pause,
    isPaused: (): boolean => pause !== undefined && pause.until > clock.now(),
    /** The clock was set back: nobody knows any more when anything ends, so everything does. */
    forgetTimes(): void {
      for (const wait of nodes.values()) wait.until = 0;
      if (pause) pause = { ...pause, until: 0 };
    },
    /** Backoff ends; what the service asked us to wait stays. */
    end(): void {
      for (const wait of nodes.values()) wait.until = 0;
      if (pause && pause.fault.retryAfterMs === undefined) pause = { ...pause, until: 0 };
    },
  };
}
