/**
 * The contract of the metadata store: named tables of plain data, read synchronously, changed only inside `transact`.
 *
 * Promises of every implementation (checked by test/contract/store):
 *  P1  `transact` is atomic: all of its changes or, when it throws, none.
 *  P2  After `transact` returns, kill -9 of this process loses nothing of it.
 *  P3  After `barrier` resolves, a power cut loses nothing committed before it was called.
 *  P4  A power cut never corrupts silently: the next open shows a state that was committed, at or after the last barrier.
 *  P5  A barrier first waits for every hook given to `beforeBarrier`: bytes are durable before the record that names them.
 *  P6  A snapshot shows the tables as they were when it was taken, whatever is committed afterwards.
 * One process has it open at a time. `transact` never nests, never waits and never awaits; `read` inside it sees its own changes.
 */
import type { BlobId, Folded, ItemId, ItemKey, OpId } from "../model/ids.ts";
import type { Rows } from "./schema.ts";

/** What a table can be keyed by; tuples sort by their parts. */
export type Key = number | string | readonly [ItemKey, Folded | string] | readonly [ItemKey, number];
export type AnyId = ItemKey | ItemId | OpId | BlobId;

export interface Range<K> {
  /** First key, included. */
  readonly start?: K;
  /** Last key, excluded. */
  readonly end?: K;
  readonly limit?: number;
  /** About so many will be looked at: fetched at once. */
  readonly expect?: number;
  /** From the last to the first; `start` and `end` keep their meaning of lower and upper bound. */
  readonly reverse?: boolean;
}

export interface Table<K, V> {
  get(key: K): V | undefined;
  /** In key order. The iteration is a snapshot: it may be consumed lazily, but not across an await. */
  range(range?: Range<K>): Iterable<readonly [K, V]>;
  readonly count: number;
}

export interface WritableTable<K, V> extends Table<K, V> {
  put(key: K, value: V): void;
  remove(key: K): void;
}

export type Reader = { readonly [T in keyof Rows]: Table<Rows[T]["key"], Rows[T]["value"]> };
export type Writer = { readonly [T in keyof Rows]: WritableTable<Rows[T]["key"], Rows[T]["value"]> };

/** The tables as they were when it was taken; `end` must be called before the store is closed. */
export interface Snapshot {
  readonly read: Reader;
  end(): void;
}

export interface Store {
  readonly read: Reader;
  /** For work that reads across awaits. Not to be read inside `transact`. */
  snapshot(): Snapshot;
  /** Runs `change` and commits. Throws `StoreFull` when the disk is full (nothing changed then); any other throw of `change` passes. */
  transact<T>(change: (tx: Writer) => T): T;
  /** Rejects with `StoreFull` when there is no room for the records. */
  barrier(): Promise<void>;
  /** A hook every barrier waits for before it makes records durable. */
  beforeBarrier(hook: () => Promise<void>): void;
  /** Makes everything durable and leaves a clean mark, so that the next open trusts it. */
  close(): Promise<void>;
}

/** How a store was found when it was opened. */
export interface Recovered {
  /** `afterKill`: the process had died, nothing is missing. `restored`: the machine had; rebuilt from checkpoint and journal. */
  readonly how: "fresh" | "clean" | "afterKill" | "restored";
  /** The number of its last commit. */
  readonly commit: number;
  /** What a restore could not bring back, for a person. */
  readonly lost?: string;
  /** Something that had been recorded could not be read: files that no row names may be needed. Said until `reconciled`. */
  readonly damaged?: true;
}

export interface OpenedStore {
  readonly store: Store;
  readonly recovered: Recovered;
  /** Files that no row names are out of the way: `damaged` is not said again, whatever is killed or cut from now on. */
  reconciled(): Promise<void>;
}

/** The disk of the state folder is full; becomes ENOSPC at the door. */
export class StoreFull extends Error {
  override readonly name = "StoreFull";
}

/** What the disk gives back is not what was written. The process ends; the next start restores the store. */
export class StoreDamaged extends Error {
  override readonly name = "StoreDamaged";
}

/** Why a store could not be opened. `newer`: written by a later version of the program. */
export interface StoreFault {
  readonly kind: "newer" | "corrupt" | "inUse" | "denied" | "full";
  readonly why: string;
}
