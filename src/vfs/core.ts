/**
 * What every part of the vfs works with: the store, the open files, and the one way to change something. `commit` runs effect and
 * record in one store transaction, turns a full disk into `noSpace` and wakes the flusher. Parts are functions of a Core; the Core
 * itself knows nothing of any call.
 */
import { ok } from "../base/result.ts";
import type { Clock } from "../base/clock.ts";
import { keyedLock, type KeyedLock } from "../base/lock.ts";
import type { Result } from "../base/result.ts";
import type { Log } from "../base/log.ts";
import type { Content, Source } from "../content/content.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import type { Facts, LocalItem, Time } from "../model/item.ts";
import { StoreFull, type Reader, type Store, type Writer } from "../store/store.ts";
import type { LocalView } from "../store/tree.ts";
import { viewLocal } from "../store/tree.ts";
import { openFiles, type OpenFiles } from "./open-files.ts";
import { nothingWaiting, type Waiting } from "./waiting.ts";
import type { Answer, Caller } from "./vfs.ts";

/** What happened here that others may want to know. */
export type VfsEvent =
  /** The log grew: the flusher may have something to do. `settling`: only acts of now, whose settle window begins. */
  | { readonly kind: "logged"; readonly settling?: true }
  /** The kernel should forget a name under which it may know something that is no longer so (another spelling of a changed name). */
  | { readonly kind: "entry"; readonly parent: ItemKey; readonly name: string }
  /** The kernel should forget attributes and pages of a node. */
  | { readonly kind: "node"; readonly node: ItemKey }
  /** `user.onedrive.pin` of the node was set or removed. */
  | { readonly kind: "pin"; readonly node: ItemKey };

export interface VfsOptions {
  readonly store: Store;
  readonly content: Content;
  readonly clock: Clock;
  readonly log: Log;
  /** Owner and group of what nobody was said to own: everything that came from the cloud. */
  readonly uid: number;
  readonly gid: number;
  /** Owner and group of items made here, when somebody asked for it; otherwise those of who makes them. */
  readonly uidOfNew?: number;
  readonly gidOfNew?: number;
  /** Taken from the permission bits of items that came from the cloud. */
  readonly umask: number;
  /** Taken from the permission bits of items made here, when somebody asked for it: their makers have taken their own already. */
  readonly umaskOfNew?: number;
  readonly localOnlyNames: readonly string[];
  readonly readOnly: boolean;
  /** The settle window: backups that programs keep are told from backups they drop within a third of it. */
  readonly writeBackMs: number;
  /** Who opens, or cuts, a file that is not wholly here. Default: nobody in particular, who may download. */
  asker?(caller: Caller): Asker;
  /** What is downloaded of the node from now on is for this one; undefined: nobody has it open any more. */
  asks?(node: ItemKey, asker: Asker | undefined): void;
  /** Lists a folder never listed (the puller's): when it answers ok, all children are in the Mirror. */
  list(folder: ItemKey): Promise<Result<undefined, Fault>>;
  changed(event: VfsEvent): void;
}

/** A program that uses bytes which are not here. */
export interface Asker {
  /** Name of the process, or of the thread when its process cannot be seen; undefined when neither can. */
  readonly name: string | undefined;
  /** Number of the process; 0 when the kernel did not tell. */
  readonly pid: number;
  /** False: its reads are answered from what is here, or not at all. */
  readonly mayDownload: boolean;
}

export interface Core extends VfsOptions {
  readonly read: Reader;
  readonly files: OpenFiles;
  /** Files gone here that somebody has open: what they looked like. */
  readonly orphans: Map<ItemKey, Orphan>;
  /** Under which names, other than the item's own, slots were looked up, found or not; the oldest first. */
  readonly spellings: Map<string, { readonly parent: ItemKey; readonly names: Set<string> }>;
  readonly waiting: Waiting;
  /** Appends to one Source go one after another: each begins at the end that the one before made. */
  readonly appends: KeyedLock<Source>;
  now(): Time;
  /** Effect and record in one transaction. */
  commit<T>(change: (tx: Writer) => T): Answer<T>;
  /** Why nothing may be changed now (read-only, or ending: open files are still committed then), or undefined. */
  refusal(): Answer<never> | undefined;
  stop(): void;
}

export interface Orphan {
  readonly view: LocalView;
  facts: Facts;
}

export function makeCore(options: VfsOptions): Core {
  let stopped = false;
  const refusal = (): Answer<never> | undefined => {
    if (options.readOnly) return fault("readOnly", "the file tree is mounted read-only");
    return stopped ? fault("io", "the mount is being ended") : undefined;
  };
  return {
    ...options,
    read: options.store.read,
    files: openFiles(),
    orphans: new Map(),
    spellings: new Map(),
    waiting: nothingWaiting(),
    appends: keyedLock(),
    now: () => timeOf(options.clock.now()),
    refusal,
    stop: () => void (stopped = true),
    commit: (change) => {
      try {
        return ok(options.store.transact(change));
      } catch (error) {
        if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
        throw error;
      }
    },
  };
}

/** The node, or `notFound`. A node that is gone but open has no view: see `orphans`. */
export function living(core: Core, node: ItemKey): Answer<LocalView> {
  const view = viewLocal(core.read, node);
  return view ? ok(view) : fault("notFound", `node ${node} is not there`);
}

/** The Local row that says what a view says. */
export function rowOf(view: LocalView, change: Partial<Omit<LocalItem, "kind">> = {}): LocalItem {
  const { kind, parent, name, mtime, content } = view;
  return { kind, parent, name, mtime, content, ...change };
}

export function setFacts(tx: Writer, node: ItemKey, change: Facts): void {
  tx.facts.put(node, { ...tx.facts.get(node), ...change });
}

export function timeOf(ms: number): Time {
  const s = Math.floor(ms / 1000);
  return { s, n: Math.round((ms - s * 1000) * 1e6) };
}

/** The later of two times, of which either may not be known. */
export function later(a: Time | undefined, b: Time | undefined): Time | undefined {
  if (!a || !b) return a ?? b;
  return a.s > b.s || (a.s === b.s && a.n > b.n) ? a : b;
}
