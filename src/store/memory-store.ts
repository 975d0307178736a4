/**
 * A Store in memory, for simulations and tests: same promises, same key order, same strictness as the one on disk.
 *
 * It is strict where a disk would be: rows are copied on `put` and handed out deeply frozen, so that code which alters a row
 * without `put` fails at once; a `Writer` used after its transaction, a nested transaction and a returned promise are defects.
 *
 * Faults, for simulations. A fault that ends the process returns the store as the next process would open it; the old handle is
 * dead (using it is a defect, its open barriers never settle).
 *  - `kill()`: kill -9. Everything committed is there (P2).
 *  - `powerCut(random?)`: everything since the last completed barrier is gone (P3), or, with a random source, any number of the
 *    commits since then survive, oldest first (P4).
 *  - `fillDisk(true)`: changing transactions throw StoreFull and change nothing; barriers with something to write reject.
 *  - `reopen()`: after `close`, as the next process opens it.
 */
import { assert } from "../base/assert.ts";
import type { Random } from "../base/random.ts";
import { assertStorable } from "./keys.ts";
import { encodeRow } from "./rows.ts";
import { StoreFull, type Key, type Range, type Reader, type Store, type WritableTable, type Writer } from "./store.ts";
import { TABLES, type Rows } from "./schema.ts";

export interface MemoryStore extends Store {
  kill(): MemoryStore;
  powerCut(random?: Random): MemoryStore;
  fillDisk(full: boolean): void;
  reopen(): MemoryStore;
  /** Commits that a power cut may take away. */
  readonly unsynced: number;
}

export function memoryStore(): MemoryStore {
  return open(new Map(TABLES.map((name) => [name, new Rowset()])));
}

type TableName = keyof Rows;
type Undo = { readonly rows: Rowset; readonly order: string; readonly before: Entry | undefined };

function open(tables: ReadonlyMap<TableName, Rowset>): MemoryStore {
  const hooks: (() => Promise<void>)[] = [];
  let commits: Undo[][] = [];
  let inside: { undo: Undo[] } | undefined;
  let state: "open" | "closed" | "dead" = "open";
  let full = false;

  const alive = (): void => assert(state === "open", `the store is in use after it was ${state}`);
  const revert = (undo: readonly Undo[]): void => {
    for (const { rows, order, before } of undo.toReversed()) rows.set(order, before);
  };
  const writer = (change: { undo: Undo[] }): Writer =>
    tableRecord((name) => {
      const rows = tables.get(name)!;
      const set = (key: Key, entry: Entry | undefined): void => {
        alive();
        assert(inside === change, "a writer is used inside its own transaction only");
        assertStorable(key);
        const order = orderOf(key);
        change.undo.push({ rows, order, before: rows.set(order, entry) });
      };
      return table(name, rows, alive, set);
    }) as Writer;

  const transact = <T>(change: (tx: Writer) => T): T => {
    alive();
    assert(!inside, "transactions do not nest");
    const mine = { undo: [] as Undo[] };
    inside = mine;
    try {
      const result = change(writer(mine));
      assert(!isPromise(result), "a transaction returns no promise");
      if (full && mine.undo.length > 0) throw new StoreFull("the disk of the state folder is full");
      if (mine.undo.length > 0) commits.push(mine.undo);
      return result;
    } catch (error) {
      revert(mine.undo);
      throw error;
    } finally {
      inside = undefined;
    }
  };

  const barrier = async (): Promise<void> => {
    alive();
    const covered = commits.at(-1);
    await Promise.all(hooks.map((hook) => hook()));
    if (state === "dead") return never();
    if (full && covered && commits.includes(covered)) throw new StoreFull("the disk of the state folder is full");
    if (covered) commits = commits.slice(commits.indexOf(covered) + 1);
  };

  const end = (how: "dead" | "closed"): MemoryStore => {
    assert(!inside, "a process does not end inside a transaction of a simulation");
    state = how;
    return open(tables);
  };

  return {
    read: tableRecord((name) => table(name, tables.get(name)!, alive, refuse)) as Reader,
    transact,
    barrier,
    beforeBarrier: (hook) => void hooks.push(hook),
    async close() {
      await barrier();
      state = "closed";
    },
    kill: () => end("dead"),
    powerCut(random) {
      const keep = random ? random.below(commits.length + 1) : 0;
      for (const undo of commits.splice(keep).toReversed()) revert(undo);
      return end("dead");
    },
    fillDisk: (isFull) => void (full = isFull),
    reopen() {
      assert(state === "closed", "only a closed store is opened again");
      return open(tables);
    },
    get unsynced() {
      return commits.length;
    },
  };
}

