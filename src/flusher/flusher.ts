/**
 * Sends the log to the cloud. The plan is a pure function of (Mirror, Local) and is never stored; a step of it is sent when what
 * it needs was acknowledged, when it has settled, and when its record, its bytes and its intent are durable.
 *
 * Guarantees: every request is conditional on what was seen here; an answer is recorded in one transaction with what it means; a
 * request without a clear answer is found out about before anything else is sent; what passes is tried for ever, what does not
 * is parked with its reason and delays only what depends on it; nothing is ever deleted in order to get past a refusal.
 */
import type { Applied, Apply } from "../apply/apply.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import type { Content } from "../content/content.ts";
import type { Drive } from "../drive/drive.ts";
import type { CloudChange } from "../model/change.ts";
import type { Fault } from "../model/fault.ts";
import type { ItemKey, OpId } from "../model/ids.ts";
import type { Store } from "../store/store.ts";

/** A plan for more nodes than `atOnce` is made in turns of that many steps, on a snapshot. */
export interface PlanSteps {
  readonly atOnce: number;
  readonly perTurn: number;
}

export interface FlusherOptions {
  readonly store: Store;
  readonly apply: Apply;
  readonly content: Pick<Content, "freeze" | "adopt" | "createBlob" | "open">;
  /** This machine's name, for the names of what is kept aside. */
  readonly device: string;
  readonly drive: Drive;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The settle window: how long an item and its name stay quiet before it is sent. */
  readonly writeBackMs: number;
  readonly planning?: PlanSteps;
  /** Being written to: the last close has not come yet. */
  isOpen(node: ItemKey): boolean;
  /** Deleted here while somebody has it open whose bytes are not all here: its delete waits, so that reading can go on. */
  isStillRead?(node: ItemKey): boolean;
  /** The puller: takes states read by id, and fetches a whole round of changes. */
  readonly cloud: {
    absorb(changes: readonly CloudChange[], signal?: AbortSignal): Promise<Result<undefined, Fault>>;
    sync(): Promise<Result<undefined, Fault>>;
  };
  /**
   * A request of the node was acknowledged, or is known not to have been carried out; called in the same turn as the transaction, before
   * anything else can happen: the file at the place of a node that is gone here may take its item over.
   */
  acknowledged(node: ItemKey): void;
  /** After every transaction that changed what people see, for the kernel's caches.. */
  applied(applied: Applied): void;
  /** An answer showed that the cloud has moved or cannot be reached: the puller should look. */
  stirred(): void;
  onDefect(error: unknown): void;
}

export interface FlushStatus {
  /** Changes not in the cloud yet that will go by themselves, those below included. */
  readonly pending: number;
  /** Of these: requests under way. */
  readonly running: number;
  /** Of these: files whose bytes are being sent. */
  readonly uploading: readonly ItemKey[];
  /** Of these: waiting for the settle window or for the last close. */
  readonly settling: number;
  /** Wait for a person: refused for good, or dependent on such a one. */
  readonly parked: number;
  /** Deletions that wait for a person's word. */
  readonly held: number;
  /** Bytes still to be sent. */
  readonly bytes: number;
  /** Why things wait, for a person: reason and how many. */
  readonly waiting: readonly { readonly reason: string; readonly count: number }[];
}

export interface Flusher {
  /**
   * Something was written to the log, or the trees changed. Cheap: may be called for every operation. `settling`: it was nothing but acts
   * of now, none of which may be sent before its settle window ends.
   */
  wake(settling?: boolean): void;
  /** The network is back, or somebody signed in: ends the waiting for it. */
  resume(): void;
  /** Ends settle windows and backoff; resolves when nothing is pending that could go now. */
  sync(signal?: AbortSignal): Promise<FlushStatus>;
  status(): FlushStatus;
  /** Tries a parked operation again. */
  retry(op: OpId): Result<undefined, Fault>;
  /**
   * Gives up an operation that is not under way: the cloud does not get it. Bytes that lose their file by that are kept beside it, as a
   * conflict copy that never leaves this machine; an item that the cloud does not have stays where it is, likewise.
   */
  cancel(op: OpId): Promise<Result<undefined, Fault>>;
  /** Takes back all that the operation's item has pending: it is again as the cloud has it. Bytes are kept as `cancel` keeps them. */
  undo(op: OpId): Promise<Result<undefined, Fault>>;
  /** Lets the held deletions go; returns how many. */
  releaseHeld(): number;
  /** Takes the held deletions back: the items are there again, but for those whose place is taken; returns how many. */
  undoHeld(): Result<number, Fault>;
  /** Pushes on for that long, then cuts what is under way; returns what stays queued. */
  stop(deadlineMs: number): Promise<FlushStatus>;
}
