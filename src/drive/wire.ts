/**
 * What the service writes, in our words. Tolerant of everything it is known to omit or bend: numbers as strings, negative sizes,
 * null or 0001 times, tombstones without a name, made-up hashes, drive ids of changing case that lost their zeros. It decides
 * nothing by a missing field: what is not understood is `incomplete` (a strong read may help) or `hidden` (cannot be shown).
 */
import { z } from "zod";
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

const text = z.string().min(1).optional().catch(undefined);
const number = z
  .union([z.number(), z.string().regex(/^-?\d+(\.\d+)?$/)])
  .transform(Number)
  .optional()
  .catch(undefined);
const facet = z.looseObject({}).optional().catch(undefined);
const times = z.object({ createdDateTime: text, lastModifiedDateTime: text }).optional().catch(undefined);
const file = z
  .object({ hashes: z.object({ quickXorHash: text }).optional().catch(undefined) })
  .optional()
  .catch(undefined);

const itemSchema = z.object({
  id: z.string().min(1),
  name: text,
  eTag: text,
  cTag: text,
  size: number,
  webUrl: text,
  createdDateTime: text,
  lastModifiedDateTime: text,
  fileSystemInfo: times,
  parentReference: z.object({ id: text, driveId: text }).optional().catch(undefined),
  file,
  folder: facet,
  package: facet,
  remoteItem: z.object({ name: text, size: number, folder: facet, fileSystemInfo: times }).optional().catch(undefined),
  root: facet,
  deleted: facet,
  malware: facet,
  "@microsoft.graph.downloadUrl": text,
  "@content.downloadUrl": text,
});
type RawItem = z.infer<typeof itemSchema>;

/** Undefined when it is no item at all. */
export function parseItem(raw: unknown): WireItem | undefined {
  const parsed = itemSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const wire = parsed.data;
  const id = itemId(sameSpelling(wire.id));
  if (wire.deleted) return { is: "gone", id };
  const kind = kindOf(wire);
  const parent = wire.parentReference?.id;
  const raw_ = wire.name ?? wire.remoteItem?.name;
  if (!kind) return { is: "incomplete", id, why: "neither file nor folder" };
  if (!raw_) return { is: "incomplete", id, why: "no name" };
  if (!parent && !wire.root) return { is: "incomplete", id, why: "no parent" };
  const name = fromCloudName(raw_);
  if (name === undefined) return { is: "hidden", id, why: `its name cannot be shown: ${JSON.stringify(raw_)}` };
  const parentId = wire.root || !parent ? undefined : itemId(sameSpelling(parent));
  const item = { id, parentId, name, kind, ...valuesOf(wire, kind) };
  return { is: "item", item, downloadUrl: wire["@microsoft.graph.downloadUrl"] ?? wire["@content.downloadUrl"] };
}

const pageSchema = z.object({ value: z.array(z.unknown()), "@odata.nextLink": text, "@odata.deltaLink": text });

export interface WirePage {
  readonly items: readonly WireItem[];
  readonly next: string | undefined;
  readonly cursor: string | undefined;
}

/** Undefined when it is no page, or one of its entries has no id: a change that cannot be named must not be passed over. */
export function parsePage(raw: unknown): WirePage | undefined {
  const parsed = pageSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const items = parsed.data.value.map(parseItem);
  if (items.some((item) => item === undefined)) return undefined;
  return { items: items as WireItem[], next: parsed.data["@odata.nextLink"], cursor: parsed.data["@odata.deltaLink"] };
}

const driveSchema = z.object({
  id: z.string().min(1),
  driveType: text,
  owner: z
    .object({ user: z.object({ displayName: text, email: text, id: text }).optional().catch(undefined) })
    .optional()
    .catch(undefined),
  quota: z.object({ total: number, used: number, remaining: number }).optional().catch(undefined),
});

export interface WireDrive {
  readonly driveId: string;
  readonly driveType: "personal" | "business" | "documentLibrary";
  readonly owner: string;
  readonly quota: { readonly total: number; readonly used: number; readonly remaining: number } | undefined;
}

export function parseDrive(raw: unknown): WireDrive | undefined {
  const parsed = driveSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const { id, driveType, owner, quota } = parsed.data;
  const known = driveType === "personal" || driveType === "documentLibrary" ? driveType : "business";
  return {
    driveId: sameDriveId(id),
    driveType: known,
    owner: owner?.user?.displayName ?? owner?.user?.email ?? owner?.user?.id ?? "",
    quota: quotaOf(quota),
  };
}

const sessionSchema = z.object({
  uploadUrl: text,
  expirationDateTime: text,
  nextExpectedRanges: z.array(z.string()).optional().catch(undefined),
});

