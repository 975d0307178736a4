/** Reading calls on items and drives: one item, children in pages, versions, search, and the way to the bytes. */
import { itemAt, type Address } from "./address.ts";
import { option, pick, selected, tagMatches } from "./ask.ts";
import type { Drive } from "./drive.ts";
import { empty, json, type Answer, type Hits } from "./exchange.ts";
import { cTagOf, driveJson, eTagOf, itemJson, versionsJson, type Json } from "./item-json.ts";
import { isFolder, subtree, type Item } from "./item.ts";
import { badRequest, notFound, Refusal, unsupported } from "./refusal.ts";
import type { SignedCall } from "./service.ts";

const PAGE_ITEMS = 200;
const PAGE_MAX_ITEMS = 1000;
const SEARCH_MAX_ITEMS = 200;

export function getItem(call: SignedCall, address: Address): Answer {
  const item = itemAt(call.service.world, address);
  const asked = call.head.headers["if-none-match"];
  if (asked !== undefined && tagMatches(asked, item, call.service.world)) return empty(304, tagHeaders(item, call));
  return json(200, expanded(item, call), { etag: eTagOf(item, call.service.world) });
}

export function getDrive(call: SignedCall, drive: Drive): Answer {
  return json(200, pick(driveJson(drive, call.service.world), selected(call.query)));
}

export function getChildren(call: SignedCall, address: Address, hits: Hits): Answer {
  const folder = itemAt(call.service.world, address);
  if (!folder.children) throw badRequest("invalidRequest", "The item has no children.");
  const page = childPage(call, folder, hits);
  return json(200, page);
}

export function getVersions(call: SignedCall, address: Address): Answer {
  return json(200, { value: versionsJson(fileAt(call, address)) });
}

export function getContent(call: SignedCall, address: Address): Answer {
  const item = fileAt(call, address);
  const asked = call.head.headers["if-none-match"];
  if (asked !== undefined && tagMatches(asked, item, call.service.world)) return empty(304, tagHeaders(item, call));
  return redirect(call, item, 0);
}

export function getVersionContent(call: SignedCall, address: Address, id: string): Answer {
  const item = fileAt(call, address);
  const label = Number.parseInt(id, 10);
  if (!item.extra?.versions?.some((version) => version.label === label)) throw notFound("There is no such version.");
  return redirect(call, item, label);
}

/** `search(q='text')`: by name, over the whole drive or below a folder. */
export function search(call: SignedCall, top: Item, text: string): Answer {
  const wanted = text.toLowerCase();
  const found: Json[] = [];
  for (const item of subtree(top)) {
    if (item !== top && item.name.toLowerCase().includes(wanted))
      found.push(pick(itemJson(item, call.pen), selected(call.query)));
    if (found.length === SEARCH_MAX_ITEMS) break;
  }
  return json(200, { value: found });
}

export function pageSize(query: URLSearchParams): number {
  const asked = option(query, "top");
  if (asked === undefined) return PAGE_ITEMS;
  const top = Number(asked);
  if (!Number.isInteger(top) || top < 1) throw badRequest("invalidRequest", "$top must be a positive integer.");
  return Math.min(top, PAGE_MAX_ITEMS);
}

function fileAt(call: SignedCall, address: Address): Item {
  const item = itemAt(call.service.world, address);
  if (!item.content) throw badRequest("notSupported", "You cannot get content for a folder", "notAFile");
  return item;
}

function redirect(call: SignedCall, item: Item, version: number): Answer {
  if (item.extra?.malware) {
    const headers = { "x-virus-infected": "EICAR_Test_File" };
    throw new Refusal(403, "malwareDetected", { message: "Malware was found in this file.", headers });
  }
  const path = call.service.signer.downloadPath(item, call.service.world.clockMs(), version);
  return empty(302, { location: call.links.download + path });
}

function tagHeaders(item: Item, call: SignedCall): Record<string, string> {
  return { etag: eTagOf(item, call.service.world), ctag: cTagOf(item, call.service.world) ?? "" };
}

/** The item as selected, with its children when asked for. */
function expanded(item: Item, call: SignedCall): Json {
  const out = pick(itemJson(item, call.pen), selected(call.query));
  const expand = option(call.query, "expand");
  if (expand === undefined) return out;
  if (!/^children(\(.*\))?$/.test(expand)) throw unsupported(`$expand=${expand}`);
  if (!isFolder(item)) return out;
  const inner = new URLSearchParams(/\((.*)\)/.exec(expand)?.[1] ?? "");
  const page = childPage({ ...call, query: inner, path: childrenPath(item) }, item, new Map());
  const more = page["@odata.nextLink"];
  return { ...out, children: page["value"], ...(more === undefined ? {} : { "children@odata.nextLink": more }) };
}

function childrenPath(item: Item): string {
  return `/v1.0/drives/${item.drive.ids.driveId}/items/${item.drive.ids.itemId(item.num)}/children`;
}

/** Pages are counted off, not a snapshot: items that come and go between two pages shift the rest, as in the service. */
function childPage(call: SignedCall, folder: Item, hits: Hits): Json {
  const { query } = call;
  const from = skipCount(option(query, "skiptoken"));
  const asked = pageSize(query);
  const size = hits.has("short-page") ? Math.max(1, Math.floor(asked / 3)) : asked;
  const select = selected(query);
  const value: Json[] = [];
  let at = 0;
  let more = false;
  for (const child of ordered(folder, option(query, "orderby"))) {
    if (at++ < from) continue;
    if (value.length === size) {
      more = true;
      break;
    }
    value.push(pick(itemJson(child, call.pen), select));
  }
  if (!more) return { value };
  return { "@odata.nextLink": nextChildren(call, from + size), value };
}

function nextChildren(call: SignedCall, skip: number): string {
  const query = new URLSearchParams(call.query);
  query.delete("skiptoken");
  query.set("$skiptoken", Buffer.from(`skip;${skip}`).toString("base64url"));
  const graphPath = call.path.replace(/^\/v1\.0/, "");
  return `${call.links.graph}${graphPath}?${query.toString()}`;
}

function skipCount(token: string | undefined): number {
  if (token === undefined) return 0;
  const found = /^skip;(\d+)$/.exec(Buffer.from(token, "base64url").toString());
  if (!found) throw badRequest("invalidRequest", "The skip token is malformed.");
  return Number(found[1]);
}

const orders: Readonly<Record<string, (a: Item, b: Item) => number>> = {
  name: (a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1),
  size: (a, b) => a.size - b.size,
  lastModifiedDateTime: (a, b) => a.modified - b.modified,
};

function ordered(folder: Item, orderBy: string | undefined): Iterable<Item> {
  const children = folder.children!.values();
  if (orderBy === undefined) return children;
  const [field = "", direction = "asc"] = orderBy.trim().split(/\s+/);
  const order = orders[field === "url" ? "name" : field];
  if (!order || !["asc", "desc"].includes(direction)) throw badRequest("invalidRequest", `Cannot order by ${orderBy}.`);
  const sorted = [...children].sort(order);
  return direction === "desc" ? sorted.reverse() : sorted;
}
