/**
 * Is this item still of that content version? The same content has several names: answers differ in which of cTag and hash they
 * give, and a version recorded from a poor one must still be recognised in a rich one.
 */
import { contentVersion, type CloudItem } from "../model/item.ts";

export function isVersion(item: CloudItem, version: string): boolean {
  const { cTag: _content, ...untagged } = item;
  const { hash: _hash, ...bare } = untagged;
  return [item, untagged, bare].some((known) => contentVersion(known) === version);
}
