/**
 * Lazy iteration over a table that stays a snapshot: entries are fetched in growing chunks, and before the table is changed every
 * iteration still under way fetches the rest of what it will show. So an iteration costs what is consumed of it, holds no
 * cursor, and may be abandoned.
 */
import type { Key, Range } from "./store.ts";

type Entry<V> = readonly [Key, V];
type Fetch<V> = (range: Range<Key>, most: number, after: Key | undefined) => Entry<V>[];

const FIRST_CHUNK = 8;
const LARGEST_CHUNK = 512;

export interface LiveRanges<V> {
  iterate(range: Range<Key>): Iterable<Entry<V>>;
  /** To be called before every change of the table. */
  beforeChange(): void;
}

export function liveRanges<V>(fetch: Fetch<V>): LiveRanges<V> {
  const live = new Set<Iteration<V>>();
  return {
    *iterate(range) {
      const iteration = new Iteration(range, fetch);
      live.add(iteration);
      try {
        for (let entry = iteration.next(); entry; entry = iteration.next()) yield entry;
      } finally {
        live.delete(iteration);
      }
    },
    beforeChange() {
      if (live.size === 0) return;
      for (const iteration of live) iteration.fetchRest();
      live.clear();
    },
  };
}

class Iteration<V> {
  private fetched: Entry<V>[] = [];
  private shown = 0;
  private last: Key | undefined;
  private left: number;
  private chunk: number;
  private readonly range: Range<Key>;
  private readonly fetch: Fetch<V>;

  constructor(range: Range<Key>, fetch: Fetch<V>) {
    this.range = range;
    this.fetch = fetch;
    this.left = range.limit ?? Infinity;
    this.chunk = Math.min(range.expect ?? FIRST_CHUNK, LARGEST_CHUNK);
  }

  next(): Entry<V> | undefined {
    if (this.shown === this.fetched.length) {
      this.fetched = this.more(this.chunk);
      this.shown = 0;
      this.chunk = Math.min(this.chunk * 4, LARGEST_CHUNK);
    }
    return this.fetched[this.shown++];
  }

  fetchRest(): void {
    this.fetched = this.fetched.slice(this.shown).concat(this.more(Infinity));
    this.shown = 0;
  }

  private more(most: number): Entry<V>[] {
    if (this.left === 0) return [];
    const wanted = Math.min(most, this.left);
    const entries = this.fetch(this.range, wanted, this.last);
    this.last = entries.at(-1)?.[0] ?? this.last;
    this.left = entries.length < wanted ? 0 : this.left - entries.length;
    return entries;
  }
}
