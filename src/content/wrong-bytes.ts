/**
 * Which files came with bytes that do not match their hash, how often, and how long they are left alone: after the second time for
 * WRONG_BYTES_WAIT_MS, four times longer after each further one, a day at most. Kept beside the clean files themselves, which are
 * forgotten with their last reader, so that somebody who opens such a file again and again does not fetch it again and again.
 */
import type { ItemKey } from "../model/ids.ts";
import { WRONG_BYTES_FILES_MAX, WRONG_BYTES_WAIT_MOST_MS, WRONG_BYTES_WAIT_MS } from "../model/limits.ts";

interface Wrong {
  readonly version: string;
  readonly times: number;
  readonly hash: string;
  readonly until: number;
}

export interface WrongBytes {
  /** The wrong hash that came last of this version. */
  last(node: ItemKey, version: string): string | undefined;
  /** Not to be tried now. */
  isBlocked(node: ItemKey, version: string, now: number): boolean;
  /** It came wrong; returns how often that makes. */
  came(node: ItemKey, wrong: { readonly version: string; readonly hash: string }, now: number): number;
}

export function wrongBytes(): WrongBytes {
  /** The latest last. */
  const files = new Map<ItemKey, Wrong>();
  const of = (node: ItemKey, version: string): Wrong | undefined => {
    const wrong = files.get(node);
    return wrong?.version === version ? wrong : undefined;
  };
  return {
    last: (node, version) => of(node, version)?.hash,
    isBlocked: (node, version, now) => now < (of(node, version)?.until ?? 0),
    came(node, { version, hash }, now) {
      const times = (of(node, version)?.times ?? 0) + 1;
      const wait = Math.min(WRONG_BYTES_WAIT_MS * 4 ** (times - 2), WRONG_BYTES_WAIT_MOST_MS);
      files.delete(node);
      files.set(node, { version, hash, times, until: times < 2 ? 0 : now + wait });
      for (const oldest of files.keys()) {
        if (files.size <= WRONG_BYTES_FILES_MAX) break;
        files.delete(oldest);
      }
      return times;
    },
  };
}
