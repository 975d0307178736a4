/** Things the service does by itself after a while. There is no timer: what is due is done before the next request. */

export interface Later {
  /** Runs `what` before the first request at or after `dueMs` of service time. */
  at(dueMs: number, what: () => void): void;
  settle(nowMs: number): void;
}

export function makeLater(): Later {
  let waiting: { dueMs: number; what: () => void }[] = [];
  return {
    at: (dueMs, what) => void waiting.push({ dueMs, what }),
    settle(nowMs) {
      if (waiting.length === 0) return;
      const due = waiting.filter((each) => each.dueMs <= nowMs).sort((a, b) => a.dueMs - b.dueMs);
      waiting = waiting.filter((each) => each.dueMs > nowMs);
      for (const each of due) each.what();
    },
  };
}
