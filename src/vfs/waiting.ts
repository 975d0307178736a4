/** Work of one vfs that waits for a moment of quiet: timers, and pairs of files whose identity is not settled (see identity.ts). */
import type { ItemKey } from "../model/ids.ts";

/** The file an item belonged to, and the file that is at its slot now. */
export interface Pair {
  readonly old: ItemKey;
  readonly young: ItemKey;
}

export interface Waiting {
  readonly splits: Map<ItemKey, Pair>;
  splitTimer: (() => void) | undefined;
  sweepTimer: (() => void) | undefined;
  /** The last sweep begun. */
  sweep: Promise<void>;
}

export function nothingWaiting(): Waiting {
  return { splits: new Map(), splitTimer: undefined, sweepTimer: undefined, sweep: Promise.resolve() };
}
