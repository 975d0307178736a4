/**
 * Rows of one table that were read or written lately, decoded, those that are not there included. What it holds is what the table
 * says: a change drops or replaces the row in the turn it is made, a transaction that fails drops everything. Two generations: when the
 * younger one is full the older one goes, so a walk over a whole drive costs a bounded memory and what is asked for often stays.
 */
import type { Key } from "./store.ts";

export interface RecentRows {
  /** `read` is asked when the row is not known here. */
  get(key: Key, read: () => unknown): unknown;
  drop(key: Key): void;
  /** The row was written, whatever was known before. It is kept when reading it back would give the very same. */
  wrote(key: Key, row: unknown): void;
  clear(): void;
}

/** Of one generation of one table. */
const ROWS_MAX = 1_024;

export function recentRows(): RecentRows {
  let young = new Map<string | number, unknown>();
  let old = new Map<string | number, unknown>();

  function keep(id: string | number, row: unknown): void {
    if (young.size >= ROWS_MAX) {
      old = young;
      young = new Map();
    }
    young.set(id, row);
  }

  function drop(key: Key): void {
    const id = idOf(key);
    young.delete(id);
    old.delete(id);
  }

  return {
    get(key, read) {
      const id = idOf(key);
      let row = young.get(id);
      if (row !== undefined) return row === ABSENT ? undefined : row;
      row = old.get(id) ?? frozen(read()) ?? ABSENT;
      keep(id, row);
      return row === ABSENT ? undefined : row;
    },
    drop,
    wrote(key, row) {
      const copy = asRead(row, 0);
      if (copy === undefined) drop(key);
      else keep(idOf(key), frozen(copy));
    },
    clear() {
      young.clear();
      old.clear();
    },
  };
}

const ABSENT = Symbol("absent");

/** The first part of a tuple is a number, so nothing else has the same text. */
function idOf(key: Key): string | number {
  return typeof key === "object" ? `${key[0]}/${key[1]}` : key;
}

/** One row object goes to many: who changes it is told so. */
function frozen(row: unknown): unknown {
  return typeof row === "object" ? Object.freeze(row) : row;
}

/** What reading the row back would give; undefined when only reading tells. The row stays its owner's, who may change it. */
function asRead(value: unknown, depth: number): unknown {
  if (typeof value !== "object") return typeof value === "function" ? undefined : value;
  if (value === null || depth > 3) return undefined;
  const proto: unknown = Object.getPrototypeOf(value);
  if (proto !== Object.prototype && proto !== Array.prototype) return undefined;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [] : {};
  for (const key in value) {
    const part = asRead((value as Record<string, unknown>)[key], depth + 1);
    if (part === undefined) return undefined;
    (copy as Record<string, unknown>)[key] = part;
  }
  return copy;
}
