/**
 * What tags tell besides equality, used with care: the order of eTags is visible in practice but promised nowhere, so it only ever
 * raises a doubt. And fields that an answer leaves out: they are taken from what is held when the content is known to be the same, so
 * that an item has one content version whichever way its state came here.
 */
import { saysLengthOnly } from "../model/hash.ts";
import type { CloudItem, MirrorItem } from "../model/item.ts";

type Tagged = Pick<CloudItem, "eTag" | "cTag" | "hash" | "size" | "mtime">;

/** True when `told` is an earlier version of the same item than `held`, as far as its eTag lets see. */
export function looksOlder(told: Pick<CloudItem, "eTag">, held: Pick<CloudItem, "eTag">): boolean {
  const [a, b] = [versionIn(told.eTag), versionIn(held.eTag)];
  return a !== undefined && b !== undefined && a < b;
}

/** The number in `"{GUID},N"`, or in the base64 of `id.N`. */
function versionIn(eTag: string | undefined): number | undefined {
  if (eTag === undefined) return undefined;
  const plain = /^"?(?:W\/)?"?\{[0-9a-f-]+\},(\d+)"?$/i.exec(eTag);
  if (plain) return Number(plain[1]);
  const bare = eTag.replace(/^"|"$/g, "");
  if (!/^[A-Za-z0-9+/_-]{8,}={0,2}$/.test(bare)) return undefined;
  const decoded = /^[!-~]+\.(\d{1,12})$/.exec(Buffer.from(bare, "base64").toString("latin1"));
  return decoded ? Number(decoded[1]) : undefined;
}

/** The item with what its answer left out. */
export function completed(item: CloudItem, held: MirrorItem | undefined): CloudItem {
  if (!held || item.kind === "folder") return item;
  const lacks =
    (item.cTag === undefined && held.cTag !== undefined) || (item.hash === undefined && held.hash !== undefined);
  if (!lacks || !sameContent(item, held)) return item;
  return {
    ...item,
    ...(item.cTag === undefined && held.cTag !== undefined ? { cTag: held.cTag } : {}),
    ...(item.hash === undefined && held.hash !== undefined ? { hash: held.hash } : {}),
  };
}

function sameContent(told: Tagged, held: Tagged): boolean {
  if (told.size !== held.size) return false;
  if (told.cTag !== undefined && held.cTag !== undefined) return told.cTag === held.cTag;
  if (told.hash !== undefined && held.hash !== undefined && !saysLengthOnly(told.hash)) return told.hash === held.hash;
  if (told.eTag !== undefined && held.eTag !== undefined && told.eTag === held.eTag) return true;
  return told.cTag === undefined && (told.hash ?? held.hash) === held.hash && told.mtime === held.mtime;
}
