/**
 * The state folder at start, in order: the store believed, restored or begun anew; files looked at that no row names, and rows whose
 * files are not as they say; log and bytes made to agree. Only then the store is told that nothing of it is left to do: a process that is
 * killed before that, at whatever step, leaves all of it to the next one.
 *
 * Nothing of an edit is removed here, and nothing sweeps before this has ended.
 */
import { ok, type Result } from "../base/result.ts";
import type { Log } from "../base/log.ts";
import { recoverContent, type RecoveredContent } from "../content/recover-content.ts";
import type { OpenedStore, Store, StoreFault } from "../store/store.ts";
import { reconcileContent } from "./reconcile-content.ts";
import { openState, type OpenedState } from "./recover.ts";

export interface StartOptions {
  readonly stateDir: string;
  readonly cacheDir: string;
  /** The store's folder in the state folder. */
  readonly storeDir: string;
  readonly now: number;
  /** Hears what a person should know. */
  readonly log: Log;
  open(): Promise<Result<OpenedStore, StoreFault>>;
}

export interface StartedState {
  readonly store: Store;
  /** What is left to do beside everything else. */
  readonly recovered: RecoveredContent;
}

/** Throws what the disks throw: folders that cannot be made, written or synced. */
export async function startState(options: StartOptions): Promise<Result<StartedState, StoreFault>> {
  const opened = await openState(options.storeDir, () => options.open());
  if (!opened.ok) return opened;
  const { store, report } = opened.value;
  for (const line of report) options.log.fault(line);
  try {
    return ok({ store, recovered: await reconcile(options, opened.value) });
  } catch (error) {
    // The next start finds it as it is now, whether or not it can be closed well.
    await store.close().catch((failure: unknown) => options.log.trace("the store was not closed well", { failure }));
    throw error;
  }
}

async function reconcile(
  { stateDir, cacheDir, log, now }: StartOptions,
  { store, after, reconciled }: OpenedState,
): Promise<RecoveredContent> {
  const bytes = await recoverContent({ store, stateDir, cacheDir, after, log });
  if (after !== "clean") reconcileContent(store, bytes, { powerCut: after === "powerCut" || after === "lost", now });
  await reconciled();
  return bytes;
}
