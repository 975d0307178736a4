/**
 * A set of byte positions as sorted, disjoint, non-touching half-open ranges: what of a file is here. Flattened [from, to, from, to...],
 * as the `cached` rows hold it. Looking up costs the logarithm of the number of ranges.
 */
import { assert } from "../base/assert.ts";

export type Span = readonly [from: number, to: number];

export class Ranges {
  #edges: number[];
  #total = 0;

  /** `edges` as `toArray` gave them; a list that is not sorted and disjoint is refused. */
  constructor(edges: readonly number[] = []) {
    assert(edges.length % 2 === 0, "ranges come in pairs");
    for (let i = 1; i < edges.length; i++) assert(edges[i - 1]! < edges[i]!, "ranges are sorted and disjoint");
    this.#edges = [...edges];
    this.#total = lengthOf(edges);
  }

  /** Adds [from, to); returns how many of its bytes are new. */
  add(from: number, to: number): number {
    if (from >= to) return 0;
    const edges = this.#edges;
    // Ranges [first, last) touch the new one: the first that ends at or after `from`, to the last that begins at or before `to`.
    const first = this.#after(from - 1) & ~1;
    let last = first;
    while (last < edges.length && edges[last]! <= to) last += 2;
    const start = last > first ? Math.min(from, edges[first]!) : from;
    const end = last > first ? Math.max(to, edges[last - 1]!) : to;
    const added = end - start - lengthOf(edges.splice(first, last - first, start, end));
    this.#total += added;
    return added;
  }

  covers(from: number, to: number): boolean {
    if (from >= to) return true;
    const at = this.#after(from);
    return at % 2 === 1 && this.#edges[at]! >= to;
  }

  /** The parts of [from, to) that are not in the set. */
  missing(from: number, to: number): Span[] {
    const gaps: Span[] = [];
    const edges = this.#edges;
    let position = from;
    for (let at = this.#after(from) & ~1; position < to && at < edges.length; at += 2) {
      if (edges[at]! >= to) break;
      if (edges[at]! > position) gaps.push([position, edges[at]!]);
      position = Math.max(position, edges[at + 1]!);
    }
    if (position < to) gaps.push([position, to]);
    return gaps;
  }

  clear(): void {
    this.#edges = [];
    this.#total = 0;
  }

  get isEmpty(): boolean {
    return this.#edges.length === 0;
  }

  /** Bytes in the set. */
  get total(): number {
    return this.#total;
  }

  /** The position after the last byte. */
  get end(): number {
    return this.#edges.at(-1) ?? 0;
  }

  toArray(): readonly number[] {
    return [...this.#edges];
  }

  /** Index of the first edge greater than `position`; odd: `position` lies in a range. */
  #after(position: number): number {
    let low = 0;
    let high = this.#edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#edges[middle]! > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function lengthOf(edges: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < edges.length; i += 2) sum += edges[i + 1]! - edges[i]!;
  return sum;
}

/** The parts of `span` that none of `others` covers. */
export function without(span: Span, others: Iterable<Span>): Span[] {
  const taken = new Ranges();
  for (const [from, to] of others) taken.add(from, to);
  return taken.missing(span[0], span[1]);
}
