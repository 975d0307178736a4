/**
 * Reads Graph paths in every spelling clients use: `me/drive`, `drives/{d}`, ids raw or percent-encoded, `root:/a/b:/content`,
 * `items/{id}:/name`, `root:%2Fname:/content`, `root:/.%2Fname`, a trailing slash, `select=` with and without `$`. A name
 * cannot hold `/` or `:`, so the whole path is decoded first and then cut at slashes and colons.
 */
import type { Drive } from "./drive.ts";
import type { Item } from "./item.ts";
import { occupant, type Slot } from "./mutate.ts";
import { badRequest, notFound, unsupported } from "./refusal.ts";
import type { World } from "./world.ts";

/** Which item a path names, before anybody looks whether it is there. */
export type Anchor =
  | { readonly kind: "root" }
  | { readonly kind: "id"; readonly id: string }
  | { readonly kind: "special"; readonly name: string };

export interface Address {
  readonly drive: Drive;
  readonly anchor: Anchor;
  /** Names below the anchor; absent when no `:` was used. */
  readonly names: readonly string[] | undefined;
  /** What follows the item, such as `children` or `content`. */
  readonly action: readonly string[];
}

export type Place =
  | { readonly kind: "item"; readonly address: Address }
  | { readonly kind: "drive"; readonly drive: Drive; readonly action: readonly string[] }
  | { readonly kind: "other"; readonly segments: readonly string[] };

/** A path behind `/v1.0/`. */
export function readPlace(world: World, rawPath: string): Place {
  const decoded = decodePath(rawPath);
  const segments = decoded.split("/").filter((part) => part !== "");
  const base = driveOf(world, segments);
  if (!base) return { kind: "other", segments };
  const rest = afterSegments(decoded, base.used);
  const anchor = readAnchor(rest);
  if (!anchor) return { kind: "drive", drive: base.drive, action: segments.slice(base.used) };
  return { kind: "item", address: { drive: base.drive, anchor: anchor.anchor, ...readTail(anchor.tail) } };
}

/** The live item an address names. */
export function itemAt(world: World, address: Address): Item {
  const item = findAt(world, address);
  if (!item) throw notFound();
  return item;
}

export function findAt(world: World, address: Address): Item | undefined {
  let item: Item | undefined = anchorItem(world, address);
  for (const name of address.names ?? []) item = item && occupant({ parent: item, name });
  return item;
}

/** The place an address by path names, whether taken or free; its folder must be there. */
export function slotAt(world: World, address: Address): Slot {
  const names = address.names ?? [];
  const name = names.at(-1);
  if (name === undefined) throw badRequest("invalidRequest", "File name not provided in url");
  return { parent: itemAt(world, { ...address, names: names.slice(0, -1) }), name };
}

/** Like `slotAt`, but makes missing folders above, as the service does for writes by path. */
export function slotMaking(world: World, address: Address, makeFolder: (slot: Slot) => Item): Slot {
  const names = address.names ?? [];
  if (names.length === 0) throw badRequest("invalidRequest", "File name not provided in url");
  let parent = itemAt(world, { ...address, names: [] });
  for (const name of names.slice(0, -1)) parent = occupant({ parent, name }) ?? makeFolder({ parent, name });
  return { parent, name: names.at(-1)! };
}

function anchorItem(world: World, { drive, anchor }: Address): Item | undefined {
  if (anchor.kind === "root") return drive.root;
  if (anchor.kind === "special") return specialFolder(drive, anchor.name);
  const item = world.byId(drive, anchor.id);
  return item && !item.binned ? item : undefined;
}

const SPECIAL: Readonly<Record<string, string>> = {
  documents: "Documents",
  photos: "Pictures",
  cameraroll: "Pictures/Camera Roll",
  music: "Music",
  approot: "Apps/mount.onedrive",
};

export function specialPath(name: string): readonly string[] {
  const path = SPECIAL[name.toLowerCase()];
  if (path === undefined) throw notFound("There is no such special folder.");
  return path.split("/");
}

function specialFolder(drive: Drive, name: string): Item | undefined {
  let item: Item | undefined = drive.root;
  for (const part of specialPath(name)) item = item && occupant({ parent: item, name: part });
  return item;
}

function driveOf(world: World, segments: readonly string[]): { drive: Drive; used: number } | undefined {
  const [first, second, third] = segments;
  if (first === "drive") return { drive: world.main, used: 1 };
  if (first === "me" && second === "drive") return { drive: world.main, used: 2 };
  if (first === "drives" && second !== undefined) {
    const drive = world.drives.find((each) => each.ids.isDriveId(second));
    if (!drive)
      throw badRequest(
        "invalidRequest",
        "The provided drive id appears to be malformed, or does not represent a valid drive.",
      );
    return { drive, used: 2 };
  }
  if ((first === "users" || first === "groups" || first === "sites") && third === "drive")
    return { drive: world.main, used: 3 };
  return undefined;
}

/** The text after the first `count` segments, without a leading slash. */
function afterSegments(decoded: string, count: number): string {
  let at = 0;
  for (let seen = 0; seen < count; seen++) {
    while (decoded[at] === "/") at++;
    while (at < decoded.length && decoded[at] !== "/") at++;
  }
  return decoded.slice(at).replace(/^\/+/, "");
}

function readAnchor(rest: string): { anchor: Anchor; tail: string } | undefined {
  const found = /^(root|items\/+([^/:]+)|special\/+([^/:]+))(?=[/:]|$)/.exec(rest);
  if (!found) return undefined;
  const tail = rest.slice(found[0].length);
  const [, , id, special] = found;
  if (special !== undefined) return { anchor: { kind: "special", name: special }, tail };
  return { anchor: id === undefined || id === "root" ? { kind: "root" } : { kind: "id", id }, tail };
}

function readTail(tail: string): Pick<Address, "names" | "action"> {
  if (!tail.startsWith(":")) return { names: undefined, action: split(tail) };
  const end = tail.indexOf(":", 1);
  const names = split(end < 0 ? tail.slice(1) : tail.slice(1, end)).filter((name) => name !== ".");
  if (names.includes("..")) throw badRequest("invalidRequest", "The path contains ..", "invalidPath");
  const action = end < 0 ? [] : split(tail.slice(end + 1));
  if (action.some((part) => part.includes(":"))) throw unsupported("a second path in one address");
  return { names, action };
}

function split(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}

function decodePath(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    throw badRequest("invalidRequest", "The path is not valid percent-encoded UTF-8.", "invalidPath");
  }
}
