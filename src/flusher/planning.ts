/**
 * The plan in use and when to make a new one. It is kept while answers are what it expected (each step is checked again when it
 * starts), so thousands of uploads cost a few plans, not one each. Planning never takes more than a small part of the time, and a
 * large plan is made in turns with everything else, on a snapshot of the tables: what moves meanwhile is for the next one.
 */
import { assert } from "../base/assert.ts";
import { inTurns } from "../base/loop.ts";
import { ok, type Result } from "../base/result.ts";
import { atOnce, type Stepwise } from "../base/stepwise.ts";
import { fault, type Fault } from "../model/fault.ts";
import { BACKOFF_FIRST_MS, PLAN_AT_ONCE_NODES, PLAN_INTERVAL_MS, PLAN_STEPS_PER_TURN } from "../model/limits.ts";
import { StoreFull, type Reader } from "../store/store.ts";
import type { FlusherOptions, PlanSteps } from "./flusher.ts";
import { holdMassDeletion } from "./mass-delete.ts";
import { EMPTY, schedule, type Schedule } from "./schedule.ts";

export class Planning {
  current: Schedule = EMPTY;
  /** Why no plan can be made. */
  fault: Fault | undefined;
  #stale = true;
  #moved = true;
  /** All that moved since the last plan is still settling. */
  #onlySettling = false;
  #beganAt = 0;
  #nextAt = 0;
  #making = false;
  readonly #options: FlusherOptions;
  readonly #steps: PlanSteps;

  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#steps = options.planning ?? { atOnce: PLAN_AT_ONCE_NODES, perTurn: PLAN_STEPS_PER_TURN };
  }

  /** True when something was recorded since the plan was made. */
  get stale(): boolean {
    return this.#stale;
  }

  /** True when it was not by a step of the plan: then the plan is not to be used for long. */
  get moved(): boolean {
    return this.#moved;
  }

  /** Milliseconds since the epoch from which a new plan may be made: not before one could send something that the last could not. */
  get nextAt(): number {
    return this.#onlySettling ? Math.max(this.#nextAt, this.#beganAt + this.#options.writeBackMs) : this.#nextAt;
  }

  /** A step of the plan was acknowledged. */
  advance(): void {
    this.#stale = true;
  }

  /** The trees or the log moved otherwise. */
  move(): void {
    this.#stale = this.#moved = true;
    this.#onlySettling = false;
  }

  /** They moved by acts whose settle window begins now. */
  settle(): void {
    if (!this.#moved) this.#onlySettling = true;
    this.#stale = this.#moved = true;
  }

  /** The next plan may be made at once. */
  hurry(): void {
    this.move();
    this.#nextAt = 0;
  }

  get mayMake(): boolean {
    return !this.#making && this.#options.clock.now() >= this.nextAt;
  }

  /** A plan may be made for somebody who asks how things stand. */
  get mayShow(): boolean {
    return !this.#making && this.isQuick && this.#options.clock.now() >= this.#nextAt;
  }

  /** True while a plan is being made in turns with everything else; until it is there the last one stays in use. */
  get making(): boolean {
    return this.#making;
  }

  /** Whether the plan is small enough to be made in one go. */
  get isQuick(): boolean {
    return this.#options.store.read.local.count <= this.#steps.atOnce;
  }

  /** In one go and undefined when it is small or `atOnce` is asked for; else `made` is called, without a pause after, when it is there. */
  make(how: { readonly signal: AbortSignal; readonly atOnce?: boolean; made(): void }): Promise<void> | undefined {
    assert(!this.#making, "one plan is made at a time");
    this.#beganAt = this.#options.clock.now();
    this.#stale = this.#moved = this.#onlySettling = false;
    if (how.atOnce || this.isQuick) {
      this.#made(this.#outcome());
      how.made();
      return undefined;
    }
    this.#making = true;
    return this.#makeInTurns(how);
  }

  async #makeInTurns({ signal, made }: { readonly signal: AbortSignal; made(): void }): Promise<void> {
    const snapshot = this.#options.store.snapshot();
    try {
      const outcome = await this.#unlessFull(() => inTurns(this.#work(snapshot.read), this.#steps.perTurn, signal));
      if (outcome) this.#made(outcome);
      else this.move();
    } finally {
      snapshot.end();
      this.#making = false;
    }
    made();
  }

  #made(outcome: Result<Schedule, Fault>): void {
    const { clock, log } = this.#options;
    this.#nextAt = clock.now() + Math.max(PLAN_INTERVAL_MS, 10 * (clock.now() - this.#beganAt));
    if (outcome.ok) {
      this.fault = undefined;
      this.current = outcome.value;
      return;
    }
    if (!this.fault) log.fault(`nothing is sent: ${outcome.fault.why}`);
    this.fault = outcome.fault;
    this.current = EMPTY;
    if (outcome.fault.kind !== "noSpace") return;
    // The disk of the state folder is full: that passes without anybody saying so.
    this.move();
    this.#nextAt = clock.now() + BACKOFF_FIRST_MS;
  }

  #outcome(): Result<Schedule, Fault> {
    try {
      return atOnce(this.#work(this.#options.store.read));
    } catch (error) {
      return whenFull(error);
    }
  }

  async #unlessFull<T>(work: () => Promise<T>): Promise<T | Result<never, Fault>> {
    try {
      return await work();
    } catch (error) {
      return whenFull(error);
    }
  }

  *#work(read: Reader): Stepwise<Result<Schedule, Fault>> {
    const { apply, store, log } = this.#options;
    yield* apply.tidy(read);
    const outcome = yield* apply.planOn(read);
    if (!outcome.ok) return outcome;
    const held = yield* holdMassDeletion(store, outcome.value);
    if (held > 0) log.fault(`${held} deletions are held: release them or take them back`);
    return ok(yield* schedule(store.read, outcome.value, read));
  }
}

function whenFull(error: unknown): Result<never, Fault> {
  if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
  throw error;
}
