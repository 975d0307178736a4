/**
 * The plan in use and when to make a new one. It is kept while answers are what it expected (each step is checked again when it
 * starts), so thousands of uploads cost a few plans, not one each. Planning never takes more than a small part of the time.
 */
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { BACKOFF_FIRST_MS, PLAN_INTERVAL_MS } from "../model/limits.ts";
import { StoreFull } from "../store/store.ts";
import type { FlusherOptions } from "./flusher.ts";
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
  readonly #options: FlusherOptions;

  constructor(options: FlusherOptions) {
    this.#options = options;
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
    return this.#options.clock.now() >= this.nextAt;
  }

  /** A plan may be made for somebody who asks how things stand. */
  get mayShow(): boolean {
    return this.#options.clock.now() >= this.#nextAt;
  }

  make(): void {
    const { clock, log } = this.#options;
    const beganAt = (this.#beganAt = clock.now());
    const outcome = this.#outcome();
    this.#nextAt = clock.now() + Math.max(PLAN_INTERVAL_MS, 10 * (clock.now() - beganAt));
    this.#stale = this.#moved = this.#onlySettling = false;
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
    const { apply, store, log } = this.#options;
    try {
      const outcome = apply.plan();
      if (!outcome.ok) return outcome;
      const held = holdMassDeletion(store, outcome.value);
      if (held > 0) log.fault(`${held} deletions are held: release them or take them back`);
      return ok(schedule(store.read, outcome.value));
    } catch (error) {
      if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
      throw error;
    }
  }
}
