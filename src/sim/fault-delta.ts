/**
 * Faults in what lists tell: entries twice, out of order, old, without their folder, without fields. An entry that was told
 * wrongly or not at all (except a lost tombstone, which is lost for good) is told rightly in the next round.
 */
import { isJson, pick } from "./ask.ts";
import type { Answer, FaultSpec } from "./exchange.ts";
import type { Json } from "./item-json.ts";
import { mix } from "./mix.ts";
import type { Past } from "./past.ts";

interface How {
  readonly spec: FaultSpec;
  readonly past: Past;
}

export function deltaFault(kind: string, answer: Answer, how: How): Answer {
  if (answer.body.kind !== "json" || !isJson(answer.body.value) || answer.status >= 300) return answer;
  const whole = answer.body.value;
  const list = Array.isArray(whole["value"]) ? (whole["value"] as Json[]) : undefined;
  const change = changes[kind];
  if (!change) return answer;
  const value = list ? { ...whole, value: change(list, how) } : (change([whole], how)[0] ?? whole);
  return { ...answer, body: { kind: "json", value } };
}

const changes: Readonly<Record<string, (entries: Json[], how: How) => Json[]>> = {
  "delta-duplicate": (entries) => [...entries, ...entries.filter((_, i) => i % 2 === 0)],
  "delta-shuffle": (entries, { spec }) => shuffled(entries, spec.seed ?? 1),
  "delta-child-first": (entries) => [...entries].reverse(),
  "delta-create-first": (entries) => [...entries.filter((entry) => !isDeleted(entry)), ...entries.filter(isDeleted)],
  "lost-tombstone": (entries) => entries.filter((entry) => !isDeleted(entry)),
  "delta-stale": (entries, { past }) => entries.map((entry) => stale(entry, past)),
  "delta-unknown-parent": withoutParents,
  "encoded-name": (entries) =>
    entries.map((entry) =>
      typeof entry["name"] === "string" ? { ...entry, name: encodeURIComponent(entry["name"]) } : entry,
    ),
  "missing-field": (entries, { spec }) => entries.map((entry) => without(entry, spec.fields ?? ["cTag"])),
  "drive-id": (entries) => entries.map(mangledDriveId),
};

function isDeleted(entry: Json): boolean {
  return entry["deleted"] !== undefined;
}

function shuffled(entries: Json[], seed: number): Json[] {
  const out = [...entries];
  for (let i = out.length - 1; i > 0; i--) {
    const j = mix(seed, i, 71) % (i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

function stale(entry: Json, past: Past): Json {
  const id = String(entry["id"]);
  const before = past.before(id);
  if (!before) return entry;
  past.tellAgain(id);
  return pick(before, Object.keys(entry));
}

/** Folders that others in the list stand in are left out, except the root. */
function withoutParents(entries: Json[], { past }: How): Json[] {
  const parents = new Set(
    entries.map((entry) => (isJson(entry["parentReference"]) ? entry["parentReference"]["id"] : undefined)),
  );
  return entries.filter((entry) => {
    const leaves = parents.has(entry["id"]) && entry["root"] === undefined;
    if (leaves) past.tellAgain(String(entry["id"]));
    return !leaves;
  });
}

/** `fields` are names, or `file.hashes` for one inside another. */
function without(entry: Json, fields: readonly string[]): Json {
  const out = { ...entry };
  for (const field of fields) {
    const [outer = "", inner] = field.split(".");
    const value = out[outer];
    if (inner === undefined) delete out[outer];
    else if (isJson(value)) out[outer] = Object.fromEntries(Object.entries(value).filter(([name]) => name !== inner));
  }
  return out;
}

function mangledDriveId(entry: Json): Json {
  const reference = entry["parentReference"];
  if (!isJson(reference) || typeof reference["driveId"] !== "string") return entry;
  return {
    ...entry,
    parentReference: { ...reference, driveId: reference["driveId"].replace(/^0+/, "").toUpperCase() },
  };
}
