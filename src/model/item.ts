/**
 * What is kept of an item. The tree a person sees (Local) is the Mirror with an overlay on it:
 *
 *   Mirror     what the cloud last said (one row an item, keyed by node)
 *   Local row  only for a node whose place, content or mtime differs from the Mirror, or that the cloud does not have,
 *              or that is gone here (`gone`); so the Local rows *are* diff(Mirror, Local)
 *   Facts      what never goes to the cloud: mode bits, owner, atime, nanoseconds, ctime, other xattrs, pin
 *
 * Orthogonal on purpose: cached (content's business), pinned (Facts) and dirty (Local row with a blob) say nothing of each other.
 * All names here are local names (see name.ts); all times in Mirror and Local are whole seconds since the epoch.
 */
import type { BlobId, CTag, ETag, ItemId, ItemKey } from "./ids.ts";

export type Kind = "file" | "folder";

/** Seconds since the epoch (may be negative) and nanoseconds 0..999,999,999. */
export interface Time {
  readonly s: number;
  readonly n: number;
}

/** A cloud item in the cloud's own terms: what drive returns. `parentId` is undefined for the drive's root only. */
export interface CloudItem {
  readonly id: ItemId;
  readonly parentId: ItemId | undefined;
  readonly name: string;
  readonly kind: Kind;
  readonly size: number;
  readonly mtime: number;
  readonly birth: number;
  readonly eTag?: ETag;
  readonly cTag?: CTag;
  /** quickXorHash, base64; absent when the service did not give one (never equal to anything then). */
  readonly hash?: string;
  readonly webUrl?: string;
  /** Set for things that are shown but whose bytes cannot be had or changed: a OneNote package, a shortcut, malware. */
  readonly opaque?: "package" | "remote" | "malware";
}

/** A Mirror row. */
export interface MirrorItem extends Omit<CloudItem, "parentId"> {
  /** ROOT's own parent is ROOT. */
  readonly parent: ItemKey;
}

/** Which bytes a file has here. */
export type FileContent =
  /** The bytes of the Mirror's version. */
  | { readonly from: "cloud" }
  /**
   * Unpushed bytes, of the recorded length `size`. `seen` is the content version (see `contentVersion`) they were based on: of the
   * cloud, `blob:N` of an upload under way, or undefined for a file born here. The hash is in the blob's row.
   */
  | { readonly from: "blob"; readonly blob: BlobId; readonly size: number; readonly seen?: string };

/** A living Local row. */
export interface LocalItem {
  readonly kind: Kind;
  readonly parent: ItemKey;
  readonly name: string;
  readonly mtime: number;
  /** Folders always say `{ from: "cloud" }`. */
  readonly content: FileContent;
}

/** A Local row of a node that was deleted here and that the Mirror still has. */
export interface LocalGone {
  readonly gone: true;
}

/** What only this machine knows of a node. */
export interface Facts {
  /** Permission bits, 0..0o7777. */
  readonly mode?: number;
  /** Owner and group, where they are not those of the mount. */
  readonly uid?: number;
  readonly gid?: number;
  /** As it was set; reading does not move it. */
  readonly atime?: Time;
  /** Shown instead of the whole seconds when its `s` is the item's mtime. */
  readonly mtime?: Time;
  readonly ctime?: Time;
  /** `user.*` attributes other than ours. */
  readonly xattrs?: Readonly<Record<string, Uint8Array>>;
  /** 1 keep here, 0 explicitly not; absent: as the parent. */
  readonly pin?: 0 | 1;
  /** `user.onedrive.local`: never leaves this machine. */
  readonly localOnly?: true;
}

/** The version of a cloud file's content, for comparing only: its cTag, else what else tells contents apart. */
export function contentVersion(item: Pick<CloudItem, "cTag" | "eTag" | "hash" | "size" | "mtime">): string {
  if (item.cTag) return item.cTag;
  return item.hash ? `hash:${item.hash}:${item.size}` : `etag:${item.eTag ?? ""}:${item.size}:${item.mtime}`;
}

/** The version of a blob's content while it is not in the cloud. */
export function blobVersion(blob: BlobId): string {
  return `blob:${blob}`;
}
