/**
 * The flusher at work: a loop that plans, starts what may start, and sleeps until something is due; steps run beside it and wake
 * it when they end. The order of a round: find out about requests without an answer, plan when the trees have moved, start what
 * is ready, answer those who wait in `sync`.
 */
import { failed, type Result } from "../base/result.ts";
import { limit } from "../base/limit.ts";
import { startLoop, type Loop } from "../base/loop.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey, OpId } from "../model/ids.ts";
import {
  NO_SPACE_WAIT_MS,
  PLAN_INTERVAL_MS,
  SIMPLE_UPLOAD_BYTES_MAX,
  SMALL_UPLOAD_BYTES_MAX,
  SMALL_UPLOADS_MAX,
  STEPS_MAX,
  SYNC_ROUNDS_MAX,
  UPLOADS_MAX,
} from "../model/limits.ts";
import { StoreFull } from "../store/store.ts";
import { blobOf } from "./begin.ts";
import type { Flusher, FlusherOptions, FlushStatus } from "./flusher.ts";
import { Foreground } from "./foreground.ts";
import { gather } from "./gather.ts";
import { groupBarrier } from "./group-barrier.ts";
import { letGo, nodesIn, park } from "./op-states.ts";
import { personsWords, type Words } from "./person.ts";
import { Planning } from "./planning.ts";
import { whyOf, type End, type Pushing } from "./pushing.ts";
import { Readiness } from "./readiness.ts";
import { resolve, unresolvedNodes } from "./resolve.ts";
import { Running, stateAfter } from "./running.ts";
import { runStep } from "./run-step.ts";
import { groupOf, isDelete, isSameStep, isUpload, type Entry } from "./schedule.ts";
import { dropOrphanSessions, dropSession } from "./session.ts";
import { statusOf } from "./status.ts";
import { Superseded } from "./superseded.ts";
import { VersionAudits } from "./version-audit.ts";
import { waits, type Waits } from "./waits.ts";

const NO_SPACE = "no space in the cloud";
const IDLE_NAP_MS = 60_000;
/** While steps run their ends wake the loop; what else becomes due may wait this long. */
const BUSY_NAP_MS = 200;
const DISK_FULL = fault("noSpace", "the disk of the state folder is full").fault;

export function createFlusher(options: FlusherOptions): Flusher {
  return new Engine(options);
}

class Engine implements Flusher {
  readonly #options: FlusherOptions;
  readonly #pushing: Pushing;
  readonly #stopping = new AbortController();
  readonly #waits: Waits;
  readonly #planning: Planning;
  readonly #readiness: Readiness;
  readonly #uploads = limit(UPLOADS_MAX);
  readonly #smallUploads = limit(SMALL_UPLOADS_MAX);
  readonly #running = new Map<ItemKey, Running>();
  /** Requests nobody knows the outcome of. */
  readonly #unresolved: Set<ItemKey>;
  readonly #superseded: Superseded;
  readonly #audits: VersionAudits;
  readonly #foreground: Foreground;
  readonly #words: Words;
  readonly #loop: Loop;
  #fullUntil = 0;
  #isEnding = false;
  /** The loop sleeps because it is too early for a plan. */
  #dozing = false;
  #telling = false;
  /** Something else than the trees has changed since the last look at what may start. */
  #changed = true;
  /** When that look has to be repeated in any case. */
  #lookAt = 0;
  #roundAt = 0;
  /** A plan that is being made in turns with everything else, and the steps that ended meanwhile: it may not know. */
  #making: Promise<void> = Promise.resolve();
  #ends: { readonly entry: Entry; readonly end: End }[] = [];
  #askers: { readonly at: number; answer(): void }[] = [];

