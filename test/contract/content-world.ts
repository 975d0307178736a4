/**
 * A small world for tests of content: a store, a cloud to download from, and the vfs's and the flusher's part, so that a test can speak
 * of files. `restart` is the next process on the same disk, `powerCut` the next boot.
 */
import assert from "node:assert/strict";
import type { Content, Dirtied, Source } from "../../src/content/content.ts";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import type { Result } from "../../src/base/result.ts";
import type { Fault } from "../../src/model/fault.ts";
import { cTag, itemId, ROOT, type BlobId, type ItemKey } from "../../src/model/ids.ts";
import { memoryStore, type MemoryStore } from "../../src/store/memory-store.ts";
import { changeTrees, newNode, viewLocal } from "../../src/store/tree.ts";
import { origin, type Origin } from "./content-origin.ts";

export interface Made {
  readonly content: Content;
  /** The process ends without a word (kill -9) and another one starts. */
  restart(store: MemoryStore, after: "kill" | "powerCut"): Promise<Made>;
  dispose(): Promise<void>;
}

export interface MakeOptions {
  readonly store: MemoryStore;
  readonly drive: Origin;
  readonly dirtied: Dirtied;
}

export class World {
  store = memoryStore();
  readonly origin = origin();
  readonly dirtied: Parameters<Dirtied>[0][] = [];
  refuse: Error | undefined;
  /** Like the vfs when nothing is being sent: a new blob takes the row of the one before. */
  releases = false;
  #made: Made | undefined;

  static async start(make: (options: MakeOptions) => Promise<Made>, store?: MemoryStore): Promise<World> {
    const world = new World();
    if (store) world.store = store;
    const root = { id: itemId("root"), parent: ROOT, name: "", kind: "folder", size: 0, mtime: 0, birth: 0 } as const;
    if (!world.store.read.mirror.get(ROOT))
      world.store.transact((tx) => changeTrees(tx, new Map([[ROOT, { mirror: root }]])));
    world.#made = await make({ store: world.store, drive: world.origin, dirtied: (event) => world.#dirty(event) });
    return world;
  }

  get content(): Content {
    return this.#made!.content;
  }

  async restart(): Promise<void> {
    this.store = this.store.kill();
    this.#made = await this.#made!.restart(this.store, "kill");
  }

  /** Records since the last barrier are lost; bytes in files are not (the worst case for them is tested where it matters). */
  async powerCut(): Promise<void> {
    this.store = this.store.powerCut();
    this.#made = await this.#made!.restart(this.store, "powerCut");
  }

  async dispose(): Promise<void> {
    this.origin.release();
    await this.#made?.dispose();
  }

  /** A file in the cloud (a new one, or a new version of `node`) that the Mirror knows of. `claim` lies about what the service says. */
  cloud(name: string, bytes: Uint8Array, claim: { hash?: string; size?: number } = {}): ItemKey {
    return this.store.transact((tx) => {
      const node = [...this.store.read.mirror.range()].find(([, row]) => row.name === name)?.[0] ?? newNode(tx);
      const before = tx.mirror.get(node);
      const version = `"c:${name},${Number(before?.cTag?.match(/,(\d+)/)?.[1] ?? 0) + 1}"`;
      const id = itemId(`id-${name}`);
      this.origin.put(id, version, bytes);
      const hash = claim.hash ?? quickXorHash(bytes);
      const size = claim.size ?? bytes.length;
      const mirror = {
        id,
        parent: ROOT,
        name,
        kind: "file",
        size,
        mtime: 1,
        birth: 1,
        cTag: cTag(version),
        hash,
      } as const;
      changeTrees(tx, new Map([[node, { mirror }]]));
      return node;
    });
  }

  version(node: ItemKey): string {
    return this.store.read.mirror.get(node)!.cTag!;
  }

  /** A file born here: what the vfs does in create. */
  async create(name: string): Promise<ItemKey> {
    const blob = value(await this.content.createBlob());
    return this.store.transact((tx) => {
      const node = newNode(tx);
      const content = { from: "blob", blob, size: 0 } as const;
      changeTrees(tx, new Map([[node, { local: { kind: "file", parent: ROOT, name, mtime: 1, content } }]]));
      tx.blobs.put(blob, { node, size: 0, state: "open" });
      return node;
    });
  }

