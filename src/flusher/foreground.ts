/**
 * Who works in the mount goes first. While programs change things here, uploads start one at a time with a pause in between: a push
 * costs more than the act it pushes, and both would share one loop. As soon as it is quiet they go as fast as they can. Nothing is
 * ever kept from starting for longer than the pause, so a program that never stops writing delays nobody's bytes for long.
 */
import type { Clock } from "../base/clock.ts";
import { FOREGROUND_PAUSE_MS, FOREGROUND_QUIET_MS } from "../model/limits.ts";

export class Foreground {
  readonly #clock: Clock;
  #actedAt = 0;
  #startedAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Somebody changed something. */
  acted(): void {
    this.#actedAt = this.#clock.now();
  }

  /** An upload was started. */
  started(): void {
    this.#startedAt = this.#clock.now();
  }

  /** Milliseconds until the next upload may start. */
  waitMs(): number {
    const now = this.#clock.now();
    if (!isWithin(now - this.#actedAt, FOREGROUND_QUIET_MS)) return 0;
    const since = now - this.#startedAt;
    return isWithin(since, FOREGROUND_PAUSE_MS) ? FOREGROUND_PAUSE_MS - since : 0;
  }
}

/** Negative: the clock was set back, and the time is not known. */
function isWithin(sinceMs: number, limitMs: number): boolean {
  return sinceMs >= 0 && sinceMs < limitMs;
}
