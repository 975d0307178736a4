/**
 * A background loop that runs one round at a time, sleeps between rounds and can be woken. A round that is under way when
 * `wake` is called is followed by another at once, so no wake-up is lost. `round` returns how long to sleep in milliseconds.
 */
import { assert } from "./assert.ts";
import type { Clock } from "./clock.ts";
import { someSteps, type Stepwise } from "./stepwise.ts";

export interface Loop {
  wake(): void;
  /** Ends after the current round; aborts the round's signal. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly clock: Clock;
  /** One round; returns milliseconds to sleep. It handles its own expected failures: a rejection is a defect. */
  round(signal: AbortSignal): Promise<number>;
  onDefect(error: unknown): void;
}

export function startLoop(options: LoopOptions): Loop {
  const stopping = new AbortController();
  let endNap: () => void = () => undefined;
  let woken = false;
  // Woken for every change there is: an abort signal each time would cost more than most rounds.
  const nap = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = options.clock.after(ms, resolve);
      endNap = () => {
        cancel();
        resolve();
      };
    });
  const running = (async () => {
    while (!stopping.signal.aborted) {
      woken = false;
      const napMs = await options.round(stopping.signal);
      assert(napMs >= 0, "a round returns a sleep of zero or more");
      if (woken || stopping.signal.aborted) continue;
      await nap(napMs);
    }
  })().catch((error: unknown) => options.onDefect(error));
  return {
    wake() {
      woken = true;
      endNap();
    },
    async stop() {
      stopping.abort();
      endNap();
      await running;
    },
  };
}

/** Lets everything else that is ready run first: to be awaited between the parts of a long piece of work. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Carries out stepwise work, `steps` at a time; everything else has its turn between. Undefined: given up because `signal` aborted. */
export async function inTurns<T>(work: Stepwise<T>, steps: number, signal?: AbortSignal): Promise<T | undefined> {
  try {
    for (;;) {
      const done = someSteps(work, steps);
      if (done) return done.value;
      await breathe();
      if (signal?.aborted) return undefined;
    }
  } finally {
    work.return(undefined as never);
  }
}
