/**
 * What a file holds. Three forms, all immutable once an item points to them:
 * - `stored`: bytes in the blob store (blob 0 is the empty one and is never stored);
 * - `made`: bytes computed from a number when asked for, so that a populated drive of any size needs no storage;
 * - `unkept`: bytes that were hashed and thrown away (`--discard-content`); reading them is refused.
 */
import type { MadeContent } from "./made-content.ts";
import { unsupported, type Refusal } from "./refusal.ts";

export type Content =
  | { readonly kind: "stored"; readonly blob: number; readonly size: number; readonly hash: string }
  | { readonly kind: "made"; readonly stamp: number; readonly size: number }
  | { readonly kind: "unkept"; readonly size: number; readonly hash: string };

export const EMPTY_HASH = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=";
export const emptyContent: Content = { kind: "stored", blob: 0, size: 0, hash: EMPTY_HASH };

/** A new blob being filled. Writes come in order; `mark` and `rewind` forget a fragment that broke off. */
export interface Inflow {
  readonly length: number;
  /** May return a promise: wait for it before writing on. */
  write(chunk: Uint8Array): void | Promise<void>;
  /** Resolves when everything written so far would survive the end of this process. */
  flush(): Promise<void>;
  mark(): InflowMark;
  rewind(mark: InflowMark): void;
  /** The content of everything written; call after `flush`. The inflow is used up. */
  finish(): Content;
  abort(): void;
}

export interface InflowMark {
  readonly length: number;
  readonly hash: unknown;
}

/** Where stored content lives. */
export interface Blobs {
  create(): Inflow;
  /** Takes all bytes at once. */
  store(bytes: Uint8Array): Content;
  /** Bytes [from, to) of a blob: at once, or in pieces. */
  read(blob: number, from: number, to: number): Uint8Array | AsyncIterable<Uint8Array>;
  /** All bytes of a blob, at once. */
  bytes(blob: number): Uint8Array;
  drop(blob: number): void;
}

/** Reads and hashes content of every form. */
export interface ContentReader {
  hash(content: Content): string;
  read(content: Content, from: number, to: number): Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Throws when there are no bytes to read. */
export function mustBeKept(content: Content): void {
  if (content.kind === "unkept") throw notKept();
}

function notKept(): Refusal {
  return unsupported("reading content that --discard-content did not keep");
}

export function contentReader(blobs: Blobs, made: MadeContent): ContentReader {
  return {
    hash: (content) => (content.kind === "made" ? made.hash(content.stamp, content.size) : content.hash),
    read(content, from, to) {
      if (to <= from) return new Uint8Array(0);
      if (content.kind === "made") return made.pieces(content.stamp, from, to);
      if (content.kind === "unkept") throw notKept();
      return blobs.read(content.blob, from, to);
    },
  };
}
