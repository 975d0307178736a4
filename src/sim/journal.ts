/**
 * The change journal of one drive: which item changed at which sequence number. Only an item's last entry counts (the one
 * whose number equals the item's `seq`); older ones are passed over and now and then squeezed out. A delta round is a walk
 * from a number to the end, so it gives the latest state once per item, in the order of the changes, without keeping
 * events.
 */
import type { Item } from "./item.ts";

const SQUEEZE_AT = 4096;

export class Journal {
  #items: Item[] = [];
  #seqs: number[] = [];
  #times: number[] = [];
  #countAtSqueeze = 0;

  append(item: Item, at: number): void {
    this.#items.push(item);
    this.#seqs.push(item.seq);
    this.#times.push(at);
    if (this.#items.length > 2 * this.#countAtSqueeze + SQUEEZE_AT) this.#squeeze();
  }

  /** Entries after `seq`, oldest first, up to `until` (a time: later entries stay hidden, as when the journal lags). */
  *after(seq: number, until = Infinity): Iterable<Item> {
    for (let i = this.#firstAfter(seq); i < this.#items.length; i++) {
      if (this.#times[i]! > until) return;
      const item = this.#items[i]!;
      if (item.seq === this.#seqs[i]) yield item;
    }
  }

  /** The number of the last entry made at or before `until`. */
  headAt(until: number, head: number): number {
    let i = this.#times.length;
    while (i > 0 && this.#times[i - 1]! > until) i--;
    return i === this.#times.length ? head : (this.#seqs[i - 1] ?? 0);
  }

  /** The number of the last entry made before `time`. */
  seqAtTime(time: number): number {
    let [low, high] = [0, this.#times.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle]! < time) low = middle + 1;
      else high = middle;
    }
    return this.#seqs[low - 1] ?? 0;
  }

  #firstAfter(seq: number): number {
    let [low, high] = [0, this.#seqs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#seqs[middle]! <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #squeeze(): void {
    const kept = this.#items.flatMap((item, i) => (item.seq === this.#seqs[i] ? [i] : []));
    this.#items = kept.map((i) => this.#items[i]!);
    this.#seqs = kept.map((i) => this.#seqs[i]!);
    this.#times = kept.map((i) => this.#times[i]!);
    this.#countAtSqueeze = kept.length;
  }
}
