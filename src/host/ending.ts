/**
 * The end of a mount, whoever begins it, for every host: `gone` resolves once; an unmount of ours is the kernel's own (fusermount), and
 * what still has files open after a lazy one is cut off when the grace is over.
 */
import { sleep, type Clock } from "../base/clock.ts";
import { UNMOUNT_CUT_INTERVAL_MS, UNMOUNT_CUTS_MAX, UNMOUNT_GRACE_MS } from "../model/limits.ts";
import { mountAt, unmount } from "./mount-table.ts";

/** The type in the mount table, behind `fuse.`. */
export const MOUNT_TYPE = "onedrive";

export interface Ending {
  readonly gone: Promise<void>;
  /** Aborted no later than `gone`. */
  readonly signal: AbortSignal;
  /** Nobody waits for answers any more. */
  giveUp(): void;
  reached(): void;
}

export function endOfMount(): Ending {
  const abort = new AbortController();
  let resolve: () => void = () => undefined;
  const gone = new Promise<void>((done) => {
    resolve = done;
  });
  return {
    gone,
    signal: abort.signal,
    giveUp: () => abort.abort(),
    reached() {
      abort.abort();
      resolve();
    },
  };
}

/** Unmounts; after a lazy unmount, what is still open when the grace is over is cut off. */
export async function endMount(
  mountpoint: string,
  ending: Ending & { cut(): void },
  { lazy, clock }: { lazy: boolean; clock: Clock },
): Promise<boolean> {
  const within = (delayMs: number): Promise<boolean> =>
    Promise.race([ending.gone.then(() => true), sleep(clock, delayMs).then(() => false)]);
  const entry = await mountAt(mountpoint);
  if (entry?.type === `fuse.${MOUNT_TYPE}` && !(await unmount(mountpoint, lazy))) return false;
  if (await within(UNMOUNT_GRACE_MS)) return true;
  if (!lazy) return false;
  ending.giveUp();
  for (let tries = 0; tries < UNMOUNT_CUTS_MAX; tries++) {
    ending.cut();
    if (await within(UNMOUNT_CUT_INTERVAL_MS)) return true;
  }
  return false;
}
