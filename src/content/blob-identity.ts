/**
 * What a blob's file says of itself, and which blobs have to say something new: those whose node was acted on. Without the index this
 * is all that tells where unpushed bytes belong, so it follows renames, also those of folders that the cloud does not have yet.
 */
import { ROOT, opId, type BlobId, type ItemKey } from "../model/ids.ts";
import type { Reader } from "../store/store.ts";
import { localChildren, viewLocal, type LocalView } from "../store/tree.ts";
import type { Identity } from "./identity.ts";

/** Undefined when no row names the blob. */
export function blobIdentity(read: Reader, blob: BlobId): Identity | undefined {
  const node = read.blobs.get(blob)?.node;
  if (node === undefined) return undefined;
  const view = viewLocal(read, node);
  const version = view?.content.from === "blob" && view.content.blob === blob ? view.content.seen : undefined;
  return {
    node,
    blob,
    ...(version === undefined ? {} : { version }),
    ...(view ? placeOf(read, view) : {}),
    ...(view?.mirror ? { item: view.mirror.id } : {}),
  };
}

function placeOf(read: Reader, view: LocalView): Omit<Identity, "node"> {
  const { node, name, parent, mtime, mirror } = view;
  const facts = read.facts.get(node);
  const below: string[] = [];
  let localOnly = facts?.localOnly;
  let at = parent;
  for (; at !== ROOT && !read.mirror.get(at);) {
    const folder = viewLocal(read, at);
    if (!folder) break;
    below.unshift(folder.name);
    localOnly ??= read.facts.get(at)?.localOnly;
    at = folder.parent;
  }
  const folder = read.mirror.get(at)?.id;
  return {
    name,
    mtime,
    ...(folder ? { folder } : {}),
    ...(below.length > 0 ? { below } : {}),
    ...(mirror && (mirror.parent !== parent || mirror.name !== name) ? { moved: true as const } : {}),
    ...(facts?.mode === undefined ? {} : { mode: facts.mode }),
    ...(facts?.uid === undefined ? {} : { uid: facts.uid }),
    ...(facts?.gid === undefined ? {} : { gid: facts.gid }),
    ...(localOnly ? { localOnly } : {}),
  };
}

/** The blobs of nodes that operations from number `since` on are about, and the number to begin with the next time. */
export function blobsActedOn(
  read: Reader,
  since: number,
): { readonly blobs: readonly BlobId[]; readonly next: number } {
  const next = (read.meta.get("nextOp") as number | undefined) ?? 1;
  if (next <= since) return { blobs: [], next };
  const nodes = new Set<ItemKey>();
  for (const [, { op }] of read.ops.range({ start: opId(since) })) nodes.add(op.node);
  return { blobs: [...nodes].flatMap((node) => [...blobsBelow(read, node)]), next };
}

/** The blob of a file; those of all files in a folder that the cloud does not have. */
function* blobsBelow(read: Reader, node: ItemKey): Iterable<BlobId> {
  const view = viewLocal(read, node);
  if (view?.content.from === "blob") yield view.content.blob;
  if (view?.kind !== "folder" || view.mirror) return;
  for (const child of Array.from(localChildren(read, node))) yield* blobsBelow(read, child);
}
