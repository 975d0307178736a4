/**
 * The contract of bytes: clean ones in the cache folder, unpushed ones ("blobs") in the state folder, missing ones from the cloud.
 *
 * A `Source` is one version of a file's content that somebody has open. All handles of one version share it. It starts clean
 * (a cloud version) or on a blob, and turns from clean to blob at the first write. A remote change never alters an open clean
 * Source; new opens get the new version. When a rebase moves a blob to another node (a conflict copy), its Source follows.
 *
 * Promises:
 *  C1  No read mixes two versions. C2 A write that returned survives kill -9. C3 `sync` makes the bytes survive a power cut.
 *  C4  Frozen bytes never change and match their recorded hash, or are not handed out. C5 A blob's file is removed only when no
 *      row and no Source names it. C6 Clean bytes may vanish at any time without loss. C7 Opening without writing moves no byte.
 */
import type { Result } from "../base/result.ts";
import type { Body } from "../drive/drive.ts";
import type { Fault } from "../model/fault.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";

export type Answer<T> = Promise<Result<T, Fault>>;

/**
 * What content asks of the vfs: record, in one transaction with the operation, that `node` now has the bytes of `blob`. Called
 * synchronously, when a new blob has the bytes of the change that made it, before that change is answered; a throw refuses the change
 * (StoreFull: noSpace), and the file stays as it was.
 */
export type Dirtied = (event: {
  readonly node: ItemKey;
  readonly blob: BlobId;
  readonly size: number;
  /** Version the new bytes are based on; undefined for a file born here. */
  readonly seen: string | undefined;
  /** They were made from bytes that may not be those that were written: why. */
  readonly damaged?: string;
}) => void;

export interface Source {
  /** Where its bytes belong now. */
  readonly node: ItemKey;
  /** Undefined while clean. */
  readonly blob: BlobId | undefined;
  readonly size: number;
  /** Fewer bytes than asked for only at the end of the file. A clean read may wait for the network, until its deadline. */
  read(position: number, length: number, signal?: AbortSignal): Answer<Uint8Array>;
  /** Bytes written: fewer than given only when the disk is full. `bytes` must not change before the answer. */
  write(position: number, bytes: Uint8Array): Answer<number>;
  truncate(size: number): Answer<undefined>;
  /** Bytes written so far survive a power cut. */
  sync(): Answer<undefined>;
  /**
   * One handle less; every `open` is matched by one `close`. Records nothing: the vfs writes `size` into the Local row itself, at
   * close(2) and fsync(2), before this.
   */
  close(): Promise<void>;
}

export interface Frozen {
  readonly blob: BlobId;
  readonly hash: string;
  readonly sha256: string;
  readonly body: Body;
}

export interface CacheUse {
  readonly cleanBytes: number;
  readonly unpushedBytes: number;
  readonly diskFreeBytes: number;
  /** What a person should know of the folders, one sentence each. */
  readonly notes: readonly string[];
}

export interface ContentProblem {
  readonly node?: ItemKey;
  readonly what: string;
  /** It is in order again. */
  readonly mended: boolean;
}

export interface Verified {
  readonly problems: readonly ContentProblem[];
  readonly files: number;
  readonly bytes: number;
  /** False when it was broken off. */
  readonly complete: boolean;
}

export interface Content {
  /** The current content of the file in Local. No I/O waits: errors come with the first read or write. */
  open(node: ItemKey): Source;
  /** The open Source of a blob, when somebody has it open: its size is newer than the row's. */
  openBlob(blob: BlobId): Source | undefined;
  /** True when some handle of `node` has it open for writing or a Source of it is open at all. */
  isOpen(node: ItemKey): boolean;
  /** A new empty blob for a file born here; its row is written by the caller's transaction. */
  createBlob(): Answer<BlobId>;
  /**
   * A new open blob with a copy of all bytes of the node's current content, for a file that becomes an item of its own; its row is
   * written by the caller's transaction. `stale` when not all bytes are here: it never waits for the network.
   */
  toBlob(node: ItemKey): Answer<BlobId>;

  /** Makes the blob immutable (later writes get a new generation), durable and hashed. `io` when the bytes do not match the recorded hash, or their row says they are damaged. */
  freeze(blob: BlobId): Answer<Frozen>;
  /**
   * After the push was acknowledged: the blob's bytes become the clean bytes of `version`, or go away when `same` is false (the
   * service stored others). Called in the same turn as the transaction that recorded the acknowledgement, which keeps the
   * blob's row; the row goes when the record is durable, the file too. Handles that have the blob open go on reading its bytes.
   */
  adopt(blob: BlobId, node: ItemKey, version: string, same: boolean): Promise<void>;
  /** Removes blob files that no row and no Source names. */
  sweep(): Promise<void>;
  /** Reads all bytes that are here and compares them with what is known of them. Wrong clean ones go; unpushed ones never. */
  verify(signal: AbortSignal): Promise<Verified>;
  /** Takes over clean bytes that a lost index left behind; what is of no version of any item goes once every item is known. */
  takeOver(everyItemIsKnown: boolean): Promise<void>;

  /** How much of the current version is here. */
  have(node: ItemKey): "none" | "some" | "all";
  /** Fetches everything of the current version. */
  hydrate(node: ItemKey, signal?: AbortSignal): Answer<undefined>;
  /** Drops the clean bytes of the node; unpushed and open ones stay. Returns bytes freed. */
  free(node: ItemKey): Promise<number>;
  use(): Promise<CacheUse>;
  /** Tells whether the cloud can be reached: reads of missing bytes fail at once when not. */
  setOnline(online: boolean): void;
  close(): Promise<void>;
}