export interface WireSession {
  readonly url: string | undefined;
  readonly expiresAt: number | undefined;
  readonly nextOffset: number | undefined;
}

export function parseSession(raw: unknown): WireSession | undefined {
  const parsed = sessionSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const first = /^(\d+)-/.exec(parsed.data.nextExpectedRanges?.[0] ?? "")?.[1];
  const nextOffset = first === undefined ? undefined : Number(first);
  return { url: parsed.data.uploadUrl, expiresAt: timeMs(parsed.data.expirationDateTime), nextOffset };
}

const monitorSchema = z.object({ status: text, resourceId: text, errorCode: text });

/** State of a copy. */
export interface WireMonitor {
  readonly status: string;
  readonly itemId: ItemId | undefined;
  readonly errorCode: string | undefined;
}

export function parseMonitor(raw: unknown): WireMonitor | undefined {
  const parsed = monitorSchema.safeParse(raw);
  if (!parsed.success || !parsed.data.status) return undefined;
  const { status, resourceId, errorCode } = parsed.data;
  return { status, itemId: resourceId ? itemId(sameSpelling(resourceId)) : undefined, errorCode };
}

const batchSchema = z.object({
  responses: z.array(
    z.object({
      id: z.union([z.string(), z.number()]).transform(String),
      status: z.number(),
      headers: z.record(z.string(), z.unknown()).optional().catch(undefined),
      body: z.unknown().optional(),
    }),
  ),
});

export type WireAnswer = z.infer<typeof batchSchema>["responses"][number];

export function parseBatch(raw: unknown): readonly WireAnswer[] | undefined {
  const parsed = batchSchema.safeParse(raw);
  return parsed.success ? parsed.data.responses : undefined;
}

const errorSchema = z.object({
  error: z.object({
    code: text,
    message: text,
    innerError: z.unknown().optional(),
    innererror: z.unknown().optional(),
  }),
});

export interface WireError {
  /** The code and those inside it, outermost first. */
  readonly codes: readonly string[];
  readonly message: string;
}

export function parseError(raw: unknown): WireError | undefined {
  const parsed = errorSchema.safeParse(raw);
  if (!parsed.success) return undefined;
  const { code, message, innerError, innererror } = parsed.data.error;
  return { codes: [...(code ? [code] : []), ...innerCodes(innerError ?? innererror, 0)], message: message ?? "" };
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

function kindOf(wire: RawItem): Kind | undefined {
  if (wire.folder || wire.root || wire.package || wire.remoteItem?.folder) return "folder";
  return wire.file || wire.remoteItem || wire.malware ? "file" : undefined;
}

function valuesOf(wire: RawItem, kind: Kind): Omit<CloudItem, "id" | "parentId" | "name" | "kind"> {
  const info = wire.fileSystemInfo ?? wire.remoteItem?.fileSystemInfo;
  const size = kind === "folder" ? 0 : Math.max(0, Math.trunc(wire.size ?? wire.remoteItem?.size ?? 0));
  const hash = wire.file?.hashes?.quickXorHash;
  const opaque = wire.remoteItem ? "remote" : wire.package ? "package" : wire.malware ? "malware" : undefined;
  return {
    size,
    mtime: seconds(info?.lastModifiedDateTime, wire.lastModifiedDateTime),
    birth: seconds(info?.createdDateTime, wire.createdDateTime),
    ...(wire.eTag ? { eTag: eTag(wire.eTag) } : {}),
    ...(wire.cTag ? { cTag: cTag(wire.cTag) } : {}),
    ...(hash && (hash !== NO_HASH || size === 0) ? { hash } : {}),
    ...(wire.webUrl ? { webUrl: wire.webUrl } : {}),
    ...(opaque ? { opaque } : {}),
  };
}

function seconds(...candidates: readonly (string | undefined)[]): number {
  for (const candidate of candidates) {
    const ms = timeMs(candidate);
    if (ms !== undefined) return Math.floor(ms / 1000);
  }
  return 0;
}

function quotaOf(quota: z.infer<typeof driveSchema>["quota"]): WireDrive["quota"] {
  const total = quota?.total ?? 0;
  const used = quota?.used ?? 0;
  if (total <= 0) return undefined;
  return { total, used, remaining: Math.max(0, quota?.remaining ?? total - used) };
}

function innerCodes(raw: unknown, depth: number): string[] {
  if (typeof raw !== "object" || raw === null || depth > 5) return [];
  const { code, innerError, innererror } = raw as Record<string, unknown>;
  return [...(typeof code === "string" ? [code] : []), ...innerCodes(innerError ?? innererror, depth + 1)];
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
