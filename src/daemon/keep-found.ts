/**
 * After a start with a lost or damaged index: takes back what its files tell of, while the cloud is being read and until everything the
 * cloud has is known. Then it looks again when something changes, as long as anything is left in `found`.
 */
import type { Clock } from "../base/clock.ts";
import { startLoop } from "../base/loop.ts";
import type { Log } from "../base/log.ts";
import type { Content } from "../content/content.ts";
import type { FoundFile } from "../content/found.ts";
import { BARRIER_RETRY_MS, FOUND_INTERVAL_MS } from "../model/limits.ts";
import type { TakeBack } from "../recover/take-back.ts";
import { StoreFull } from "../store/store.ts";

export interface KeptFound {
  /** Unpushed files that nobody could place yet. */
  readonly left: readonly FoundFile[];
  /** The cloud told something new. */
  wake(): void;
  /** Does what can be done now. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

export interface KeepFoundOptions {
  readonly takeBack: TakeBack;
  readonly content: Pick<Content, "takeOver">;
  readonly clock: Clock;
  readonly log: Log;
  /** Everything the cloud has was read since the start. */
  isCurrent(): boolean;
  onDefect(error: unknown): void;
}

const NEVER_MS = 24 * 3600 * 1000;

export function keepFound(options: KeepFoundOptions): KeptFound {
  const { takeBack, content, clock, log, onDefect } = options;
  let left: readonly FoundFile[] = [];
  let told = 0;
  let nextLookAt = 0;
  const look = async (): Promise<void> => {
    const isCurrent = options.isCurrent();
    left = await takeBack.round(isCurrent);
    if (!isCurrent) return;
    await content.takeOver(true);
    if (left.length > told)
      log.fault("unpushed files belong nowhere that is known and are kept aside", { files: left.length });
    told = left.length;
  };
  const round = async (): Promise<number> => {
    const wait = nextLookAt - clock.now();
    if (wait > 0) return wait;
    nextLookAt = clock.now() + FOUND_INTERVAL_MS;
    try {
      await look();
    } catch (error) {
      if (!(error instanceof StoreFull)) throw error;
      return BARRIER_RETRY_MS;
    }
    return options.isCurrent() ? NEVER_MS : FOUND_INTERVAL_MS;
  };
  const loop = startLoop({ clock, round, onDefect });
  return {
    get left() {
      return left;
    },
    wake: () => loop.wake(),
    look,
    stop: () => loop.stop(),
  };
}
