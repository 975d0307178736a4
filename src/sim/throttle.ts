/** Throttling by units in a sliding minute; off until a limit is set. Refused calls count too, as the service counts them. */
import { Refusal } from "./refusal.ts";

const WINDOW_MS = 60_000;

export class Throttle {
  unitsPerMinute = Infinity;
  #spent: { atMs: number; units: number }[] = [];

  /** Throws 429 with Retry-After when the minute's units are used up. */
  spend(units: number, nowMs: number): void {
    if (this.unitsPerMinute === Infinity) return;
    this.#spent = this.#spent.filter((each) => each.atMs > nowMs - WINDOW_MS);
    const sum = this.#spent.reduce((total, each) => total + each.units, 0);
    this.#spent.push({ atMs: nowMs, units });
    if (sum + units <= this.unitsPerMinute) return;
    const waitMs = (this.#spent[0]?.atMs ?? nowMs) + WINDOW_MS - nowMs;
    throw new Refusal(429, "activityLimitReached", {
      message: "The request has been throttled",
      headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) },
    });
  }
}
