/**
 * Every text in the LMDB file carries a checksum of its table, key and words, so that a flipped bit is noticed wherever it is. A text
 * without one (of an older program) is taken as it is: a flip that hides the mark leaves no JSON.
 */
import { crc32 } from "node:zlib";
import { TABLES, type Rows } from "./schema.ts";
import { StoreDamaged, type Key } from "./store.ts";

type TableName = keyof Rows;

const MARK = "#";
const DIGITS = 8;
const seeds = Object.fromEntries(TABLES.map((table) => [table, crc32(table)])) as Record<TableName, number>;

export function seal(table: TableName, key: Key, text: string): string {
  return `${text}${MARK}${sumOf(table, key, text).toString(16).padStart(DIGITS, "0")}`;
}

/** Throws StoreDamaged when the checksum is wrong. */
export function unseal(table: TableName, key: Key, sealed: string): string {
  const end = sealed.length - DIGITS - 1;
  if (end < 0 || sealed[end] !== MARK) return sealed;
  const text = sealed.slice(0, end);
  if (Number.parseInt(sealed.slice(end + 1), 16) === sumOf(table, key, text)) return text;
  throw new StoreDamaged(`a row of ${table} in the database is damaged`);
}

function sumOf(table: TableName, key: Key, text: string): number {
  return crc32(String(key) + text, seeds[table]);
}
