/**
 * Where bytes that were found belong, and the change of the tree that puts them there, with the records that will send them. It takes
 * no name from anybody: who has the place keeps it, and the bytes go beside it as a conflict copy.
 */
import { copyName } from "../apply/copy-name.ts";
import { fitOps } from "../apply/keep-ops.ts";
import type { Digest } from "../content/hash.ts";
import type { Identity } from "../content/identity.ts";
import { itemId, type BlobId, type ItemKey } from "../model/ids.ts";
import type { Facts, FileContent, LocalItem } from "../model/item.ts";
import { fold } from "../model/name.ts";
import { isLocalOnly } from "../store/local-only.ts";
import type { Reader, Writer } from "../store/store.ts";
import { changeTrees, localAt, newNode, viewLocal } from "../store/tree.ts";
import type { Became } from "./take-back.ts";

export type Place =
  | { readonly at: "item"; readonly node: ItemKey }
  | { readonly at: "folder"; readonly parent: ItemKey; readonly below: readonly string[]; readonly name: string };

export interface Putting {
  readonly identity: Identity;
  readonly digest: Digest;
  readonly blob: BlobId;
  readonly place: Place;
  /** What the bytes these were made from have become. */
  readonly before: Became | undefined;
  /** Of the file; seconds since the epoch. */
  readonly mtime: number;
  readonly device: string;
  readonly localOnlyPatterns: readonly string[];
  now(): number;
}

/** The caller writes the blob's row. */
export function putBack(tx: Writer, putting: Putting): Became {
  const { place, before } = putting;
  if (place.at === "item") return ontoItem(tx, putting, place.node);
  const parent = madeFolders(tx, putting, place);
  const other = localAt(tx, parent, fold(place.name));
  if (other !== undefined) return beside(tx, putting, { parent, name: place.name, of: other });
  const seen = before?.blob === undefined ? undefined : before.seen;
  return show(tx, putting, { node: newNode(tx), parent, name: place.name, seen });
}

function ontoItem(tx: Writer, putting: Putting, node: ItemKey): Became {
  const { before, identity } = putting;
  const view = viewLocal(tx, node)!;
  const { content } = view;
  if (content.from === "blob" && content.blob !== before?.blob)
    return beside(tx, putting, { parent: view.parent, name: view.name, of: node });
  if (content.from === "blob") tx.blobs.remove(content.blob);
  const seen = before ? before.seen : identity.version;
  return show(tx, putting, { node, ...whereTo(tx, putting, view), seen });
}

function beside(tx: Writer, putting: Putting, other: { parent: ItemKey; name: string; of: ItemKey }): Became {
  const { parent, name, of } = other;
  const { device, digest } = putting;
  const node = newNode(tx);
  const taken = (free: string): boolean => localAt(tx, parent, fold(free)) !== undefined;
  const copy = copyName({ name, device, mtime: mtimeOf(putting), sha256: digest.sha256 }, taken);
  const done = show(tx, putting, { node, parent, name: copy, seen: undefined });
  tx.conflicts.put(node, { of, why: "unpushed bytes that a lost index did not know", at: putting.now() });
  return done;
}

/** The node shows the bytes. */
function show(
  tx: Writer,
  putting: Putting,
  { node, parent, name, seen }: { node: ItemKey; parent: ItemKey; name: string; seen: string | undefined },
): Became {
  const { blob, digest } = putting;
  const content: FileContent = { from: "blob", blob, size: digest.length, ...(seen === undefined ? {} : { seen }) };
  write(tx, putting, { node, row: { kind: "file", parent, name, mtime: mtimeOf(putting), content } });
  return { node, blob, seen };
}

function mtimeOf({ identity, mtime }: Putting): number {
  return identity.mtime ?? mtime;
}

/** Who is at the place now. */
export function occupant(read: Reader, place: Place): ItemKey | undefined {
  if (place.at === "item") return place.node;
  let at = place.parent;
  for (const name of place.below) {
    const next = localAt(read, at, fold(name));
    if (next === undefined || viewLocal(read, next)?.kind !== "folder") return undefined;
    at = next;
  }
  return localAt(read, at, fold(place.name));
}

/** The folder of the cloud that the bytes were below, if it is here. */
export function folderOf(read: Reader, { folder }: Identity): ItemKey | undefined {
  const node = folder === undefined ? undefined : read.ids.get(itemId(folder));
  return node !== undefined && viewLocal(read, node)?.kind === "folder" ? node : undefined;
}

/** Renamed or moved here and not yet in the cloud: at that place again, when it is free. */
function whereTo(
  read: Reader,
  { identity }: Putting,
  view: { parent: ItemKey; name: string },
): { parent: ItemKey; name: string } {
  const parent = identity.moved && !identity.below ? folderOf(read, identity) : undefined;
  const { name } = identity;
  if (parent === undefined || name === undefined || localAt(read, parent, fold(name)) !== undefined) return view;
  return { parent, name };
}

/** Makes the folders again that the cloud does not have. */
function madeFolders(tx: Writer, putting: Putting, place: Place & { at: "folder" }): ItemKey {
  let at = place.parent;
  for (const name of place.below) {
    const there = localAt(tx, at, fold(name));
    if (there !== undefined && viewLocal(tx, there)?.kind === "folder") {
      at = there;
      continue;
    }
    const taken = (other: string): boolean => localAt(tx, at, fold(other)) !== undefined;
    const { device, mtime, digest } = putting;
    const free = there === undefined ? name : copyName({ name, device, mtime, sha256: digest.sha256 }, taken);
    const node = newNode(tx);
    const row: LocalItem = { kind: "folder", parent: at, name: free, mtime: putting.mtime, content: { from: "cloud" } };
    write(tx, putting, { node, row });
    at = node;
  }
  return at;
}

function write(tx: Writer, putting: Putting, { node, row }: { node: ItemKey; row: LocalItem }): void {
  const { mode, uid, gid, localOnly } = putting.identity;
  changeTrees(tx, new Map([[node, { local: row }]]));
  const facts =
    row.kind === "file" ? defined({ mode, uid, gid, localOnly: localOnly ? (true as const) : undefined }) : {};
  if (Object.keys(facts).length > 0) tx.facts.put(node, { ...tx.facts.get(node), ...facts });
  fitOps(tx, node, { at: putting.now(), localOnly: isLocalOnly(tx, node, putting.localOnlyPatterns) });
}

function defined(facts: { readonly [K in keyof Facts]: Facts[K] | undefined }): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([, fact]) => fact !== undefined));
}
