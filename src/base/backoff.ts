/** How long to wait before the next try: doubling with every failure up to a bound, with jitter so that many never try at once. */
import type { Random } from "./random.ts";

/** `tries` failures so far (1 or more): between half of and the whole of `firstMs * 2^(tries-1)`, at most `mostMs`. */
export function backoffMs(tries: number, random: Random, bounds: { firstMs: number; mostMs: number }): number {
  const whole = Math.min(bounds.mostMs, bounds.firstMs * 2 ** Math.min(Math.max(tries, 1) - 1, 30));
  return Math.round(whole * (0.5 + random.next() / 2));
}
