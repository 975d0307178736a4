/** The puller at work: one round after another (enumeration, then polling), beside them listings and the audit. */
import { backoffMs } from "../base/backoff.ts";
import type { Log } from "../base/log.ts";
import { startLoop, type Loop } from "../base/loop.ts";
import type { Random } from "../base/random.ts";
import { ok, type Result } from "../base/result.ts";
import type { CloudChange } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { BACKOFF_FIRST_MS, BACKOFF_MOST_MS, SIGNED_OUT_LOOK_MS } from "../model/limits.ts";
import { absorber, strongReads } from "./absorb.ts";
import { accountFacts, rootId } from "./account.ts";
import { StoreFull } from "../store/store.ts";
import { auditor, type Auditor } from "./audit.ts";
import { enumerateFirst } from "./enumerate.ts";
import { lister } from "./list.ts";
import { poller } from "./poll.ts";
import type { Puller, PullerOptions, PullStatus } from "./puller.ts";
import type { Pulling } from "./pulling.ts";

type Outcome = Result<undefined, Fault>;

const STOPPED = fault("interrupted", "the mount is ending");

/** No answer of this service came: reads of missing bytes need not be tried. */
const UNREACHABLE: readonly Fault["kind"][] = ["offline", "timedOut", "garbled", "signedOut"];

export function createPuller(options: PullerOptions): Puller {
  return new Rounds(options);
}

class Rounds implements Puller {
  readonly #options: PullerOptions;
  readonly #random: Random;
  readonly #pulling: Pulling;
  readonly #list: (folder: ItemKey) => Promise<Outcome>;
  readonly #audit: Auditor;
  readonly #poll: (signal: AbortSignal) => Promise<Outcome>;
  readonly #stopping = new AbortController();
  readonly #loop: Loop;
  #online: boolean | undefined;
  #failures = 0;
  #lastFault: Fault | undefined;
  #askers: ((outcome: Outcome) => void)[] = [];
  #auditing: Promise<Outcome> | undefined;

  constructor(options: PullerOptions) {
    this.#options = options;
    this.#random = options.random.split("puller");
    const reading = {
      ...options,
      isOnline: () => this.#online,
      heard: <T>(answer: Result<T, Fault>) => this.#heard(answer),
    };
    this.#pulling = { ...reading, absorb: absorber(reading), knowDrive: accountFacts(reading) };
    this.#list = lister(this.#pulling);
    this.#audit = auditor(this.#pulling);
    this.#poll = poller(this.#pulling, this.#audit);
    this.#loop = startLoop({
      clock: options.clock,
      onDefect: options.onDefect,
      round: (signal) => this.#round(signal),
    });
  }

  list(folder: ItemKey): Promise<Outcome> {
    return unlessFull(this.#list(folder));
  }

  sync(): Promise<Outcome> {
    if (this.#stopping.signal.aborted) return Promise.resolve(STOPPED);
    return new Promise((resolve) => {
      this.#askers.push(resolve);
      this.#loop.wake();
    });
  }

  absorb(changes: readonly CloudChange[], signal?: AbortSignal): Promise<Outcome> {
    return unlessFull(this.#pulling.absorb({ changes }, signal));
  }

  audit(): Promise<Outcome> {
    return unlessFull(this.#auditNow());
  }

  async #auditNow(): Promise<Outcome> {
    if (this.#stopping.signal.aborted) return STOPPED;
    const known = await this.#pulling.knowDrive(this.#stopping.signal);
    if (!known.ok) return known;
    this.#auditing ??= this.#audit.run(this.#stopping.signal).finally(() => (this.#auditing = undefined));
    return this.#auditing;
  }

  async reread(node: ItemKey): Promise<Outcome> {
    const id = this.#options.store.read.mirror.get(node)?.id;
    if (id === undefined) return ok();
    const states = await strongReads(this.#pulling, [id], this.#stopping.signal);
    return states.ok ? this.absorb(states.value, this.#stopping.signal) : states;
  }

  wake(): void {
    this.#loop.wake();
  }

  status(): PullStatus {
    const { meta } = this.#options.store.read;
    return {
      online: this.#online,
      enumerated: meta.get("enumerated") === true,
      polledAt: meta.get("polledAt") as number | undefined,
      lastFault: this.#lastFault,
    };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop.stop();
    // Its own failure was told to whoever started it.
    await this.#auditing?.catch(() => undefined);
    for (const answer of this.#askers) answer(STOPPED);
    this.#askers = [];
  }

  async #round(signal: AbortSignal): Promise<number> {
    const asked = this.#askers;
    this.#askers = [];
    const outcome = await unlessFull(this.#once(signal));
    this.#failures = outcome.ok ? 0 : this.#failures + 1;
    this.#lastFault = outcome.ok ? undefined : outcome.fault;
    if (!outcome.ok) tell(this.#options.log, this.#failures, outcome.fault);
    else this.#giveNamesBack();
    if (outcome.ok && this.#audit.due()) this.audit().catch(this.#options.onDefect);
    for (const answer of asked) answer(outcome);
    return this.#napMs(outcome);
  }

  #giveNamesBack(): void {
    const applied = this.#options.apply.giveNamesBack();
    if (applied) this.#options.applied(applied);
  }

  async #once(signal: AbortSignal): Promise<Outcome> {
    const known = await this.#pulling.knowDrive(signal);
    if (!known.ok) return known;
    const root = await rootId(this.#pulling, signal);
    if (!root.ok) return root;
    const enumerated = this.#options.store.read.meta.get("enumerated") === true;
    return enumerated ? await this.#poll(signal) : await enumerateFirst(this.#pulling, signal);
  }

  #napMs(outcome: Outcome): number {
    if (outcome.ok) return Math.round(this.#options.pollMs * (0.9 + this.#random.next() / 5));
    // The sign-in said so itself, without asking anybody, and notices new tokens when it is asked for one.
    if (outcome.fault.kind === "signedOut" && outcome.fault.status === undefined) return SIGNED_OUT_LOOK_MS;
    const wait = backoffMs(this.#failures, this.#random, { firstMs: BACKOFF_FIRST_MS, mostMs: BACKOFF_MOST_MS });
    return Math.max(wait, outcome.fault.retryAfterMs ?? 0);
  }

  #heard<T>(answer: Result<T, Fault>): Result<T, Fault> {
    if (answer.ok) this.#setOnline(true);
    else if (UNREACHABLE.includes(answer.fault.kind)) this.#setOnline(false);
    return answer;
  }

  #setOnline(online: boolean): void {
    if (this.#online === online) return;
    this.#online = online;
    this.#options.log.trace(online ? "the cloud can be reached" : "the cloud cannot be reached");
    this.#options.onlineChanged(online);
  }
}

/** A full disk passes: nothing was changed, and the same is done again later. */
async function unlessFull(work: Promise<Outcome>): Promise<Outcome> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
    throw error;
  }
}

/** The first failures of an outage are traced; a long one is told rarely. */
function tell(log: Log, failures: number, last: Fault): void {
  if (last.kind === "interrupted") return;
  const line = `asking for changes failed: ${last.why}`;
  const isPowerOfTwo = (failures & (failures - 1)) === 0;
  if (failures >= 8 && isPowerOfTwo) log.fault(line, { tries: failures });
  else log.trace(line, { kind: last.kind, tries: failures });
}
