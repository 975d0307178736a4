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
import {
  StoreFull,
  type Key,
  type Range,
  type Reader,
  type Snapshot,
  type Store,
  type WritableTable,
  type Writer,
} from "./store.ts";
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
  return new InMemory(new Map(TABLES.map((name) => [name, new Rowset()])));
}

type TableName = keyof Rows;
type Undo = { readonly rows: Rowset; readonly order: string; readonly before: Entry | undefined };

class InMemory implements MemoryStore {
  readonly read: Reader;
  private readonly writer: Writer;
  private readonly tables: ReadonlyMap<TableName, Rowset>;
  private readonly hooks: (() => Promise<void>)[] = [];
  /** What undoes each commit since the last barrier, oldest first. */
  private commits: Undo[][] = [];
  private inside: Undo[] | undefined;
  private state: "open" | "closed" | "dead" = "open";
  private full = false;

  constructor(tables: ReadonlyMap<TableName, Rowset>) {
    this.tables = tables;
    this.read = this.tableRecord(() => {
      throw new TypeError("a reader does not write");
    });
    this.writer = this.tableRecord((rows, key, entry) => this.write(rows, key, entry));
  }

  transact<T>(change: (tx: Writer) => T): T {
    this.assertAlive();
    assert(!this.inside, "transactions do not nest");
    const undo: Undo[] = [];
    this.inside = undo;
    try {
      const result = change(this.writerOf(undo));
      assert(!isPromise(result), "a transaction returns no promise");
      if (this.full && undo.length > 0) throw new StoreFull(FULL);
      if (undo.length > 0) this.commits.push(undo);
      return result;
    } catch (error) {
      revert(undo);
      throw error;
    } finally {
      this.inside = undefined;
    }
  }

  snapshot(): Snapshot {
    this.assertAlive();
    let ended = false;
    const alive = (): void => assert(!ended && !this.inside, "a snapshot is read until its end, outside transactions");
    const write = (): void => assert(false, "a snapshot is only read");
    const tables = TABLES.map((name) => [name, table(name, this.tables.get(name)!.copy(), alive, write)]);
    return { read: Object.fromEntries(tables) as unknown as Reader, end: () => void (ended = true) };
  }

  async barrier(): Promise<void> {
    this.assertAlive();
    const covered = this.commits.at(-1);
    await Promise.all(this.hooks.map((hook) => hook()));
    if (this.state === "dead") return never();
    if (this.full && covered && this.commits.includes(covered)) throw new StoreFull(FULL);
    if (covered) this.commits = this.commits.slice(this.commits.indexOf(covered) + 1);
  }

  beforeBarrier(hook: () => Promise<void>): void {
    this.hooks.push(hook);
  }

  async close(): Promise<void> {
    await this.barrier();
    this.state = "closed";
  }

  kill(): MemoryStore {
    return this.end();
  }

  powerCut(random?: Random): MemoryStore {
    const keep = random ? random.below(this.commits.length + 1) : 0;
    for (const undo of this.commits.splice(keep).toReversed()) revert(undo);
    return this.end();
  }

  fillDisk(full: boolean): void {
    this.full = full;
  }

  reopen(): MemoryStore {
    assert(this.state === "closed", "only a closed store is opened again");
    return new InMemory(this.tables);
  }

  get unsynced(): number {
    return this.commits.length;
  }

  private end(): MemoryStore {
    assert(!this.inside, "a process does not end inside a transaction of a simulation");
    this.state = "dead";
    return new InMemory(this.tables);
  }

  private readonly assertAlive = (): void => {
    assert(this.state === "open", `the store is in use after it was ${this.state}`);
  };

  /** One record of tables for all transactions; what each is given is dead after its own. */
  private writerOf(undo: Undo[]): Writer {
    const mine = (): void => assert(this.inside === undo, "a writer is used inside its own transaction only");
    return new Proxy(this.writer, { get: (tables, name: TableName) => (mine(), tables[name]) });
  }

  private readonly write = (rows: Rowset, key: Key, entry: Entry | undefined): void => {
    this.assertAlive();
    assert(this.inside, "a writer is used inside a transaction only");
    assertStorable(key);
    const order = orderOf(key);
    this.inside.push({ rows, order, before: rows.set(order, entry) });
  };

  private tableRecord(set: (rows: Rowset, key: Key, entry: Entry | undefined) => void): Writer {
    const tables = TABLES.map((name) => {
      const rows = this.tables.get(name)!;
      return [name, table(name, rows, this.assertAlive, (key, entry) => set(rows, key, entry))];
    });
    return Object.fromEntries(tables) as unknown as Writer;
  }
}

const FULL = "the disk of the state folder is full";

function revert(undo: readonly Undo[]): void {
  for (const { rows, order, before } of undo.toReversed()) rows.set(order, before);
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

  copy(): Rowset {
    const copy = new Rowset();
    copy.sorted.push(...this.sorted);
    for (const [order, entry] of this.entries) copy.entries.set(order, entry);
    return copy;
  }

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
  const copy = copyOf(value);
  return { key: typeof key === "object" ? Object.freeze([...key] as const) : key, value: copy, hasBytes: freeze(copy) };
}

/** Rows are plain data with bytes in places. */
function copyOf(value: unknown): unknown {
  if (value === null || typeof value !== "object") return value;
  if (ArrayBuffer.isView(value)) return structuredClone(value);
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, copyOf(part)]));
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

function isPromise(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
