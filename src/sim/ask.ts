/** Reading what a client asked: query options with and without `$`, JSON bodies, preconditions, conflict behaviour, times. */
import type { Head } from "./exchange.ts";
import { cTagOf, eTagOf, type Json } from "./item-json.ts";
import type { Item } from "./item.ts";
import type { ClientTimes, Conflict } from "./mutate.ts";
import { badRequest, preconditionFailed } from "./refusal.ts";
import type { World } from "./world.ts";

export function option(query: URLSearchParams, name: string): string | undefined {
  return query.get(`$${name}`) ?? query.get(name) ?? undefined;
}

export function selected(query: URLSearchParams): readonly string[] | undefined {
  const names = option(query, "select")
    ?.split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return names?.length ? names : undefined;
}

const DOWNLOAD_URL = "@microsoft.graph.downloadUrl";

/** Only the named fields. `deleted` always stays: a tombstone without it would be an item. */
export function pick(item: Json, names: readonly string[] | undefined): Json {
  if (!names) return item;
  const out: Json = {};
  for (const asked of names) {
    const name = asked === "content.downloadUrl" ? DOWNLOAD_URL : asked;
    if (item[name] !== undefined) out[name] = item[name];
  }
  if (item["deleted"] !== undefined) out["deleted"] = item["deleted"];
  return out;
}

export function jsonBody(bytes: Uint8Array): Json {
  if (bytes.length === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
    if (isJson(value)) return value;
  } catch {
    // falls through to the refusal: what was sent is not an object in JSON
  }
  throw badRequest("invalidRequest", "Unable to read JSON request payload.");
}

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function textField(body: Json, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw badRequest("invalidRequest", `${name} must be a string.`);
  return value;
}

const CONFLICT_NAMES = ["@microsoft.graph.conflictBehavior", "@name.conflictBehavior"];

/** From the query, the body's top level, or the body's `item`. */
export function conflictOf(query: URLSearchParams, body: Json, otherwise: Conflict): Conflict {
  const inner = isJson(body["item"]) ? body["item"] : {};
  for (const name of CONFLICT_NAMES) {
    const value = query.get(name) ?? body[name] ?? inner[name];
    if (value === undefined || value === null) continue;
    if (value === "fail" || value === "replace" || value === "rename") return value;
    throw badRequest("invalidRequest", "The conflict behaviour is not one of fail, replace, rename.");
  }
  return otherwise;
}

/** Throws 412 unless If-Match and If-None-Match hold for the item (undefined: there is none). */
export function checkPreconditions(head: Head, item: Item | undefined, world: World): void {
  const ifMatch = head.headers["if-match"];
  if (ifMatch !== undefined && (!item || !tagMatches(ifMatch, item, world))) throw preconditionFailed();
  const ifNoneMatch = head.headers["if-none-match"];
  if (ifNoneMatch !== undefined && item && tagMatches(ifNoneMatch, item, world)) throw preconditionFailed();
}

/** `*`, the eTag or the cTag; quotes around and a weak mark before it do not matter. */
export function tagMatches(header: string, item: Item, world: World): boolean {
  const asked = bare(header);
  if (asked === "*") return true;
  const cTag = cTagOf(item, world);
  return asked === bare(eTagOf(item, world)) || (cTag !== undefined && asked === bare(cTag));
}

function bare(tag: string): string {
  return tag.trim().replace(/^W\//, "").replace(/^"|"$/g, "");
}

export function timesOf(body: Json): ClientTimes | undefined {
  const info = body["fileSystemInfo"];
  if (!isJson(info)) return undefined;
  return { created: timeField(info, "createdDateTime"), modified: timeField(info, "lastModifiedDateTime") };
}

function timeField(info: Json, name: string): number | undefined {
  const text = textField(info, name);
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw badRequest("invalidRequest", `${name} is not a time.`);
  return ms;
}
