/**
 * Notices to the kernel: forget this name, forget what you know of this node. Each is told once however often it is asked for before it
 * went out, and only what the kernel knows at all.
 *
 * The kernel takes locks to do what a notice says: the lock of the folder for a name, the locks of pages being read for a node. A program
 * that waits for an answer of ours may hold them. So this is how a deadlock is ruled out:
 *
 *   1. a notice is never written by this process: whatever it waits for, requests go on being answered, and a daemon that is killed
 *      leaves no thread behind in the kernel that cannot be killed and keeps the mount alive (native/notice-writer.c)
 *   2. nothing that answers a request ever waits for a notice
 *   3. a notice about a node waits while a call on that node waits for its answer (for a bounded time), so that other notices are
 *      hardly ever held up
 *
 * A notice about the pages of a folder also waits, for the same bounded time, while a program is half way through its listing
 * (kept-listings.ts). A node whose notice has not been written yet is `untold`: its pages are not to be kept over an open.
 */
import type { Clock } from "../../base/clock.ts";
import type { ItemKey } from "../../model/ids.ts";
import { NOTICE_BATCH_MAX, NOTICE_HELD_MAX_MS } from "../../model/limits.ts";
import { put64 } from "./outbox.ts";
import { notice, OUT_HEADER_BYTES } from "./wire.ts";

export interface Notices {
  /** The name may mean something else now, or nothing; `gone`: it meant this node, which is no more. */
  entry(parent: ItemKey, name: string, gone?: ItemKey): void;
  /** Attributes are not what they were; with `bytes`, what is in the file neither. */
  node(node: ItemKey, bytes: boolean): void;
  untold(node: ItemKey): boolean;
  /** No call on the node waits any more. */
  quiet(): void;
  /** Resolves when all that was asked for until now has been told (or the mount has gone). */
  told(): Promise<void>;
  stop(): void;
}

export interface NoticesOptions {
  readonly clock: Clock;
  /** Writes frames in another process. */
  write(frames: Uint8Array, done: () => void): void;
  knows(node: ItemKey): boolean;
  /** A call on the node waits for its answer. */
  busy(node: ItemKey): boolean;
  /** The folder's pages are being written. */
  half(folder: ItemKey): boolean;
  /** The kernel has dropped the node's pages, and was not to drop them once more meanwhile. */
  dropped(node: ItemKey): void;
}

type Wanted =
  | { readonly about: ItemKey; readonly since: number; readonly name: string; readonly gone: ItemKey | undefined }
  | { readonly about: ItemKey; readonly since: number; readonly name: undefined; readonly bytes: boolean };

export function makeNotices(options: NoticesOptions): Notices {
  const queue = new Queue(options);
  return {
    entry: (parent, name, gone) => queue.entry(parent, name, gone),
    node: (node, bytes) => queue.node(node, bytes),
    untold: (node) => queue.untold.has(node),
    quiet: () => queue.wake(),
    told: () => queue.told(),
    stop: () => queue.stop(),
  };
}

class Queue {
  readonly untold = new Set<ItemKey>();
  readonly #options: NoticesOptions;
  readonly #wanted = new Map<string, Wanted>();
  readonly #listeners: (() => void)[] = [];
  #writing = false;
  #scheduled = false;
  #stopped = false;
  #retry: (() => void) | undefined;

  constructor(options: NoticesOptions) {
    this.#options = options;
  }

