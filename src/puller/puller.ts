/**
 * Brings the cloud here. At first it enumerates the whole drive in the background, folders that somebody opens first (`list`);
 * then it asks for changes every `pollMs`. Everything goes into the Mirror through `apply`, whole rounds at a time.
 *
 * Guarantees: the cursor is stored in the transaction that applies what lies before it; nothing is ever removed because it was
 * absent from an answer (only by a tombstone or a 404 by id); a round that does not fit is dropped, never applied in part; a
 * folder never listed gives a fault, never an empty listing. Never waits without a deadline, never sends a changing request.
 */
import { backoffMs } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { startLoop } from "../base/loop.ts";
import type { Random } from "../base/random.ts";
import type { Result } from "../base/result.ts";
import type { Applied, Apply } from "../apply/apply.ts";
import type { Drive, DriveInfo } from "../drive/drive.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { BACKOFF_FIRST_MS, BACKOFF_MOST_MS } from "../model/limits.ts";
import type { Store } from "../store/store.ts";
import { absorber } from "./absorb.ts";
import { auditor } from "./audit.ts";
import { accountFacts } from "./account.ts";
import { enumerateFirst } from "./enumerate.ts";
import { lister } from "./list.ts";
import { poller } from "./poll.ts";

export interface PullerOptions {
  readonly store: Store;
  readonly apply: Apply;
  readonly drive: Drive;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly pollMs: number;
  /** Longest wait of `list` for the network. */
  readonly listTimeoutMs: number;
  /** After every transaction that changed what people see. */
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
  /** Polls now: the network came back, or somebody saw that the cloud has moved. */
  wake(): void;
  status(): PullStatus;
  stop(): Promise<void>;
}

/** What the parts of the puller share. */
export interface Pulling extends PullerOptions {
  readonly absorb: ReturnType<typeof absorber>;
  isOnline(): boolean | undefined;
  /** Learns from every answer whether the cloud can be reached. */
  heard<T>(answer: Result<T, Fault>): Result<T, Fault>;
  /** Who the drive belongs to, read when not known or old. */
  knowDrive(signal?: AbortSignal): Promise<Result<DriveInfo | undefined, Fault>>;
}

export function createPuller(options: PullerOptions): Puller {
  const random = options.random.split("puller");
  const stopping = new AbortController();
  let online: boolean | undefined;
  let failures = 0;
  let lastFault: Fault | undefined;
  let waiting: ((result: Result<undefined, Fault>) => void)[] = [];
  let auditing: Promise<void> | undefined;

  const setOnline = (now: boolean): void => {
    if (online === now) return;
    online = now;
    options.log.trace(now ? "the cloud can be reached" : "the cloud cannot be reached");
    options.onlineChanged(now);
  };
  const heard = <T>(answer: Result<T, Fault>): Result<T, Fault> => {
    if (answer.ok) setOnline(true);
    else if (UNREACHABLE.includes(answer.fault.kind)) setOnline(false);
    return answer;
  };
  const reading = { ...options, heard, isOnline: () => online };
  const pulling: Pulling = { ...reading, absorb: absorber(reading), knowDrive: accountFacts(reading) };
  const list = lister(pulling);
  const audit = auditor(pulling);
  const poll = poller(pulling, audit);

  const once = async (signal: AbortSignal): Promise<Result<undefined, Fault>> => {
    const known = await pulling.knowDrive(signal);
    if (!known.ok) return known;
    const enumerated = options.store.read.meta.get("enumerated") === true;
    return enumerated ? await poll(signal) : await enumerateFirst(pulling, signal);
  };
  const napMs = (outcome: Result<undefined, Fault>): number => {
    if (outcome.ok) return Math.round(options.pollMs * (0.9 + random.next() / 5));
    const wait = backoffMs(failures, random, { firstMs: BACKOFF_FIRST_MS, mostMs: BACKOFF_MOST_MS });
    return Math.max(wait, outcome.fault.retryAfterMs ?? 0);
  };
  const startAudit = (): void => {
    auditing ??= audit
      .run(stopping.signal)
      .catch(options.onDefect)
      .finally(() => (auditing = undefined));
  };
  const loop = startLoop({
    clock: options.clock,
    onDefect: options.onDefect,
    async round(signal) {
      const asked = waiting;
      waiting = [];
      const outcome = await once(signal);
      failures = outcome.ok ? 0 : failures + 1;
      lastFault = outcome.ok ? undefined : outcome.fault;
      if (!outcome.ok) tell(options.log, failures, outcome.fault);
      else if (audit.due()) startAudit();
      for (const resolve of asked) resolve(outcome);
      return napMs(outcome);
    },
  });

  return {
    list: (folder) => list(folder),
    sync() {
      if (stopping.signal.aborted) return Promise.resolve(STOPPED);
      return new Promise((resolve) => {
        waiting.push(resolve);
        loop.wake();
      });
    },
    absorb: (changes, signal) => pulling.absorb({ changes }, signal),
    wake: () => loop.wake(),
    status: () => ({
      online,
      enumerated: options.store.read.meta.get("enumerated") === true,
      polledAt: options.store.read.meta.get("polledAt") as number | undefined,
      lastFault,
    }),
    async stop() {
      stopping.abort();
      await loop.stop();
      await auditing;
      for (const resolve of waiting) resolve(STOPPED);
      waiting = [];
    },
  };
}

const STOPPED = fault("interrupted", "the mount is ending");

/** No answer of this service came: reads of missing bytes need not be tried. */
const UNREACHABLE: readonly Fault["kind"][] = ["offline", "timedOut", "garbled", "signedOut"];

function tell(log: Log, failures: number, last: Fault): void {
  if (last.kind === "interrupted") return;
  const line = `asking for changes failed: ${last.why}`;
  // The first failure and then rarely: bounded lines for an outage of any length.
  if (failures > 1 && (failures & (failures - 1)) === 0 && failures >= 8) log.fault(line, { tries: failures });
  else log.trace(line, { kind: last.kind, tries: failures });
}
