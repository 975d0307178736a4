/**
 * Unpushed bytes that the index does not know (it was lost, or damaged) go back to where they belong, by what their files say of
 * themselves. For each file in `found`, as soon as what it names is known:
 *
 *   the cloud has just these bytes there          they become its clean bytes; nothing is sent
 *   the mount shows just these bytes there        the file goes
 *   a change of an item, not changed here since   the item's unpushed bytes again, based on the version they were based on
 *   made from bytes that were taken back          in their place
 *   a change of an item that was changed here     a conflict copy beside it
 *   a file the cloud does not have                the file again, in its folder (made again if need be), under its name, or beside
 *                                                 whoever has that name now, as a conflict copy
 *
 * What cannot be placed stays in `found`, where nothing removes it.
 */
import type { Applied } from "../apply/apply.ts";
import type { Content } from "../content/content.ts";
import type { Found, FoundFile } from "../content/found.ts";
import type { Digest } from "../content/hash.ts";
import type { Identity } from "../content/identity.ts";
import { saysLengthOnly } from "../model/hash.ts";
import { itemId, type BlobId, type ItemKey } from "../model/ids.ts";
import { contentVersion } from "../model/item.ts";
import { ofNode } from "../oplog/oplog.ts";
import type { Reader, Store, Writer } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import { folderOf, occupant, putBack, type Place } from "./put-back.ts";

export interface TakeBackOptions {
  readonly store: Store;
  readonly content: Pick<Content, "adopt">;
  readonly found: Found;
  readonly device: string;
  readonly localOnlyPatterns: readonly string[];
  now(): number;
  /** What people see has changed. */
  applied(changed: Pick<Applied, "nodes" | "entries">): void;
  onDefect(error: unknown): void;
}

/** What the bytes of a blob of the lost index are now; `blob` is undefined when the cloud has them. */
export interface Became {
  readonly node: ItemKey;
  readonly blob: BlobId | undefined;
  readonly seen: string | undefined;
}

export interface TakeBack {
  /** Takes back what can be placed; `isCurrent`: everything the cloud has is known. Returns the files that are left. */
  round(isCurrent: boolean): Promise<readonly FoundFile[]>;
}

export function takeBack(options: TakeBackOptions): TakeBack {
  const became = new Map<string, Became>();
  return {
    async round(isCurrent) {
      const left: FoundFile[] = [];
      for (const file of await options.found.list()) {
        const { identity } = file;
        const place = identity && placeOf(options.store.read, { identity, isCurrent, became });
        const done = place && identity && (await take(options, { file, identity, place, became }));
        if (!done) left.push(file);
      }
      return left;
    },
  };
}

interface Known {
  readonly identity: Identity;
  readonly isCurrent: boolean;
  readonly became: ReadonlyMap<string, Became>;
}

function placeOf(read: Reader, { identity, isCurrent, became }: Known): Place | undefined {
  const before = madeFrom(identity, became);
  if (before && viewLocal(read, before.node)) return { at: "item", node: before.node };
  const node = identity.item === undefined ? undefined : read.ids.get(itemId(identity.item));
  if (node !== undefined && viewLocal(read, node)?.kind === "file") return { at: "item", node };
  // Whether the item, or its name, is there is known when everything is.
  if (!isCurrent || identity.name === undefined) return undefined;
  const parent = folderOf(read, identity);
  return parent === undefined ? undefined : { at: "folder", parent, below: identity.below ?? [], name: identity.name };
}

function madeFrom(identity: Identity, became: ReadonlyMap<string, Became>): Became | undefined {
  const number = /^blob:(\d+)$/.exec(identity.version ?? "")?.[1];
  return number === undefined ? undefined : became.get(`${identity.node} ${number}`);
}

interface Taking {
  readonly file: FoundFile;
  readonly identity: Identity;
  readonly place: Place;
  readonly became: Map<string, Became>;
}

/** False: not now. */
async function take(options: TakeBackOptions, { file, identity, place, became }: Taking): Promise<boolean> {
  const { store, found, content } = options;
  const digest = await found.digest(file);
  const aim = occupant(store.read, place);
  if (digest.length !== file.size || (aim !== undefined && isBusy(store.read, aim))) return false;
  if (aim !== undefined && showsJustThese(store.read, aim, digest)) {
    await found.drop(file);
    return true;
  }
  const version = aim === undefined ? undefined : versionOfJustThese(store.read, aim, digest);
  const record = (tx: Writer, blob: BlobId): (() => void) => {
    const row = { size: digest.length, state: "frozen", hash: digest.hash, sha256: digest.sha256 } as const;
    if (aim !== undefined && version !== undefined) {
      tx.blobs.put(blob, { ...row, node: aim });
      return () => {
        became.set(`${identity.node} ${identity.blob}`, { node: aim, blob: undefined, seen: version });
        content.adopt(blob, aim, version, true).catch(options.onDefect);
      };
    }
    const put = putBack(tx, {
      ...options,
      identity,
      digest,
      blob,
      place,
      before: madeFrom(identity, became),
      mtime: file.mtime,
    });
    tx.blobs.put(blob, { ...row, node: put.node });
    const { parent, name } = viewLocal(tx, put.node)!;
    return () => {
      became.set(`${identity.node} ${identity.blob}`, put);
      options.applied({ nodes: [put.node], entries: [{ parent, name }] });
    };
  };
  return found.giveBack(file, record);
}

function isBusy(read: Reader, node: ItemKey): boolean {
  return read.intents.get(node) !== undefined || ofNode(read, node).some(({ status }) => status.state === "inflight");
}

/** Unpushed bytes of the node are these already: a take-back that was cut short in its last step. */
function showsJustThese(read: Reader, node: ItemKey, digest: Digest): boolean {
  const content = viewLocal(read, node)?.content;
  return content?.from === "blob" && read.blobs.get(content.blob)?.sha256 === digest.sha256;
}

/** The cloud's version of the node when it has just these bytes and nobody changed them here. */
function versionOfJustThese(read: Reader, node: ItemKey, digest: Digest): string | undefined {
  const view = viewLocal(read, node);
  if (!view?.mirror || view.content.from !== "cloud" || view.mirror.size !== digest.length) return undefined;
  const same = digest.length === 0 || (view.mirror.hash === digest.hash && !saysLengthOnly(digest.hash));
  return same ? contentVersion(view.mirror) : undefined;
}
