/**
 * The one door to time. `systemClock` is real; `manualClock` moves only when told, so that a seeded run replays.
 * Times are milliseconds since the epoch; delays are milliseconds.
 */

export interface Clock {
  now(): number;
  /** Calls `run` once after `delayMs`; the returned function cancels it. A pending timer never keeps the process alive. */
  after(delayMs: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), 2 ** 31 - 1));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or at once (also without an error) when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

export interface ManualClock extends Clock {
  /** Moves time forward, running due timers in order of their time, then of their making. */
  advance(ms: number): void;
  /** Time of the next timer, or undefined. */
  nextAt(): number | undefined;
}

export function manualClock(startMs = 1_760_000_000_000): ManualClock {
  let nowMs = startMs;
  let serial = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  const earliest = (): [number, { at: number; run: () => void }] | undefined => {
    let best: [number, { at: number; run: () => void }] | undefined;
    for (const entry of timers) if (!best || entry[1].at < best[1].at) best = entry;
    return best;
  };
  return {
    now: () => nowMs,
    after(delayMs, run) {
      const key = serial++;
      timers.set(key, { at: nowMs + Math.max(delayMs, 0), run });
      return () => void timers.delete(key);
    },
    nextAt: () => earliest()?.[1].at,
    advance(ms) {
      const until = nowMs + ms;
      for (let due = earliest(); due && due[1].at <= until; due = earliest()) {
        timers.delete(due[0]);
        nowMs = Math.max(nowMs, due[1].at);
        due[1].run();
      }
      nowMs = until;
    },
  };
}
