/**
 * What the cloud has from us although no answer said so: places, times and bytes that were asked for and may have arrived. Where
 * the cloud shows one of them it is no news, whoever tells it, the feed or a read by id: it counts as Base, so what the person did since then
 * stands. It is remembered from before the request is sent until an answer of the item is recorded, or nothing of it differs any more; also
 * over the end of the process.
 */
import type { ItemKey } from "../model/ids.ts";
import { contentVersion, type MirrorItem } from "../model/item.ts";
import { ASKED_PLACES_MAX } from "../model/limits.ts";
import { ofNode } from "../oplog/oplog.ts";
import type { Asked } from "../store/schema.ts";
import type { Reader, Writer } from "../store/store.ts";

/** To be committed before the request is sent. */
export function noteAsked(tx: Writer, node: ItemKey, asked: Asked): void {
  const known = tx.sent.get(node)?.asked ?? [];
  if (known.some((one) => isSame(one, asked))) return;
  tx.sent.put(node, { asked: [...known, asked].slice(-ASKED_PLACES_MAX) });
}

export function forgetAsked(tx: Writer, node: ItemKey): void {
  if (tx.sent.get(node)) tx.sent.remove(node);
}

/** `held` with what `told` has from us; undefined: nothing of it is. */
export function echoOf(
  read: Reader,
  node: ItemKey,
  { held, told }: { held: MirrorItem; told: MirrorItem },
): MirrorItem | undefined {
  const asked = read.sent.get(node)?.asked ?? [];
  const bytes = isBytesOfOurs(read, node, { held, told });
  const name = told.name !== held.name && asked.some((one) => one.name === told.name);
  const parent = told.parent !== held.parent && asked.some((one) => one.parent === told.parent);
  // Whoever stores bytes sets a time as well; the one that belongs to ours is sent after them.
  const mtime = told.mtime !== held.mtime && (bytes || asked.some((one) => one.mtime === told.mtime));
  if (!bytes && !name && !parent && !mtime) return undefined;
  return {
    ...(bytes ? told : held),
    name: name ? told.name : held.name,
    parent: parent ? told.parent : held.parent,
    mtime: mtime ? told.mtime : held.mtime,
  };
}

/** The bytes are those of an upload that is recorded as under way. */
function isBytesOfOurs(read: Reader, node: ItemKey, { held, told }: { held: MirrorItem; told: MirrorItem }): boolean {
  if (told.kind === "folder" || contentVersion(told) === contentVersion(held)) return false;
  return ofNode(read, node).some(({ op, status }) => {
    if (op.type !== "writeContent" || status.state !== "inflight") return false;
    const blob = read.blobs.get(op.blob);
    if (!blob || blob.state === "open" || blob.size !== told.size) return false;
    return told.size === 0 || (blob.hash !== undefined && blob.hash === told.hash);
  });
}

function isSame(a: Asked, b: Asked): boolean {
  return a.parent === b.parent && a.name === b.name && a.mtime === b.mtime;
}
