/**
 * Operations and records as plain data that came from a disk: every field is checked before anybody believes it. What does not
 * parse is reported with a sentence that says why, never thrown; what we write ourselves is asserted.
 */
import { assert } from "../base/assert.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { Op, OpRecord, OpState, OpType } from "./op.ts";

/** The record as plain data, or what is wrong with it. */
export function decodeRecord(value: unknown): Result<OpRecord, string> {
  const wrong = isPlain(value)
    ? (fieldsProblem(value, RECORD) ?? opProblem(value["op"]) ?? statusProblem(value["status"]))
    : "a record is an object";
  return wrong === undefined ? ok(value as unknown as OpRecord) : failed(wrong);
}

export function decodeOp(value: unknown): Result<Op, string> {
  const wrong = opProblem(value);
  return wrong === undefined ? ok(value as Op) : failed(wrong);
}

/** Before an operation is recorded. */
export function assertOp(op: Op): void {
  const wrong = opProblem(op);
  assert(wrong === undefined, `an operation is well-formed: ${wrong}`);
}

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;

const id: Check = (value) => typeof value === "number" && Number.isSafeInteger(value) && value > 0;
const whole: Check = (value) => typeof value === "number" && Number.isSafeInteger(value);
const count: Check = (value) => whole(value) && (value as number) >= 0;
const time: Check = (value) => typeof value === "number" && Number.isFinite(value);
const text: Check = (value) => typeof value === "string";
const filled: Check = (value) => typeof value === "string" && value.length > 0;
const name: Check = (value) => filled(value) && !/[/\0]/.test(value as string) && value !== "." && value !== "..";
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const anything: Check = () => true;

const RECORD: Fields = { seq: id, op: anything, at: time, status: anything, tries: count, lastFault: optional(text) };

const OPS: Readonly<Record<OpType, Fields>> = {
  createFile: { node: id, parent: id, name },
  createFolder: { node: id, parent: id, name },
  writeContent: { node: id, blob: id, seen: optional(filled) },
  move: { node: id, parent: id, name, fromParent: id, fromName: name },
  deleteFile: { node: id, seen: optional(filled) },
  deleteFolder: { node: id },
  setMetadata: { node: id, mtime: whole },
  copy: { node: id, source: id, parent: id, name },
};

const STATES: Readonly<Record<OpState["state"], Fields>> = {
  pending: {},
  inflight: {},
  held: { reason: text },
  parked: { reason: text, lost: optional(id) },
};

function opProblem(value: unknown): string | undefined {
  if (!isPlain(value)) return "an operation is an object";
  const { type, ...rest } = value;
  if (typeof type !== "string" || !Object.hasOwn(OPS, type)) return `no operation is called ${JSON.stringify(type)}`;
  const problem = fieldsProblem(rest, OPS[type as OpType]);
  return problem === undefined ? undefined : `${type}: ${problem}`;
}

function statusProblem(value: unknown): string | undefined {
  if (!isPlain(value)) return "a status is an object";
  const { state, ...rest } = value;
  if (typeof state !== "string" || !Object.hasOwn(STATES, state)) return `no state is called ${JSON.stringify(state)}`;
  return fieldsProblem(rest, STATES[state as OpState["state"]]);
}

function fieldsProblem(value: Readonly<Record<string, unknown>>, fields: Fields): string | undefined {
  for (const field of Object.keys(value)) if (!Object.hasOwn(fields, field)) return `unknown field ${field}`;
  for (const [field, check] of Object.entries(fields))
    if (!check(value[field])) return `${field} is ${JSON.stringify(value[field])}`;
  return undefined;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
