/**
 * What the service writes, in our words. Tolerant of everything it is known to omit or bend: numbers as strings, negative sizes,
 * null or 0001 times, tombstones without a name, made-up hashes, drive ids of changing case that lost their zeros. It decides
 * nothing by a missing field: what is not understood is `incomplete` (a strong read may help) or `hidden` (cannot be shown).
 */
import { assert } from "../base/assert.ts";
import { listOf, numberOf, objectOf, textOf, type JsonObject } from "../base/json.ts";
import type { Stepwise } from "../base/stepwise.ts";
import { cTag, eTag, itemId, type ItemId } from "../model/ids.ts";
import type { CloudItem, Kind } from "../model/item.ts";
import { fromCloudName } from "../model/name.ts";

export type WireItem =
  | { readonly is: "item"; readonly item: CloudItem; readonly downloadUrl: string | undefined }
  | { readonly is: "gone"; readonly id: ItemId }
  | { readonly is: "incomplete"; readonly id: ItemId; readonly why: string }
  | { readonly is: "hidden"; readonly id: ItemId; readonly why: string };

/** The properties every listing asks for. */
export const ITEM_PROPERTIES = [
  "id,name,eTag,cTag,size,webUrl,createdDateTime,lastModifiedDateTime,fileSystemInfo,parentReference",
  "file,folder,package,remoteItem,root,deleted,malware",
].join(",");

/** Undefined when it is no item at all. */
export function parseItem(raw: unknown): WireItem | undefined {
  const wire = objectOf(raw);
  const given = textOf(wire?.["id"]);
  if (!wire || given === undefined) return undefined;
  const id = itemId(sameSpelling(given));
  if (objectOf(wire["deleted"])) return { is: "gone", id };
  const remote = objectOf(wire["remoteItem"]);
  const root = objectOf(wire["root"]);
  const kind = kindOf(wire, remote);
  const parent = textOf(objectOf(wire["parentReference"])?.["id"]);
  const cloudName = textOf(wire["name"]) ?? textOf(remote?.["name"]);
  if (!kind) return { is: "incomplete", id, why: "neither file nor folder" };
  if (!cloudName) return { is: "incomplete", id, why: "no name" };
  if (!parent && !root) return { is: "incomplete", id, why: "no parent" };
  const name = fromCloudName(cloudName);
  if (name === undefined) return { is: "hidden", id, why: `its name cannot be shown: ${JSON.stringify(cloudName)}` };
  const parentId = root || !parent ? undefined : itemId(sameSpelling(parent));
  const item = withValues(wire, { id, parentId, name, kind });
  return {
    is: "item",
    item,
    downloadUrl: textOf(wire["@microsoft.graph.downloadUrl"]) ?? textOf(wire["@content.downloadUrl"]),
  };
}

export interface WirePage {
  /** In steps of an entry each: a page may have a thousand. */
  items(): Stepwise<readonly WireItem[]>;
  readonly next: string | undefined;
  readonly cursor: string | undefined;
}

/** Undefined when it is no page, or one of its entries has no id: a change that cannot be named must not be passed over. */
export function parsePage(raw: unknown): WirePage | undefined {
  const page = objectOf(raw);
  const value = listOf(page?.["value"]);
  if (!page || !value?.every((each) => textOf(objectOf(each)?.["id"]) !== undefined)) return undefined;
  return {
    items: () => itemsOf(value),
    next: textOf(page["@odata.nextLink"]),
    cursor: textOf(page["@odata.deltaLink"]),
  };
}

function* itemsOf(value: readonly unknown[]): Stepwise<readonly WireItem[]> {
  const items: WireItem[] = [];
  for (const each of value) {
    yield;
    const item = parseItem(each);
    assert(item, "an entry that has an id is an item");
    items.push(item);
  }
  return items;
}

export interface WireDrive {
  readonly driveId: string;
  readonly driveType: "personal" | "business" | "documentLibrary";
  readonly owner: string;
  readonly quota: { readonly total: number; readonly used: number; readonly remaining: number } | undefined;
}

export function parseDrive(raw: unknown): WireDrive | undefined {
  const drive = objectOf(raw);
  const id = textOf(drive?.["id"]);
  if (!drive || id === undefined) return undefined;
  const driveType = drive["driveType"];
  const user = objectOf(objectOf(drive["owner"])?.["user"]);
  return {
    driveId: sameDriveId(id),
    driveType: driveType === "personal" || driveType === "documentLibrary" ? driveType : "business",
    owner: textOf(user?.["displayName"]) ?? textOf(user?.["email"]) ?? textOf(user?.["id"]) ?? "",
    quota: quotaOf(objectOf(drive["quota"])),
  };
}

export interface WireSession {
  readonly url: string | undefined;
  readonly expiresAt: number | undefined;
  readonly nextOffset: number | undefined;
}

export function parseSession(raw: unknown): WireSession | undefined {
  const session = objectOf(raw);
  if (!session) return undefined;
  const [range] = listOf(session["nextExpectedRanges"]) ?? [];
  const first = /^(\d+)-/.exec(textOf(range) ?? "")?.[1];
  const nextOffset = first === undefined ? undefined : Number(first);
  return { url: textOf(session["uploadUrl"]), expiresAt: timeMs(textOf(session["expirationDateTime"])), nextOffset };
}

/** State of a copy. */
export interface WireMonitor {
  readonly status: string;
  readonly itemId: ItemId | undefined;
  readonly errorCode: string | undefined;
}

