/**
 * How rows become text on disk: the fields of a row in a fixed order as a JSON array, so that names of fields cost nothing; rows
 * that are a single value are that value in JSON. The same text goes into the LMDB file and into the journal.
 *
 * A field may be added at the end of its list (it must be optional: older rows do not have it, and an older program would refuse
 * the row, so SCHEMA_VERSION is raised too). Order and names never change without a step in migrate.ts.
 */
import { assert } from "../base/assert.ts";
import type { Rows } from "./schema.ts";

type FieldOf<V> = V extends object ? (V extends readonly unknown[] ? never : keyof V & string) : never;
type FieldLists = { readonly [T in keyof Rows]: readonly FieldOf<Rows[T]["value"]>[] | undefined };

const FIELDS: FieldLists = {
  meta: undefined,
  mirror: ["id", "parent", "name", "kind", "size", "mtime", "birth", "eTag", "cTag", "hash", "webUrl", "opaque"],
  ids: undefined,
  mirrorSlots: undefined,
  local: ["kind", "parent", "name", "mtime", "content", "gone"],
  localSlots: undefined,
  facts: ["mode", "mtime", "ctime", "xattrs", "pin", "localOnly", "uid", "gid", "atime"],
  listed: undefined,
  ops: ["seq", "op", "at", "status", "tries", "lastFault"],
  nodeOps: undefined,
  blobs: ["node", "size", "state", "hash", "sha256", "damaged"],
  cached: ["version", "size", "ranges", "durable", "usedAt"],
  intents: ["parent", "name", "kind", "hash", "size", "blob", "at"],
  parks: ["originalName", "parkingName", "at"],
  sessions: ["url", "expiresAt", "nextOffset", "hash", "node", "parent", "name"],
  conflicts: ["of", "why", "at"],
  sent: ["asked"],
};

type Table = keyof Rows;
type PlainObject = Readonly<Record<string, unknown>>;

export function encodeRow(table: Table, row: unknown): string {
  const fields = FIELDS[table] as readonly string[] | undefined;
  assert(row !== undefined && row !== null, `a row of ${table} is a value`);
  if (!fields) return JSON.stringify(checked(row));
  const values: unknown[] = [];
  let used = 0;
  for (let i = 0; i < fields.length; i++) {
    const value = checked((row as PlainObject)[fields[i]!]);
    if (value === undefined) continue;
    while (values.length < i) values.push(null);
    values.push(fields[i] === "xattrs" ? encodeBytes(value as Readonly<Record<string, Uint8Array>>) : value);
    used++;
  }
  assert(used === countDefined(row as PlainObject), `a row of ${table} has only the fields of its schema`);
  return JSON.stringify(values);
}

export function decodeRow(table: Table, text: string): unknown {
  const fields = FIELDS[table] as readonly string[] | undefined;
  const value: unknown = JSON.parse(text);
  if (!fields) return value;
  const row: Record<string, unknown> = {};
  const values = value as readonly unknown[];
  assert(values.length <= fields.length, `a row of ${table} has no more fields than its schema`);
  for (let i = 0; i < values.length; i++) if (values[i] !== null) row[fields[i]!] = values[i];
  if (row["xattrs"]) row["xattrs"] = decodeBytes(row["xattrs"] as Readonly<Record<string, string>>);
  return row;
}

/** JSON turns NaN and the infinities into null without a word. */
function checked(value: unknown): unknown {
  assert(typeof value !== "number" || Number.isFinite(value), "a number in a row is finite");
  return value;
}

function countDefined(row: PlainObject): number {
  let count = 0;
  for (const field in row) if (row[field] !== undefined) count++;
  return count;
}

function encodeBytes(xattrs: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value).toString("base64")]),
  );
}

/** Plain Uint8Arrays that own their memory. */
function decodeBytes(xattrs: Readonly<Record<string, string>>): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(xattrs).map(([name, value]) => [name, new Uint8Array(Buffer.from(value, "base64"))]),
  );
}
