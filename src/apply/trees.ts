/** The tables as the merge sees them: the Mirror as a tree, the Local rows as the differences to it. */
import { atOnce, type Stepwise } from "../base/stepwise.ts";
import type { Bytes, Overlay, Tree, TreeNode } from "../merge/merge.ts";
import { saysLengthOnly } from "../model/hash.ts";
import { ROOT, type BlobId, type ItemKey } from "../model/ids.ts";
import { blobId } from "../model/ids.ts";
import { blobVersion, contentVersion, type FileContent, type LocalItem, type MirrorItem } from "../model/item.ts";
import type { BlobRow } from "../store/schema.ts";
import { ofNode } from "../oplog/oplog.ts";
import type { Reader } from "../store/store.ts";
import { isGone, mirrorAt, mirrorChildren } from "../store/tree.ts";

/** Characters of base32(SHA-256) in a conflict name. */
const TAG_CHARACTERS = 6;
const BLOB = "blob:";

export function mirrorTree(read: Reader): Tree {
  return {
    get(node) {
      const row = read.mirror.get(node);
      if (row) return nodeOf(row);
      return node === ROOT ? { kind: "folder", parent: ROOT, name: "", bytes: null, mtime: 0 } : undefined;
    },
    at: (parent, name) => mirrorAt(read, parent, name),
    children: (node) => mirrorChildren(read, node),
  };
}

export function nodeOf(row: MirrorItem): TreeNode {
  const { kind, parent, name, mtime } = row;
  return { kind, parent, name, mtime, bytes: kind === "folder" ? null : cloudBytes(row) };
}

export function cloudBytes(row: MirrorItem): Bytes {
  const hash = row.size === 0 && row.kind === "file" ? HASH_OF_NOTHING : row.hash;
  return { version: contentVersion(row), size: row.size, ...(hash ? { hash } : {}) };
}

/** The service gives empty files no hash; they are equal all the same. */
const HASH_OF_NOTHING = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/** The Local rows; a file without bytes of its own has those that `base` has. */
export function localOverlay(read: Reader, base: Tree): Overlay {
  return atOnce(overlayInSteps(read, base));
}

export function* overlayInSteps(read: Reader, base: Tree): Stepwise<Overlay> {
  const overlay = new Map<ItemKey, TreeNode | null>();
  for (const [node, row] of read.local.range()) {
    yield;
    overlay.set(node, isGone(row) ? null : localNode(read, { node, row, base }));
  }
  return overlay;
}

function localNode(read: Reader, of: { node: ItemKey; row: LocalItem; base: Tree }): TreeNode {
  const { kind, parent, name, mtime, content } = of.row;
  if (kind === "folder") return { kind, parent, name, mtime, bytes: null };
  const bytes = content.from === "blob" ? unpushed(read, of.node, content) : of.base.get(of.node)?.bytes;
  return { kind, parent, name, mtime, bytes: bytes ?? NO_BYTES };
}

/** A file whose bytes are the cloud's while the cloud has no such file: a broken store; it shows, and is sent, as nothing. */
const NO_BYTES: Bytes = { version: "none", size: 0 };

/** The blob of a version, when it is one of unpushed bytes. */
export function blobIn(version: string | undefined): BlobId | undefined {
  return version?.startsWith(BLOB) ? blobId(Number(version.slice(BLOB.length))) : undefined;
}

/**
 * Bytes made from an upload under way are made from what that upload was made from; and should the upload turn out to have arrived,
 * that is no news.
 */
function unpushed(read: Reader, node: ItemKey, content: Unpushed): Bytes {
  const { seen, blobs } = origin(read, node, content);
  const sent: { size: number; hash: string }[] = [];
  for (const blob of blobs) {
    const row = read.blobs.get(blob);
    if (row?.hash && row.state !== "open") sent.push({ size: row.size, hash: row.hash });
  }
  const row = read.blobs.get(content.blob);
  return {
    version: blobVersion(content.blob),
    // After a power cut the recorded length may be older than the bytes that were frozen, sent and hashed.
    size: row && row.state !== "open" ? row.size : content.size,
    ...hashes(row),
    ...(row?.hash && saysLengthOnly(row.hash) && isAsked(read, node, content.blob) ? { asked: true as const } : {}),
    ...(seen === undefined ? {} : { seen }),
    ...(sent.length > 0 ? { sent } : {}),
  };
}

/** A request with the bytes is under way, or one whose outcome nobody knows. */
function isAsked(read: Reader, node: ItemKey, blob: BlobId): boolean {
  if (read.intents.get(node)?.blob === blob) return true;
  return ofNode(read, node).some(
    ({ op, status }) => op.type === "writeContent" && op.blob === blob && status.state === "inflight",
  );
}

type Unpushed = FileContent & { from: "blob" };

/**
 * Which version of the cloud unpushed bytes go back to, and through which blobs. Of bytes made from others that are not in the cloud the
 * log knows more than the row: a record that took an earlier one's place kept what the earlier one was made from.
 */
export function origin(
  read: Reader,
  node: ItemKey,
  content: Unpushed,
): { readonly seen: string | undefined; readonly blobs: readonly BlobId[] } {
  if (blobIn(content.seen) === undefined) return { seen: content.seen, blobs: [] };
  const madeFrom = new Map<BlobId, string | undefined>([[content.blob, content.seen]]);
  for (const { op } of ofNode(read, node)) if (op.type === "writeContent") madeFrom.set(op.blob, op.seen);
  const blobs: BlobId[] = [];
  let seen = madeFrom.get(content.blob);
  for (let blob = blobIn(seen); blob !== undefined && !blobs.includes(blob); blob = blobIn(seen)) {
    blobs.push(blob);
    if (madeFrom.has(blob)) seen = madeFrom.get(blob);
  }
  return { seen, blobs };
}

function hashes(row: BlobRow | undefined): { hash?: string; tag?: string } {
  if (!row || row.state === "open") return {};
  return { ...(row.hash ? { hash: row.hash } : {}), ...(row.sha256 ? { tag: base32(row.sha256) } : {}) };
}

/** The first characters of lower-case base32 of a digest given in hex. */
export function base32(hex: string): string {
  const letters = "abcdefghijklmnopqrstuvwxyz234567";
  let tag = "";
  for (let at = 0; at < TAG_CHARACTERS; at++) {
    const bit = at * 5;
    const nibbles = Number.parseInt(hex.slice(Math.floor(bit / 4), Math.floor(bit / 4) + 3), 16);
    tag += letters[(nibbles >> (12 - (bit % 4) - 5)) & 31];
  }
  return tag;
}
