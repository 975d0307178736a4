/**
 * Brings the cloud here. At first it enumerates the whole drive in the background, folders that somebody opens first (`list`);
 * then it asks for changes every `pollMs`. Everything goes into the Mirror through `apply`, whole rounds at a time.
 *
 * Guarantees: the cursor is stored in the transaction that applies what lies before it; nothing is ever removed because it was
 * absent from an answer (only by a tombstone or a 404 by id); a round that does not fit is dropped, never applied in part; a
 * folder never listed gives a fault, never an empty listing. Never waits without a deadline, never sends a changing request.
 */
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import type { Applied, Apply } from "../apply/apply.ts";
import type { Content } from "../content/content.ts";
import type { Drive } from "../drive/drive.ts";
import type { CloudChange } from "../model/change.ts";
import type { Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import type { Store } from "../store/store.ts";

export interface PullerOptions {
  readonly store: Store;
  readonly apply: Apply;
  readonly content: Pick<Content, "freeze" | "adopt">;
  readonly drive: Drive;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly pollMs: number;
  /** Longest wait of `list` for the network. */
  readonly listTimeoutMs: number;
  /** After every transaction that changed what people see, for the kernel's caches.. */
  applied(applied: Applied): void;
  /** The cloud can be reached, or not any more. */
  onlineChanged(online: boolean): void;
  onDefect(error: unknown): void;
}

export interface PullStatus {
  /** Undefined until the first answer or failure. */
  readonly online: boolean | undefined;
  readonly enumerated: boolean;
  /** Milliseconds since the epoch of the last finished round. */
  readonly polledAt: number | undefined;
  readonly lastFault: Fault | undefined;
}

export interface Puller {
  /** All children of the folder are in the Mirror when it answers `ok`. One request for all who ask at the same time. */
  list(folder: ItemKey): Promise<Result<undefined, Fault>>;
  /** A whole round that begins after this call: with its result, everything the cloud told by now is here. */
  sync(): Promise<Result<undefined, Fault>>;
  /** Applies states read by id; what they need besides is read too. For the flusher. */
  absorb(changes: readonly CloudChange[], signal?: AbortSignal): Promise<Result<undefined, Fault>>;
  /** Compares the Mirror with a full enumeration now (the one that is under way, if any) and takes what differs. */
  audit(): Promise<Result<undefined, Fault>>;
  /** Reads the item of a node by id and takes what it says: somebody found that it is not what the Mirror says, or gone. */
  reread(node: ItemKey): Promise<Result<undefined, Fault>>;
  /** Polls now: the network came back, or somebody saw that the cloud has moved. */
  wake(): void;
  status(): PullStatus;
  stop(): Promise<void>;
}
