/**
 * How keys become bytes on disk. LMDB compares bytes, so the encoding keeps the order the contract promises: numbers by value,
 * strings by code point (UTF-8 bytes), tuples by their parts. A number takes six bytes, big end first; the first part of a tuple
 * is always a number, so nothing separates it from the second.
 */
import { assert } from "../base/assert.ts";
import { folded, type ItemKey } from "../model/ids.ts";
import type { Rows } from "./schema.ts";
import type { Key } from "./store.ts";

export type KeyShape = "number" | "text" | "numberAndText" | "numberAndNumber";

export const KEY_SHAPES: { readonly [T in keyof Rows]: KeyShape } = {
  meta: "text",
  mirror: "number",
  ids: "text",
  mirrorSlots: "numberAndText",
  local: "number",
  localSlots: "numberAndText",
  facts: "number",
  listed: "number",
  ops: "number",
  nodeOps: "numberAndNumber",
  blobs: "number",
  cached: "number",
  intents: "number",
  parks: "number",
  sessions: "number",
  conflicts: "number",
  sent: "number",
};

/** LMDB's limit with pages of 4 KiB. */
export const KEY_BYTES_MAX = 1_978;
const NUMBER_BYTES = 6;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Writes `key` at `position`; returns the position behind it. The target has room for KEY_BYTES_MAX bytes. */
export function writeKey(key: Key, target: Buffer, position: number): number {
  if (typeof key === "number") return writeNumber(key, target, position);
  if (typeof key === "string") return writeText(key === "" ? "\0" : key, target, position);
  const behind = writeNumber(key[0], target, position);
  return typeof key[1] === "number" ? writeNumber(key[1], target, behind) : writeText(key[1], target, behind);
}

export function readKey(shape: KeyShape, source: Buffer, start: number, end: number): Key {
  if (shape === "number") return source.readUIntBE(start, NUMBER_BYTES);
  if (shape === "text") return source.toString("utf8", start, end);
  const first = source.readUIntBE(start, NUMBER_BYTES) as ItemKey;
  const behind = start + NUMBER_BYTES;
  if (shape === "numberAndNumber") return [first, source.readUIntBE(behind, NUMBER_BYTES)];
  return [first, folded(source.toString("utf8", behind, end))];
}

/**
 * A key that can be stored and found again: whole numbers, text that UTF-8 can hold and that fits a page. Parsers of names and
 * ids see to it; a violation is a defect.
 */
export function assertStorable(key: Key): void {
  const text = typeof key === "string" ? key : Array.isArray(key) && typeof key[1] === "string" ? key[1] : undefined;
  if (text === undefined) return;
  assert(!LONE_SURROGATE.test(text), "a key is well-formed text");
  assert(text.length * 3 <= KEY_BYTES_MAX - 8 || Buffer.byteLength(text) <= KEY_BYTES_MAX - 8, "a key fits a page");
}

function writeNumber(value: number, target: Buffer, position: number): number {
  assert(value >= 0 && value < 2 ** 48 && Number.isInteger(value), `a numeric key is a whole number, not ${value}`);
  return target.writeUIntBE(value, position, NUMBER_BYTES);
}

function writeText(text: string, target: Buffer, position: number): number {
  return position + target.write(text, position);
}