  entry(parent: ItemKey, name: string, gone?: ItemKey): void {
    if (this.#stopped || !this.#options.knows(parent)) return;
    const key = `${parent}/${name}`;
    const since = this.#wanted.get(key)?.since ?? this.#options.clock.now();
    this.#wanted.set(key, { about: parent, since, name, gone });
    this.wake();
  }

  node(node: ItemKey, bytes: boolean): void {
    if (this.#stopped || !this.#options.knows(node)) return;
    const key = nodeKey(node);
    const before = this.#wanted.get(key);
    const all = bytes || (before !== undefined && "bytes" in before && before.bytes);
    const since = before?.since ?? this.#options.clock.now();
    this.#wanted.set(key, { about: node, since, name: undefined, bytes: all });
    if (bytes) this.untold.add(node);
    this.wake();
  }

  /** Sends at the end of this turn what can be sent. */
  wake(): void {
    if (this.#scheduled || this.#writing || this.#stopped || this.#wanted.size === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  told(): Promise<void> {
    if (this.#stopped || (this.#wanted.size === 0 && !this.#writing)) return Promise.resolve();
    return new Promise((resolve) => this.#listeners.push(resolve));
  }

  stop(): void {
    this.#stopped = true;
    this.#wanted.clear();
    this.untold.clear();
    this.#retry?.();
    this.#allTold();
  }

  #send(): void {
    if (this.#writing || this.#stopped) return;
    const { clock, write } = this.#options;
    const now = clock.now();
    const ready = [
      ...take(this.#wanted, (each) => !isHeld(each, this.#options) || now - each.since >= NOTICE_HELD_MAX_MS),
    ];
    if (ready.length === 0) return this.#rest();
    this.#writing = true;
    write(framesOf(ready), () => {
      this.#writing = false;
      for (const each of ready) if (each.name === undefined && each.bytes) this.#dropped(each.about);
      this.#send();
    });
  }

  #dropped(node: ItemKey): void {
    const again = this.#wanted.get(nodeKey(node));
    if (again && "bytes" in again && again.bytes) return;
    this.untold.delete(node);
    this.#options.dropped(node);
  }

  /** Nothing can be sent now: all is told, or what is left is held up by calls under way. */
  #rest(): void {
    if (this.#wanted.size === 0) return this.#allTold();
    this.#retry ??= this.#options.clock.after(NOTICE_HELD_MAX_MS, () => {
      this.#retry = undefined;
      this.#send();
    });
  }

  #allTold(): void {
    for (const told of this.#listeners.splice(0)) told();
  }
}

function* take(wanted: Map<string, Wanted>, ready: (each: Wanted) => boolean): Generator<Wanted> {
  let left = NOTICE_BATCH_MAX;
  for (const [key, each] of wanted) {
    if (!ready(each)) continue;
    wanted.delete(key);
    yield each;
    if (--left === 0) return;
  }
}

function isHeld(wanted: Wanted, { busy, half }: NoticesOptions): boolean {
  if (busy(wanted.about)) return true;
  return wanted.name === undefined
    ? wanted.bytes && half(wanted.about)
    : wanted.gone !== undefined && busy(wanted.gone);
}

const nodeKey = (node: ItemKey): string => String(node);

function framesOf(all: readonly Wanted[]): Uint8Array {
  const frames = all.map(frameOf);
  return Buffer.concat(frames);
}

function frameOf(wanted: Wanted): Uint8Array {
  if (wanted.name === undefined) return nodeFrame(wanted);
  return wanted.gone === undefined ? entryFrame(wanted.about, wanted.name) : goneFrame(wanted, wanted.gone);
}

/** Pages from the start to the end; an offset below 0 means attributes only. */
function nodeFrame({ about, bytes }: Extract<Wanted, { name: undefined }>): Uint8Array {
  const { frame, words } = blank(OUT_HEADER_BYTES + 24, notice.node);
  put64(words, 4, about);
  put64(words, 6, bytes ? 0 : -1);
  put64(words, 8, 0);
  return frame;
}

function entryFrame(parent: ItemKey, name: string): Uint8Array {
  const length = Buffer.byteLength(name);
  const { frame, words } = blank(OUT_HEADER_BYTES + 16 + length + 1, notice.entry);
  put64(words, 4, parent);
  words[6] = length;
  frame.write(name, OUT_HEADER_BYTES + 16);
  return frame;
}

/** When the name means another node by now, the kernel only doubts it, which is right as well. */
function goneFrame({ about, name }: Extract<Wanted, { name: string }>, gone: ItemKey): Uint8Array {
  const length = Buffer.byteLength(name);
  const { frame, words } = blank(OUT_HEADER_BYTES + 24 + length + 1, notice.gone);
  put64(words, 4, about);
  put64(words, 6, gone);
  words[8] = length;
  frame.write(name, OUT_HEADER_BYTES + 24);
  return frame;
}

/** A frame of zeros with a header that answers nobody. */
function blank(length: number, code: number): { frame: Buffer; words: Uint32Array } {
  const memory = new ArrayBuffer(Math.ceil(length / 4) * 4);
  const words = new Uint32Array(memory);
  words[0] = length;
  words[1] = code;
  return { frame: Buffer.from(memory, 0, length), words };
}
