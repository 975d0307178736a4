/**
 * Opaque types of every identity in the product. Each is minted by one function here, which checks its shape; nothing else
 * casts to them. Numbers are safe integers.
 */
import { assert } from "../base/assert.ts";

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** The local node number: the inode, given at birth, never changed, never reused. */
export type ItemKey = Branded<number, "ItemKey">;
/** The cloud's id of an item, as the service spells it (case-sensitive). */
export type ItemId = Branded<string, "ItemId">;
/** Serial number of an operation in the log. */
export type OpId = Branded<number, "OpId">;
/** An open file or folder in the vfs. */
export type HandleId = Branded<number, "HandleId">;
/** One generation of unpushed bytes in the state folder. */
export type BlobId = Branded<number, "BlobId">;
/** A name as the service compares names: see `fold` in name.ts. */
export type Folded = Branded<string, "Folded">;
/** Moves with every change of an item. Compared only for equality. */
export type ETag = Branded<string, "ETag">;
/** Moves with the content of a file. Compared only for equality. */
export type CTag = Branded<string, "CTag">;

export const itemKey = (value: number): ItemKey => whole(value, "ItemKey") as ItemKey;
export const opId = (value: number): OpId => whole(value, "OpId") as OpId;
export const handleId = (value: number): HandleId => whole(value, "HandleId") as HandleId;
export const blobId = (value: number): BlobId => whole(value, "BlobId") as BlobId;
export const itemId = (value: string): ItemId => filled(value, "ItemId") as ItemId;
export const eTag = (value: string): ETag => filled(value, "ETag") as ETag;
export const cTag = (value: string): CTag => filled(value, "CTag") as CTag;
/** Only for name.ts, which knows how names are folded. */
export const folded = (value: string): Folded => value as Folded;

/** The root folder of the mount. */
export const ROOT: ItemKey = 1 as ItemKey;

function whole(value: number, what: string): number {
  assert(Number.isSafeInteger(value) && value > 0, `${what} is a positive integer, not ${value}`);
  return value;
}

function filled(value: string, what: string): string {
  assert(typeof value === "string" && value.length > 0, `${what} is not empty`);
  return value;
}
