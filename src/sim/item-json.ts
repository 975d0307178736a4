/** Writes items, drives and versions as the profile's service would: which fields, in which form, with which left out. */
import { binBytes, usedBytes, type Drive } from "./drive.ts";
import type { ContentReader } from "./content.ts";
import { EMPTY_HASH } from "./content.ts";
import { isFolder, pathOf, type Actor, type Item } from "./item.ts";
import { webUrl, type Links, type Signer } from "./links.ts";
import { currentVersion } from "./mutate.ts";
import type { World } from "./world.ts";

export type Json = Record<string, unknown>;

/** What writing needs besides the item. */
export interface Pen {
  readonly world: World;
  readonly reader: ContentReader;
  readonly signer: Signer;
  readonly links: Links;
}

export function eTagOf(item: Item, world: World): string {
  const { ids } = item.drive;
  if (world.profile.ids === "numbered") return "a" + base64(`${ids.itemId(item.num)}.${item.changes}`);
  return `"{${ids.guid(item.num)}},${item.changes}"`;
}

/** Undefined where the profile gives none. */
export function cTagOf(item: Item, world: World): string | undefined {
  const { ids } = item.drive;
  const folder = item.content === null;
  if (folder && !world.profile.folderCTag) return undefined;
  if (world.profile.ids !== "numbered") return `"c:{${ids.guid(item.num)}},${item.contentChanges}"`;
  return "a" + base64(`${folder ? "t" : "c"}:${ids.itemId(item.num)}.${item.contentChanges}`);
}

/** An item as every call but delta gives it. */
export function itemJson(item: Item, pen: Pen): Json {
  const { world } = pen;
  const out = commonFields(item, pen);
  const path = pathOf(item);
  out["webUrl"] = webUrl(item.drive, path, world.profile);
  const parent = parentReference(item, world);
  if (item.parent) {
    const above = path.slice(0, Math.max(0, path.length - item.name.length - 1));
    parent["name"] = item.parent.name;
    parent["path"] =
      `/drives/${item.drive.ids.driveId}/root:${above ? "/" + above.split("/").map(encodeURIComponent).join("/") : ""}`;
  }
  out["parentReference"] = parent;
  if (item.content && !item.extra?.malware) {
    out["@microsoft.graph.downloadUrl"] = pen.links.download + pen.signer.downloadPath(item, world.clockMs());
  }
  return out;
}

/** An item as delta gives it: no path, no link, and what the profile omits left out. */
export function deltaJson(item: Item, pen: Pen): Json {
  if (item.binned) return tombstone(item, pen.world);
  const out = commonFields(item, pen);
  out["parentReference"] = parentReference(item, pen.world);
  for (const field of pen.world.profile.deltaOmitsOnChange) delete out[field];
  return out;
}

export function driveJson(drive: Drive, world: World): Json {
  const used = usedBytes(drive);
  const remaining = Math.max(0, drive.quotaBytes - used);
  const share = remaining / drive.quotaBytes;
  const state = used > drive.quotaBytes ? "exceeded" : share < 0.01 ? "critical" : share < 0.1 ? "nearing" : "normal";
  return {
    id: drive.ids.driveId,
    driveType: world.profile.driveType,
    name: world.profile.driveType === "documentLibrary" ? "Documents" : "OneDrive",
    webUrl: webUrl(drive, "", world.profile),
    owner: { user: userJson(drive.owner) },
    quota: { total: drive.quotaBytes, used, remaining, deleted: binBytes(drive), state },
  };
}

export function versionsJson(item: Item): Json[] {
  const current = { label: currentVersion(item), content: item.content!, modified: item.modified, by: item.modifiedBy };
  return [...(item.extra?.versions ?? []), current].reverse().map((version) => ({
    id: `${version.label}.0`,
    lastModifiedDateTime: iso(version.modified),
    lastModifiedBy: identity(version.by, item.drive),
    size: version.content.size,
  }));
}

const written = new Map<number, string>();
const WRITTEN_MAX = 10_000;

/** A time as the service writes it; remembered, since items share theirs. */
export function iso(ms: number): string {
  const known = written.get(ms);
  if (known !== undefined) return known;
  const full = new Date(ms).toISOString();
  const text = full.endsWith(".000Z") ? full.slice(0, 19) + "Z" : full;
  if (written.size >= WRITTEN_MAX) written.clear();
  written.set(ms, text);
  return text;
}

