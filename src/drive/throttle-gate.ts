/**
 * One gate for all calls of an account: while the service asks for a pause, nobody sends. A short pause is waited out; a long one
 * is answered at once with `throttled`, so that callers can say so instead of hanging.
 */
import { sleep, type Clock } from "../base/clock.ts";
import { fault, type Fault } from "../model/fault.ts";
import { THROTTLE_WAIT_MOST_MS } from "../model/limits.ts";
import { retryAfter } from "./refusal.ts";

export interface ThrottleGate {
  /** Waits while the gate is shut; a fault when it stays shut for too long, or the signal aborts. */
  pass(signal?: AbortSignal): Promise<Fault | undefined>;
  /** Looks at an answer and shuts the gate when it asks for a pause. */
  note(reply: { readonly status: number; readonly headers: Readonly<Record<string, string>> }): void;
  /** Milliseconds until it opens. */
  readonly shutForMs: number;
}

const PAUSES: readonly number[] = [429, 503, 509];

export function throttleGate(clock: Clock): ThrottleGate {
  let opensAt = 0;
  const left = (): number => Math.max(0, opensAt - clock.now());
  return {
    get shutForMs() {
      return left();
    },
    note(reply) {
      const pauseMs = PAUSES.includes(reply.status) ? retryAfter(reply.headers, clock.now()) : undefined;
      if (pauseMs !== undefined) opensAt = Math.max(opensAt, clock.now() + pauseMs);
    },
    async pass(signal) {
      while (left() > 0) {
        if (left() > THROTTLE_WAIT_MOST_MS) {
          return fault("throttled", "the service asks to wait", { retryAfterMs: left() }).fault;
        }
        await sleep(clock, left(), signal);
        if (signal?.aborted) return fault("interrupted", "the call was cancelled").fault;
      }
      return undefined;
    },
  };
}