  /** What the vfs does at close(2): the Local row gets the length. */
  record(source: Source): void {
    const { node, blob, size } = source;
    if (blob === undefined) return;
    this.store.transact((tx) => {
      const local = viewLocal(tx, node)!;
      if (local.content.from !== "blob" || local.content.blob !== blob) return;
      const { kind, parent, name, mtime } = local;
      changeTrees(tx, new Map([[node, { local: { kind, parent, name, mtime, content: { ...local.content, size } } }]]));
    });
  }

  /** What the flusher does when an upload of `blob` was acknowledged. `stored`: the bytes the service kept, when not ours. */
  async push(blob: BlobId, stored?: Uint8Array): Promise<void> {
    const frozen = value(await this.content.freeze(blob));
    const bytes = await collect(frozen.body.stream(0, frozen.body.size));
    const node = this.store.read.blobs.get(blob)!.node;
    const view = viewLocal(this.store.read, node)!;
    const now = view.content;
    const same = stored === undefined;
    this.cloudAt(node, view.name, stored ?? bytes);
    if (now.from === "blob" && now.blob === blob)
      this.store.transact((tx) => changeTrees(tx, new Map([[node, { local: "clean" }]])));
    await this.content.adopt(blob, node, this.version(node), same);
  }

  async write(node: ItemKey, bytes: Uint8Array): Promise<void> {
    const source = this.content.open(node);
    value(await source.truncate(0));
    value(await source.write(0, bytes));
    this.record(source);
    await source.close();
  }

  async read(node: ItemKey): Promise<Uint8Array> {
    const source = this.content.open(node);
    try {
      return value(await source.read(0, source.size + 1));
    } finally {
      await source.close();
    }
  }

  blobOf(node: ItemKey): BlobId {
    const content = viewLocal(this.store.read, node)!.content;
    assert.equal(content.from, "blob");
    return (content as { blob: BlobId }).blob;
  }

  private cloudAt(node: ItemKey, name: string, bytes: Uint8Array): void {
    const version = `"c:${name},${bytes.length}-${Math.random()}"`;
    const id = itemId(`id-${node}`);
    this.origin.put(id, version, bytes);
    this.store.transact((tx) => {
      const mirror = { id, parent: ROOT, name, kind: "file", size: bytes.length, mtime: 1, birth: 1 } as const;
      changeTrees(tx, new Map([[node, { mirror: { ...mirror, cTag: cTag(version), hash: quickXorHash(bytes) } }]]));
    });
  }

  #dirty(event: Parameters<Dirtied>[0]): void {
    if (this.refuse) throw this.refuse;
    this.dirtied.push(event);
    this.store.transact((tx) => {
      const view = viewLocal(tx, event.node);
      if (!view) return;
      const content = { from: "blob", blob: event.blob, size: event.size } as const;
      const based = event.seen === undefined ? content : { ...content, seen: event.seen };
      if (this.releases && view.content.from === "blob") tx.blobs.remove(view.content.blob);
      const { kind, parent, name, mtime } = view;
      changeTrees(tx, new Map([[event.node, { local: { kind, parent, name, mtime, content: based } }]]));
      const { node, blob, damaged } = event;
      tx.blobs.put(blob, { node, size: 0, state: "open", ...(damaged === undefined ? {} : { damaged }) });
    });
  }
}

export function value<T>(result: Result<T, Fault>): T {
  if (!result.ok) throw new Error(`${result.fault.kind}: ${result.fault.why}`);
  return result.value;
}

export function kind(result: Result<unknown, Fault>): string {
  return result.ok ? "ok" : result.fault.kind;
}

export async function collect(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const part of parts) all.push(part.slice());
  return Buffer.concat(all);
}

/** Bytes that look random, the same for the same seed. */
export function noise(length: number, seed = 1): Buffer {
  const words = new Int32Array(Math.ceil(length / 4));
  let state = Math.imul(seed, 2654435761) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, length);
}

export function equal(actual: Uint8Array, expected: Uint8Array): void {
  assert.ok(Buffer.compare(actual, expected) === 0, `${actual.length} bytes are the expected ${expected.length}`);
}

export const text = (words: string): Buffer => Buffer.from(words);
