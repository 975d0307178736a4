/**
 * The contract of the filesystem: POSIX by inode, without a kernel and without paths. Metadata calls answer synchronously from
 * the store; calls that may need bytes or an unlisted folder answer with a promise. `Reply<T>` is either; a host awaits it.
 *
 * Promises (SPEC of product.md section 3): after a metadata call or `flush` answered, kill -9 loses nothing; after `fsync`
 * answered, a power cut loses nothing; an inode never changes and is never reused; no call waits for the network without a deadline.
 */
import type { Result } from "../base/result.ts";
import type { Fault } from "../model/fault.ts";
import type { HandleId, ItemKey } from "../model/ids.ts";
import type { Kind, Time } from "../model/item.ts";

export type Answer<T> = Result<T, Fault>;
export type Reply<T> = Answer<T> | Promise<Answer<T>>;

/** Who asks. `pid` 0: not known. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
}

export interface Attributes {
  readonly inode: ItemKey;
  readonly kind: Kind;
  /** Permission bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** 512-byte blocks of bytes that are here. */
  readonly blocks: number;
  readonly links: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly birth: Time;
  /** Of a lookup: the item is known under several spellings of its name, so none of them is to be remembered; `other`: this is not its own. */
  readonly spellings?: "several" | "other";
}

export interface DirectoryEntry {
  readonly name: string;
  readonly inode: ItemKey;
  readonly kind: Kind;
  /** Pass to `readdir` as `after` to go on behind this entry; stable while the folder changes. */
  readonly cookie: string;
}

export interface FullDirectoryEntry extends DirectoryEntry {
  readonly attributes: Attributes;
}

/** What setattr changes; times as given, "now" for UTIME_NOW. */
export interface AttributeChange {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly mtime?: Time | "now";
  readonly atime?: Time | "now";
}

export interface OpenFlags {
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
  readonly truncate: boolean;
}

export interface FileSystemStatus {
  readonly blockSize: number;
  readonly blocks: number;
  readonly blocksFree: number;
  /** What can be written now: free in the cloud and on the local disk. */
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameMax: number;
}

/** A byte range lock as fcntl(2) has it; `end` is included, Infinity for "to the end". */
export interface Lock {
  readonly kind: "read" | "write" | "unlock";
  readonly start: number;
  readonly end: number;
  readonly owner: bigint | number;
  readonly pid: number;
  /** A flock(2) lock: whole file, and in a space of its own (it never meets a fcntl lock). */
  readonly flock?: true;
}

export interface Vfs {
  /** A folder never listed is listed first, so this may wait; `.` and `..` are the host's business. */
  lookup(parent: ItemKey, name: string): Reply<Attributes>;
  /** The parent of a folder (ROOT's is ROOT). */
  parentOf(node: ItemKey): Answer<ItemKey>;
  getattr(node: ItemKey, handle?: HandleId): Answer<Attributes>;
  setattr(node: ItemKey, change: AttributeChange, caller: Caller, handle?: HandleId): Reply<Attributes>;
  /** Entries after the cookie (from the start without), without `.` and `..`, at most `most`. */
  readdir(folder: ItemKey, after: string | undefined, most: number): Reply<readonly DirectoryEntry[]>;
  /** The same with what stat would show of each. */
  readdirPlus(folder: ItemKey, after: string | undefined, most: number): Reply<readonly FullDirectoryEntry[]>;

  create(
    parent: ItemKey,
    name: string,
    mode: number,
    flags: OpenFlags & { exclusive: boolean },
    caller: Caller,
  ): Reply<{ handle: HandleId; attributes: Attributes }>;
  open(node: ItemKey, flags: OpenFlags, caller: Caller): Reply<HandleId>;
  read(handle: HandleId, position: number, length: number, signal?: AbortSignal): Reply<Uint8Array>;
  write(handle: HandleId, position: number, bytes: Uint8Array): Reply<number>;
  /** Each close(2) of a descriptor. */
  flush(handle: HandleId): Reply<undefined>;
  /** The last close. */
  release(handle: HandleId): Reply<undefined>;
  fsync(handle: HandleId): Reply<undefined>;
  fsyncdir(folder: ItemKey): Reply<undefined>;

  mkdir(parent: ItemKey, name: string, mode: number, caller: Caller): Reply<Attributes>;
  unlink(parent: ItemKey, name: string): Reply<undefined>;
  rmdir(parent: ItemKey, name: string): Reply<undefined>;
  rename(
    from: { parent: ItemKey; name: string },
    to: { parent: ItemKey; name: string },
    how: "replace" | "noReplace" | "exchange",
  ): Reply<undefined>;
  statfs(): Answer<FileSystemStatus>;

  getxattr(node: ItemKey, name: string): Answer<Uint8Array>;
  setxattr(node: ItemKey, name: string, value: Uint8Array, how: "any" | "create" | "replace"): Reply<undefined>;
  listxattr(node: ItemKey): Answer<readonly string[]>;
  removexattr(node: ItemKey, name: string): Reply<undefined>;

  /** The first lock that stands in the way, or `kind: "unlock"`. */
  getlk(node: ItemKey, lock: Lock): Answer<Lock>;
  /** `wouldBlock` when it cannot be had now and `wait` is false. */
  setlk(node: ItemKey, lock: Lock, wait: boolean, signal?: AbortSignal): Reply<undefined>;
  /** Drops every lock of `owner` on the node (close(2), exit). */
  unlockAll(node: ItemKey, owner: bigint | number): void;
}