  constructor(options: FlusherOptions) {
    this.#options = options;
    const calls = gather(options.drive, this.#stopping.signal);
    const durable = groupBarrier(() => options.store.barrier());
    this.#pushing = {
      ...options,
      calls,
      durable,
      fresh: new Map(),
      applied: (applied) => this.#quietly(() => options.applied(applied)),
      acknowledged: (node) => this.#quietly(() => options.acknowledged(node)),
    };
    this.#waits = waits(options.clock, options.random.split("flusher"));
    this.#planning = new Planning(options);
    this.#foreground = new Foreground(options.clock);
    this.#unresolved = new Set(unresolvedNodes(this.#pushing));
    const busy = (node: ItemKey): boolean => this.#running.has(node) || this.#unresolved.has(node);
    this.#words = personsWords(options, {
      isUnderWay: busy,
      dropUpload: (blob) => void dropSession(this.#pushing, blob).catch(options.onDefect),
      forgetWait: (node) => this.#waits.forget(node),
      wake: () => this.wake(),
    });
    this.#readiness = new Readiness(options, this.#waits, busy);
    this.#superseded = new Superseded(this.#pushing, busy);
    this.#audits = new VersionAudits(this.#pushing, { isBusy: busy, made: () => this.#planning.move() });
    this.#loop = startLoop({
      clock: options.clock,
      onDefect: options.onDefect,
      round: (signal) => this.#round(signal),
    });
    dropOrphanSessions(this.#pushing).catch((error: unknown) => this.#unlessFull(error));
  }

  wake(settling = false): void {
    // Word of our own acknowledgement comes back here: the plan expected it.
    if (this.#telling) return this.#planning.advance();
    const dueAt = this.#planning.nextAt;
    if (settling) this.#foreground.acted();
    if (settling) this.#planning.settle();
    else this.#planning.move();
    // A loop that sleeps until the next plan may be made need not be told of every act, unless the clock was set back meanwhile.
    const sooner = this.#planning.nextAt < dueAt || this.#options.clock.now() < this.#roundAt;
    if (!this.#dozing || sooner) this.#loop.wake();
  }

  resume(): void {
    this.#waits.end();
    this.#changed = true;
    this.#loop.wake();
  }

  async sync(signal?: AbortSignal): Promise<FlushStatus> {
    const at = this.#options.clock.now();
    this.#readiness.settledUntil = Math.max(this.#readiness.settledUntil, at);
    this.#waits.end();
    if (this.#fullUntil > 0) this.#madeRoom();
    this.#planning.hurry();
    this.#changed = true;
    await new Promise<void>((resolved) => {
      this.#askers.push({ at, answer: resolved });
      signal?.addEventListener("abort", () => resolved(), { once: true });
      if (signal?.aborted || this.#stopping.signal.aborted) resolved();
      this.#loop.wake();
    });
    return this.status();
  }

  status(): FlushStatus {
    const { stale, mayShow, isQuick, making, current } = this.#planning;
    const isEmpty = current.entries.every((entry) => entry.state === "done");
    if (stale && !making && (mayShow || (isQuick && isEmpty))) this.#plan();
    return statusOf({
      read: this.#options.store.read,
      planning: this.#planning,
      readiness: this.#readiness,
      waits: this.#waits,
      running: this.#running,
      unresolved: this.#unresolved,
    });
  }

  retry(op: OpId): Result<undefined, Fault> {
    return this.#words.retry(op);
  }

  cancel(op: OpId): Promise<Result<undefined, Fault>> {
    return this.#words.cancel(op);
  }

  undo(op: OpId): Promise<Result<undefined, Fault>> {
    return this.#words.undo(op);
  }

  releaseHeld(): number {
    return this.#words.releaseHeld();
  }

  undoHeld(): Result<number, Fault> {
    return this.#words.undoHeld();
  }

  async stop(deadlineMs: number): Promise<FlushStatus> {
    this.#isEnding = true;
    const late = new AbortController();
    const cancel = this.#options.clock.after(deadlineMs, () => late.abort());
    // What the merge writes to the log meanwhile has a settle window of its own.
    for (let round = 0; round < SYNC_ROUNDS_MAX && deadlineMs > 0 && !late.signal.aborted; round++)
      if ((await this.sync(late.signal)).settling === 0) break;
    cancel();
    this.#stopping.abort();
    for (const running of this.#running.values()) running.end();
    await this.#loop.stop();
    await this.#making;
    await Promise.all([...this.#running.values()].map(({ done }) => done));
    for (const { answer } of this.#askers) answer();
    return this.status();
  }

  #quietly(tell: () => void): void {
    this.#telling = true;
    try {
      tell();
    } finally {
      this.#telling = false;
    }
  }

  // ---- one round ----

  async #round(signal: AbortSignal): Promise<number> {
    const now = this.#options.clock.now();
    if (now < this.#roundAt) this.#forgetTimes();
    this.#roundAt = now;
    const waitMs = this.#tooEarlyMs();
    this.#dozing = waitMs > 0;
    if (waitMs > 0) return waitMs;
    this.#changed = false;
    if (this.#fullUntil > 0 && this.#fullUntil <= this.#options.clock.now()) this.#madeRoom();
    try {
      if (!this.#waits.isPaused() && (await this.#clearUp(signal))) {
        await this.#audits.sweep(signal);
        this.#advance();
      }
      await this.#superseded.sweep();
    } catch (error) {
      if (!(error instanceof StoreFull)) throw error;
      this.#waits.pauseFor(DISK_FULL);
    }
    this.#answerAskers();
    const napMs = this.#napMs();
    this.#lookAt = this.#options.clock.now() + napMs;
    return napMs;
  }

  /** The clock was set back: what was to wait until some time would wait for as long as the clock was ahead. */
  #forgetTimes(): void {
    this.#waits.forgetTimes();
    this.#planning.hurry();
    this.#lookAt = 0;
    if (this.#fullUntil > 0) this.#madeRoom();
    this.#changed = true;
  }

  /** When only the trees have moved and it is too early for a plan, there is nothing to do: a thousand writes are not a thousand looks. */
  #tooEarlyMs(): number {
    if (this.#changed || !this.#planning.moved) return 0;
    const until = Math.min(this.#planning.nextAt, this.#lookAt);
    return Math.max(0, until - this.#options.clock.now());
  }

  #advance(): void {
    if (this.#planning.moved && this.#planning.mayMake) this.#plan();
    this.#start();
    if (!this.#planning.stale || !this.#planning.mayMake) return;
    if (this.#readiness.someMayStart(this.#planning.current)) return;
    this.#plan();
    this.#start();
  }

  /** Finds out about requests without an answer, before anything else is sent. False when that cannot be done now. */
  async #clearUp(signal: AbortSignal): Promise<boolean> {
    for (const node of [...this.#unresolved].sort((a, b) => a - b)) {
      if (this.#running.has(node)) continue;
      const outcome = await this.#resolved(node, signal);
      if (!outcome.ok) {
        this.#waits.pauseFor(outcome.fault);
        return false;
      }
      this.#unresolved.delete(node);
      this.#planning.move();
    }
    return true;
  }

  async #resolved(node: ItemKey, signal: AbortSignal): Promise<Result<undefined, Fault>> {
    try {
      return await resolve(this.#pushing, node, signal);
    } catch (error) {
      if (error instanceof StoreFull) return failed(DISK_FULL);
      throw error;
    }
  }

  #plan(): void {
    this.#ends = [];
    const making = this.#planning.make({ signal: this.#stopping.signal, made: () => this.#planned() });
    if (!making) return;
    this.#making = making
      .catch((error: unknown) => this.#options.onDefect(error))
      .finally(() => {
        this.#changed = true;
        this.#loop.wake();
      });
  }

  #planned(): void {
    this.#waits.tidy((node) => this.#running.has(node) || this.#planning.current.of(node).length > 0);
    for (const { entry, end } of this.#ends)
      for (const each of this.#planning.current.of(entry.step.node))
        if (isSameStep(each, entry)) each.state = stateAfter(end, true);
    for (const entry of this.#planning.current.entries) {
      const mine = this.#running.get(entry.step.node);
      if (!mine) continue;
      entry.state = "running";
      // A large upload of bytes that nobody wants any more ends for the newer ones; a small one may finish.
      const outdated = isUpload(mine.entry.step) && blobOf(this.#options.store.read, mine.entry.step) === undefined;
      const large = isUpload(mine.entry.step) && mine.entry.step.bytes.size > SIMPLE_UPLOAD_BYTES_MAX;
      if (outdated && large && this.#readiness.isSettled(entry)) mine.cut();
    }
  }

  #start(): void {
    const plan = this.#planning.current;
    const groups = new Set(
      plan
        .others()
        .filter((entry) => entry.state === "running")
        .map(groupOf),
    );
    for (const entry of plan.others()) {
      if (this.#running.size >= STEPS_MAX || this.#mustWait()) return;
      const group = groupOf(entry);
      if (!this.#mayStart(entry) || (group !== undefined && groups.has(group))) continue;
      groups.add(group);
      this.#launch(entry);
    }
    let uploading = [...this.#running.values()].filter(({ entry }) => isUpload(entry.step)).length;
    for (const entry of plan.uploads()) {
      if (uploading >= 2 * SMALL_UPLOADS_MAX || this.#mustWait() || this.#givesWayMs() > 0) return;
      if (!this.#mayStart(entry)) continue;
      if (this.#fullUntil > this.#options.clock.now()) {
        this.#park(entry.step.node, NO_SPACE);
        continue;
      }
      uploading++;
      this.#foreground.started();
      this.#launch(entry);
    }
  }

  /** Deletions are judged as a whole: those of a plan that knows of all. */
  #mayStart(entry: Entry): boolean {
    const { current, moved, making } = this.#planning;
    return this.#readiness.mayStart(current, entry) && !(isDelete(entry.step) && (moved || making));
  }

  #mustWait(): boolean {
    return this.#waits.isPaused() || this.#stopping.signal.aborted;
  }

  /** Whoever waits for the push is served as fast as can be. */
  #givesWayMs(): number {
    return this.#askers.length > 0 ? 0 : this.#foreground.waitMs();
  }

  // ---- one step ----

  #launch(entry: Entry): void {
    const { step } = entry;
    const running = new Running(entry, isUpload(step) ? blobOf(this.#options.store.read, step) : undefined);
    entry.state = "running";
    const task = (): Promise<End> => this.#run(entry, running.signal);
    const slots = isUpload(step) && step.bytes.size <= SMALL_UPLOAD_BYTES_MAX ? this.#smallUploads : this.#uploads;
    running.done = (isUpload(step) ? slots.run(task) : task())
      .then((end) => this.#ended(entry, end))
      .catch((error: unknown) => this.#unlessFull(error, step.node))
      .finally(() => {
        this.#running.delete(step.node);
        this.#changed = true;
        this.#loop.wake();
      });
    this.#running.set(step.node, running);
  }

  /** The state folder's disk may be full at any record: then the outcome is to be found out when there is room. */
  async #run(entry: Entry, signal: AbortSignal): Promise<End> {
    if (signal.aborted) return { end: "stale", remerged: false, why: "nothing more is sent" };
    try {
      return await runStep(this.#pushing, entry.step, signal);
    } catch (error) {
      if (error instanceof StoreFull) return { end: "unclear", fault: DISK_FULL };
      throw error;
    }
  }

  /** What could not be recorded on a full disk is done again: the step is as it was. Everything else is a defect. */
  #unlessFull(error: unknown, node?: ItemKey): void {
    if (!(error instanceof StoreFull)) return this.#options.onDefect(error);
    this.#planning.move();
    if (node !== undefined) this.#waits.failed(node, DISK_FULL);
  }

  async #ended(entry: Entry, end: End): Promise<void> {
    const { node, action } = entry.step;
    if (this.#planning.making) this.#ends.push({ entry, end });
    for (const each of [entry, ...this.#planning.current.of(node)])
      if (each.state === "running") each.state = stateAfter(end, isSameStep(each, entry));
    this.#planning.advance();
    if (end.end !== "done") this.#options.log.trace(`${action} was not carried out: ${whyOf(end)}`, { node });
    const mine = this.#running.get(node);
    if (end.end !== "done" && mine?.blob !== undefined) this.#superseded.add(mine.blob);
    if (mine?.isCut && mine.blob !== undefined) await dropSession(this.#pushing, mine.blob);
    switch (end.end) {
      case "done":
        this.#waits.succeeded(node);
        if ((action === "deleteFile" || action === "deleteFolder") && this.#fullUntil > 0) this.#madeRoom();
        return;
      case "stale":
        this.#planning.move();
        if (!end.remerged) this.#waits.stalled(node);
        if (end.remerged && this.#waits.remerged(node)) this.#park(node, `the cloud keeps changing it: ${end.why}`);
        return;
      case "unclear":
        this.#unresolved.add(node);
        return this.#waits.pauseFor(end.fault);
      case "wait":
        return this.#waits.failed(node, end.fault, end.waitMs);
      case "pause":
        this.#waits.pauseFor(end.fault);
        return this.#options.stirred();
      case "full":
        this.#fullUntil = this.#options.clock.now() + NO_SPACE_WAIT_MS;
        return this.#park(node, NO_SPACE);
      case "park":
        this.#options.log.fault(`an operation needs attention: ${end.fault.why}`, { node });
        return this.#park(node, end.fault.why);
    }
  }

  #park(node: ItemKey, reason: string): void {
    this.#options.store.transact((tx) => park(tx, node, reason));
    this.#waits.forget(node);
    this.#planning.move();
  }

  /** Uploads that waited for room in the cloud are tried again. */
  #madeRoom(): void {
    const { store } = this.#options;
    const waiting = nodesIn(store.read, "parked", NO_SPACE);
    try {
      if (waiting.length > 0) store.transact((tx) => waiting.forEach((node) => letGo(tx, node)));
      this.#fullUntil = 0;
      this.#planning.move();
    } catch (error) {
      if (!(error instanceof StoreFull)) throw error;
      this.#fullUntil = this.#options.clock.now() + NO_SPACE_WAIT_MS;
    }
  }

  // ---- waiting ----

  /** Time has passed since the round looked: what became due meanwhile, which nothing else would wake the loop for, is due soon. */
  #napMs(): number {
    const now = this.#options.clock.now();
    const pause = this.#waits.pause();
    if (pause && pause.until > now) return pause.until - now;
    const givesWayMs = this.#givesWayMs();
    if (givesWayMs > 0) return givesWayMs;
    const { making, stale, nextAt, current } = this.#planning;
    if (this.#running.size > 0 || making) return BUSY_NAP_MS;
    const uploads = this.#fullUntil > now ? [] : current.uploads();
    const isDue = [...current.others(), ...uploads].some((entry) => this.#mayStart(entry));
    if (isDue || this.#unresolved.size > 0) return PLAN_INTERVAL_MS;
    let next = this.#readiness.nextAt(current, now, now + IDLE_NAP_MS);
    if (this.#fullUntil > 0) next = Math.min(next, this.#fullUntil);
    if (stale) next = Math.min(next, nextAt);
    return Math.max(1, next - now);
  }

  #answerAskers(): void {
    if (this.#askers.length === 0) return;
    const busy = this.#askers.filter(({ at }) => this.#isBusyFor(at));
    const free = this.#askers.filter((asker) => !busy.includes(asker));
    this.#askers = busy;
    for (const { answer } of free) answer();
  }

  /** Something recorded up to `at` could still go by itself, soon. */
  #isBusyFor(at: number): boolean {
    const pause = this.#waits.pause();
    // At the end it is the last chance for some time: the network may come back while there is time left.
    if (this.#waits.isPaused() && pause?.fault.kind === "offline") return this.#isEnding && this.status().pending > 0;
    if (this.#waits.isPaused() && pause) return pause.fault.kind !== "signedOut";
    if (this.#planning.fault) return false;
    if (this.#planning.stale || this.#planning.making || this.#unresolved.size > 0 || this.#running.size > 0)
      return true;
    const locked = (entry: Entry): boolean => this.#waits.lockedSince(entry.step.node, at);
    return this.#planning.current.entries.some((entry) => {
      if (entry.state === "done") return false;
      const { state } = this.#planning.current.standing(entry);
      const stuck = state === "parked" || state === "held" || locked(entry) || entry.needs.some(locked);
      // What was recorded before the clock was set back lies in the future.
      return !stuck && (entry.touchedAt <= at || entry.touchedAt > this.#options.clock.now());
    });
  }
}