interface Entry {
  readonly key: Key;
  readonly value: unknown;
  /** Bytes cannot be frozen, so rows with bytes are copied out. */
  readonly hasBytes: boolean;
}

/** One table: entries by their sortable key, and the sorted keys. */
class Rowset {
  readonly entries = new Map<string, Entry>();
  readonly sorted: string[] = [];

  /** Puts or (undefined) removes; returns what was there. */
  set(order: string, entry: Entry | undefined): Entry | undefined {
    const before = this.entries.get(order);
    if (entry) {
      this.entries.set(order, entry);
      if (!before) this.sorted.splice(this.position(order), 0, order);
    } else if (before) {
      this.entries.delete(order);
      this.sorted.splice(this.position(order), 1);
    }
    return before;
  }

  /** A copy of the entries of a range, so later changes do not show in it. */
  between(range: Range<Key>): readonly Entry[] {
    const from = range.start === undefined ? 0 : this.position(orderOf(range.start));
    const to = range.end === undefined ? this.sorted.length : this.position(orderOf(range.end));
    const entries = this.sorted.slice(from, Math.max(from, to)).map((order) => this.entries.get(order)!);
    return (range.reverse ? entries.reverse() : entries).slice(0, range.limit);
  }

  /** Index of the first key that is not below `order`. */
  position(order: string): number {
    let low = 0;
    let high = this.sorted.length;
    if (high > 0 && this.sorted[high - 1]! < order) return high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sorted[middle]! < order) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function table(
  name: TableName,
  rows: Rowset,
  alive: () => void,
  set: (key: Key, entry: Entry | undefined) => void,
): WritableTable<Key, unknown> {
  return {
    get(key) {
      alive();
      const entry = rows.entries.get(orderOf(key));
      return entry && handOut(entry);
    },
    range(range: Range<Key> = {}) {
      alive();
      return handOutAll(rows.between(range));
    },
    get count() {
      alive();
      return rows.sorted.length;
    },
    put(key, value) {
      encodeRow(name, value);
      set(key, sealed(key, value));
    },
    remove: (key) => set(key, undefined),
  };
}

function sealed(key: Key, value: unknown): Entry {
  const copy: unknown = structuredClone(value);
  return {
    key: Array.isArray(key) ? (Object.freeze([...key]) as unknown as Key) : key,
    value: copy,
    hasBytes: freeze(copy),
  };
}

function* handOutAll(entries: readonly Entry[]): Iterable<readonly [Key, unknown]> {
  for (const entry of entries) yield [entry.key, handOut(entry)];
}

function handOut(entry: Entry): unknown {
  return entry.hasBytes ? structuredClone(entry.value) : entry.value;
}

/** Freezes deeply; true when there are bytes inside, which cannot be frozen. */
function freeze(value: unknown): boolean {
  if (value === null || typeof value !== "object") return false;
  if (ArrayBuffer.isView(value)) return true;
  let bytes = false;
  for (const part of Object.values(value)) bytes = freeze(part) || bytes;
  if (!bytes) Object.freeze(value);
  return bytes;
}

/** A string whose `<` is the order of keys on disk: numbers by value, strings by code point, tuples by their parts. */
function orderOf(key: Key): string {
  if (typeof key === "number") return orderOfNumber(key);
  if (typeof key === "string") return orderOfText(key);
  assert(key.length === 2, "a tuple key has two parts");
  return orderOfNumber(key[0]) + (typeof key[1] === "number" ? orderOfNumber(key[1]) : orderOfText(key[1]));
}

function orderOfNumber(value: number): string {
  assert(Number.isSafeInteger(value) && value >= 0, `a numeric key is a whole number, not ${value}`);
  const high = Math.floor(value / 2 ** 32);
  return String.fromCharCode(high >>> 16, high & 0xffff, (value >>> 16) & 0xffff, value & 0xffff);
}

/** Moves surrogates behind the other 16-bit units, so that unit order is code point order. */
function orderOfText(text: string): string {
  if (!/[\ud800-\uffff]/.test(text)) return text;
  let shifted = "";
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    shifted += String.fromCharCode(unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);
  }
  return shifted;
}

function tableRecord<T>(make: (name: TableName) => T): Record<TableName, T> {
  return Object.fromEntries(TABLES.map((name) => [name, make(name)])) as Record<TableName, T>;
}

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function refuse(): never {
  throw new TypeError("a reader does not write");
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
