/** What of a plan may start now, and when the next thing is due. */
import type { ItemKey } from "../model/ids.ts";
import { viewLocal } from "../store/tree.ts";
import type { FlusherOptions } from "./flusher.ts";
import type { Entry, Schedule } from "./schedule.ts";
import type { Waits } from "./waits.ts";

export class Readiness {
  /** Acts up to here count as settled: somebody asked for everything to be pushed. */
  settledUntil = 0;
  readonly #options: FlusherOptions;
  readonly #waits: Waits;
  /** Nodes with a request under way, or one nobody knows the outcome of. */
  readonly #busy: (node: ItemKey) => boolean;

  constructor(options: FlusherOptions, waits: Waits, busy: (node: ItemKey) => boolean) {
    this.#options = options;
    this.#waits = waits;
    this.#busy = busy;
  }

  mayStart(schedule: Schedule, entry: Entry): boolean {
    const { node } = entry.step;
    if (entry.state !== "todo" || this.#busy(node)) return false;
    if (this.#waits.until(node) > this.#options.clock.now()) return false;
    if (entry.needs.some((need) => need.state !== "done") || !this.isSettled(entry)) return false;
    return schedule.standing(entry).state === "pending";
  }

  /** Quiet for the settle window, and not open: for writing, or (deleted ones) for reading what is not here yet. */
  isSettled(entry: Entry): boolean {
    if (entry.neededAt <= this.settledUntil) return true;
    return this.#quietAt(entry) <= this.#options.clock.now() && !this.#isHeldOpen(entry);
  }

  /** True when some entry may start. */
  someMayStart(schedule: Schedule): boolean {
    const may = (entry: Entry): boolean => this.mayStart(schedule, entry);
    return schedule.others().some(may) || schedule.uploads().some(may);
  }

  /** When the first entry becomes due after `since`, at the latest `latest`. */
  nextAt(schedule: Schedule, since: number, latest: number): number {
    let next = latest;
    for (const entry of schedule.entries) {
      if (entry.state !== "todo") continue;
      const quietAt = entry.neededAt <= this.settledUntil ? 0 : this.#quietAt(entry);
      const at = Math.max(quietAt, this.#waits.until(entry.step.node));
      if (at > since && at < next) next = at;
    }
    return next;
  }

  /** An act far in the future was recorded before the clock was set back: that is long enough ago. */
  #quietAt({ quietFrom }: Entry): number {
    const { clock, writeBackMs } = this.#options;
    return quietFrom > clock.now() + writeBackMs ? 0 : quietFrom + writeBackMs;
  }

  #isHeldOpen({ step }: Entry): boolean {
    const isStillRead = (node: ItemKey): boolean => this.#options.isStillRead?.(node) ?? false;
    if (step.action === "deleteFile") return isStillRead(step.node);
    if (step.action === "deleteFolder") return step.covers.some(isStillRead);
    if (step.action === "move" || !this.#options.isOpen(step.node)) return false;
    return viewLocal(this.#options.store.read, step.node)?.kind === "file";
  }
}
