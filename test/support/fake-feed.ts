/**
 * The change feed of the fake cloud: a journal of states, told as a round of changes between two serials. The last state of an id is
 * always its last entry; knobs repeat older ones, shuffle ids, and lose tombstones.
 */
import { present } from "../../src/base/assert.ts";
import type { Random } from "../../src/base/random.ts";
import type { CloudChange } from "../../src/model/change.ts";
import type { ItemId } from "../../src/model/ids.ts";
import type { CloudItem } from "../../src/model/item.ts";

export interface FeedKnobs {
  /** Chance that a changed id's earlier states are told too, before the last one. */
  duplicates: number;
  /** Entries of a round come in random order (the last entry of an id is still its last state). */
  shuffle: boolean;
  /** Chance that a tombstone never appears in the feed. */
  lostTombstones: number;
}

export interface FeedRound {
  readonly changes: readonly CloudChange[];
  ancestorsOf(change: CloudChange): CloudItem[];
}

interface Entry {
  readonly at: number;
  readonly id: ItemId;
  readonly change: CloudChange;
}

export class FakeFeed {
  readonly #journal: Entry[] = [];
  readonly #rootId: ItemId;
  readonly #random: Random;

  constructor(rootId: ItemId, random: Random) {
    this.#rootId = rootId;
    this.#random = random;
  }

  record(at: number, change: CloudChange): void {
    this.#journal.push({ at, id: change.deleted ? change.id : change.item.id, change });
  }

  /** Serial after the last change made until then. */
  end(until: number): number {
    let end = this.#journal.length;
    while (end > 0 && present(this.#journal[end - 1], "entry").at > until) end--;
    return end;
  }

  /**
   * What changed between two serials (`since` undefined: everything that lives at `end`), in feed order, and a way to ask for the
   * ancestors of an entry, from the root down. Items below a deleted folder are not told.
   */
  round(since: number | undefined, end: number, knobs: FeedKnobs): FeedRound {
    const told = new Map<ItemId, CloudChange[]>();
    const last = new Map<ItemId, CloudChange>();
    this.#journal.slice(0, end).forEach((entry, serial) => {
      last.set(entry.id, entry.change);
      if (serial < (since ?? 0)) return;
      const states = told.get(entry.id) ?? [];
      told.delete(entry.id);
      told.set(entry.id, [...states, entry.change]);
    });
    const shown = [...told.values()].filter((states) => {
      const final = present(states.at(-1), "state");
      if (final.deleted) return since !== undefined && this.#random.next() >= knobs.lostTombstones;
      return final.item.id === this.#rootId || ancestors(final, last)[0]?.id === this.#rootId;
    });
    return { changes: this.#arrange(shown, knobs), ancestorsOf: (change) => ancestors(change, last) };
  }

  #arrange(states: readonly CloudChange[][], knobs: FeedKnobs): CloudChange[] {
    const told = states.map((all) => (this.#random.next() < knobs.duplicates ? all : all.slice(-1)));
    const flat = told.flat();
    if (!knobs.shuffle) return flat;
    const queues = told.map((all) => [...all]);
    return flat.map(() => {
      const waiting = queues.filter((queue) => queue.length > 0);
      return present(this.#random.pick(waiting).shift(), "entry");
    });
  }
}

/** From the root down; short when one of them is gone. */
function ancestors(change: CloudChange, states: ReadonlyMap<ItemId, CloudChange>): CloudItem[] {
  const out: CloudItem[] = [];
  for (let id = change.deleted ? undefined : change.item.parentId; id;) {
    const state = states.get(id);
    if (!state || state.deleted) break;
    out.unshift(state.item);
    id = state.item.parentId;
  }
  return out;
}