function commonFields(item: Item, pen: Pen): Json {
  const { world } = pen;
  const { ids } = item.drive;
  const cTag = cTagOf(item, world);
  const out: Json = { id: ids.itemId(item.num), name: item.name, eTag: eTagOf(item, world) };
  if (cTag !== undefined) out["cTag"] = cTag;
  out["size"] = item.size;
  out["createdDateTime"] = iso(item.created);
  out["lastModifiedDateTime"] = iso(item.modified);
  out["fileSystemInfo"] = { createdDateTime: iso(item.clientCreated), lastModifiedDateTime: iso(item.clientModified) };
  out["createdBy"] = identity(item.createdBy, item.drive);
  out["lastModifiedBy"] = identity(item.modifiedBy, item.drive);
  if (item.content) out["file"] = fileFacet(item, pen);
  else if (isFolder(item))
    out["folder"] = {
      childCount: item.children!.size,
      view: { viewType: "thumbnails", sortBy: "name", sortOrder: "ascending" },
    };
  if (!item.parent) out["root"] = {};
  if (item.extra) addExtra(out, item, world);
  return out;
}

function addExtra(out: Json, item: Item, world: World): void {
  const extra = item.extra!;
  if (extra.special) out["specialFolder"] = { name: extra.special };
  if (extra.package) out["package"] = { type: extra.package };
  if (extra.malware) out["malware"] = { description: "EICAR_Test_File" };
  if (extra.description !== undefined && world.profile.driveType === "personal") out["description"] = extra.description;
  if (!extra.remote) return;
  const target = world.drives.find((drive) => drive.ids.driveId === extra.remote!.driveId);
  const there = target && world.byId(target, extra.remote.id);
  out["remoteItem"] = {
    id: extra.remote.id,
    name: there?.name ?? item.name,
    size: there?.size ?? 0,
    ...(there?.content ? { file: {} } : { folder: { childCount: there?.children?.size ?? 0 } }),
    parentReference: { driveId: extra.remote.driveId, driveType: world.profile.driveType },
    shared: { scope: "users", owner: { user: userJson(target?.owner ?? "Other Person") } },
  };
}

function fileFacet(item: Item, pen: Pen): Json {
  const content = item.content!;
  const mimeType = mimeTypeOf(item.name);
  if (content.size === 0 && !pen.world.profile.hashOfEmptyFile) return { mimeType };
  return { mimeType, hashes: { quickXorHash: pen.reader.hash(content) } };
}

function tombstone(item: Item, world: World): Json {
  const out: Json = {
    id: item.drive.ids.itemId(item.num),
    name: item.name,
    cTag: cTagOf(item, world),
    size: item.size,
    parentReference: parentReference(item, world),
    deleted: { state: "deleted" },
  };
  if (item.content) out["file"] = { hashes: { quickXorHash: EMPTY_HASH } };
  else out["folder"] = {};
  for (const field of world.profile.deltaOmitsOnDelete) delete out[field];
  return out;
}

function parentReference(item: Item, world: World): Json {
  const out: Json = { driveId: item.drive.ids.driveId, driveType: world.profile.driveType };
  if (item.parent) out["id"] = item.drive.ids.itemId(item.parent.num);
  return out;
}

function identity(by: Actor, drive: Drive): Json {
  return {
    application: { id: by.app, displayName: by.app },
    device: { id: by.device, displayName: by.device },
    user: userJson(drive.owner),
  };
}

function userJson(name: string): Json {
  return { id: name.toLowerCase().replace(" ", "-"), displayName: name };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64").replace(/=+$/, "");
}

const mimeTypes: Readonly<Record<string, string>> = {
  txt: "text/plain",
  md: "text/markdown",
  html: "text/html",
  json: "application/json",
  pdf: "application/pdf",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  mp4: "video/mp4",
  zip: "application/zip",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
};

export function mimeTypeOf(name: string): string {
  return mimeTypes[name.slice(name.lastIndexOf(".") + 1).toLowerCase()] ?? "application/octet-stream";
}