export function parseMonitor(raw: unknown): WireMonitor | undefined {
  const monitor = objectOf(raw);
  const status = textOf(monitor?.["status"]);
  if (!monitor || status === undefined) return undefined;
  const resource = textOf(monitor["resourceId"]);
  const made = resource === undefined ? undefined : itemId(sameSpelling(resource));
  return { status, itemId: made, errorCode: textOf(monitor["errorCode"]) };
}

/** One answer of a batch. */
export interface WireAnswer {
  readonly id: string;
  readonly status: number;
  readonly headers: JsonObject | undefined;
  readonly body: unknown;
}

export function parseBatch(raw: unknown): readonly WireAnswer[] | undefined {
  const responses = listOf(objectOf(raw)?.["responses"]);
  if (!responses) return undefined;
  const answers: WireAnswer[] = [];
  for (const each of responses) {
    const answer = objectOf(each);
    const id = answer?.["id"];
    const status = answer?.["status"];
    if (!answer || (typeof id !== "string" && typeof id !== "number") || typeof status !== "number") return undefined;
    answers.push({ id: String(id), status, headers: objectOf(answer["headers"]), body: answer["body"] });
  }
  return answers;
}

export interface WireError {
  /** The code and those inside it, outermost first. */
  readonly codes: readonly string[];
  readonly message: string;
}

export function parseError(raw: unknown): WireError | undefined {
  const error = objectOf(objectOf(raw)?.["error"]);
  return error && { codes: codesIn(error, 0), message: textOf(error["message"]) ?? "" };
}

/** Whole seconds as the service writes times. */
export function wireTime(seconds: number): string {
  const within = Math.min(Math.max(Math.floor(seconds), OLDEST_S), NEWEST_S);
  return new Date(within * 1000).toISOString().replace(".000Z", "Z");
}

/** A time in milliseconds; undefined when missing, broken, or the year 1 that stands for "none". */
export function timeMs(value: string | undefined): number | undefined {
  const ms = value === undefined ? NaN : Date.parse(value);
  return Number.isNaN(ms) || ms <= OLDEST_S * 1000 + 366 * 86_400_000 ? undefined : ms;
}

const OLDEST_S = -62_135_596_800;
const NEWEST_S = 253_402_300_799;
const NO_HASH = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

function kindOf(wire: JsonObject, remote: JsonObject | undefined): Kind | undefined {
  if (objectOf(wire["folder"]) || objectOf(wire["root"]) || objectOf(wire["package"]) || objectOf(remote?.["folder"]))
    return "folder";
  return objectOf(wire["file"]) || remote || objectOf(wire["malware"]) ? "file" : undefined;
}

function withValues(wire: JsonObject, named: Pick<CloudItem, "id" | "parentId" | "name" | "kind">): CloudItem {
  const { kind } = named;
  const remote = objectOf(wire["remoteItem"]);
  const info = objectOf(wire["fileSystemInfo"]) ?? objectOf(remote?.["fileSystemInfo"]);
  const size =
    kind === "folder" ? 0 : Math.max(0, Math.trunc(numberOf(wire["size"]) ?? numberOf(remote?.["size"]) ?? 0));
  const hash = textOf(objectOf(objectOf(wire["file"])?.["hashes"])?.["quickXorHash"]);
  const [itemTag, contentTag, webUrl] = [textOf(wire["eTag"]), textOf(wire["cTag"]), textOf(wire["webUrl"])];
  const opaque = opaqueOf(wire);
  const item: { -readonly [K in keyof CloudItem]: CloudItem[K] } = {
    ...named,
    size,
    mtime: seconds(info?.["lastModifiedDateTime"], wire["lastModifiedDateTime"]),
    birth: seconds(info?.["createdDateTime"], wire["createdDateTime"]),
  };
  if (itemTag) item.eTag = eTag(itemTag);
  if (contentTag) item.cTag = cTag(contentTag);
  if (hash && (hash !== NO_HASH || size === 0)) item.hash = hash;
  if (webUrl) item.webUrl = webUrl;
  if (opaque) item.opaque = opaque;
  return item;
}

function opaqueOf(wire: JsonObject): CloudItem["opaque"] {
  if (objectOf(wire["remoteItem"])) return "remote";
  if (objectOf(wire["package"])) return "package";
  return objectOf(wire["malware"]) ? "malware" : undefined;
}

function seconds(...candidates: readonly unknown[]): number {
  for (const candidate of candidates) {
    const ms = timeMs(textOf(candidate));
    if (ms !== undefined) return Math.floor(ms / 1000);
  }
  return 0;
}

function quotaOf(quota: JsonObject | undefined): WireDrive["quota"] {
  const total = numberOf(quota?.["total"]) ?? 0;
  const used = numberOf(quota?.["used"]) ?? 0;
  if (total <= 0) return undefined;
  return { total, used, remaining: Math.max(0, numberOf(quota?.["remaining"]) ?? total - used) };
}

/** The code of an error and those of the errors inside it. */
function codesIn(raw: unknown, depth: number): string[] {
  const error = depth > 6 ? undefined : objectOf(raw);
  if (!error) return [];
  const code = textOf(error["code"]);
  return [...(code ? [code] : []), ...codesIn(error["innerError"] ?? error["innererror"], depth + 1)];
}

/** Personal drive ids lose leading zeros and change case between answers. */
function sameDriveId(id: string): string {
  return /^[0-9a-f]{1,16}$/i.test(id) ? id.toLowerCase().padStart(16, "0") : id;
}

/** Personal item ids begin with the drive's id, which see: always 16 capital digits, so that one item has one id. */
function sameSpelling(id: string): string {
  const [, drive, rest] = /^([0-9a-f]{12,16})(!.+)$/i.exec(id) ?? [];
  return drive && rest ? drive.toUpperCase().padStart(16, "0") + rest : id;
}
