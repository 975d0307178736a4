/**
 * Content in memory: every promise of src/content/content.ts, without a disk. Whole files only (`have` is never "some"), no limits, no
 * deadlines, no verification of downloads.
 *
 *  - `disk` is what outlives a process: give the same one to the next fake for a restart. `disk.lost()` is a wiped cache.
 *  - `fail(point, fault, times)` makes the next calls of that kind fail, changing nothing.
 *  - `random` (optional) delays every asynchronous step by a few microtasks, so that races show; a seed replays them.
 *  - `downloads` counts downloads started.
 */
import { createHash } from "node:crypto";
import { assert } from "../../src/base/assert.ts";
import { keyedLock } from "../../src/base/lock.ts";
import type { Random } from "../../src/base/random.ts";
import { ok, type Result } from "../../src/base/result.ts";
import type { Answer, CacheUse, Content, Dirtied, Frozen, Source, Verified } from "../../src/content/content.ts";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import type { Drive } from "../../src/drive/drive.ts";
import { fault, type Fault } from "../../src/model/fault.ts";
import { blobId, type BlobId, type ItemId, type ItemKey } from "../../src/model/ids.ts";
import { blobVersion, contentVersion } from "../../src/model/item.ts";
import { StoreFull, type Store } from "../../src/store/store.ts";
import { viewLocal } from "../../src/store/tree.ts";

export type FailPoint = "read" | "write" | "createBlob" | "freeze" | "sync" | "hydrate";

export interface FakeDisk {
  readonly blobs: Map<BlobId, { bytes: Uint8Array; sealed: boolean }>;
  readonly clean: Map<ItemKey, { readonly version: string; readonly bytes: Uint8Array }>;
  /** The cache folder was deleted. */
  lost(): void;
}

export interface FakeContentOptions {
  readonly store: Store;
  readonly drive: Pick<Drive, "download">;
  readonly dirtied: Dirtied;
  readonly disk?: FakeDisk;
  readonly random?: Random;
}

/** What a Source shows: a cloud version (its bytes once they are here), or a blob. */
type State =
  | {
      readonly at: "clean";
      readonly version: string;
      readonly id: ItemId | undefined;
      size: number;
      bytes?: Uint8Array;
      /** The bytes are those that were pushed; the service stored others as this version. */
      readonly own?: boolean;
    }
  | { readonly at: "blob"; readonly blob: BlobId };

export function fakeDisk(): FakeDisk {
  const clean = new Map<ItemKey, { version: string; bytes: Uint8Array }>();
  return { blobs: new Map(), clean, lost: () => clean.clear() };
}

export function fakeContent(options: FakeContentOptions): FakeContent {
  return new FakeContent(options);
}

export class FakeContent implements Content {
  readonly disk: FakeDisk;
  downloads = 0;
  readonly #options: FakeContentOptions;
  readonly #open = new Set<FakeSource>();
  readonly #adopted = new Map<BlobId, string>();
  /** Made here and named by nobody yet. */
  readonly #fresh = new Set<BlobId>();
  readonly #failures: { point: FailPoint; fault: Fault; times: number }[] = [];
  #online = true;
  #closed = false;

  constructor(options: FakeContentOptions) {
    this.#options = options;
    this.disk = options.disk ?? fakeDisk();
  }

  fail(point: FailPoint, kind: Fault["kind"], times = 1): void {
    this.#failures.push({ point, fault: { kind, why: `${point} was told to fail` }, times });
  }

  open(node: ItemKey): Source {
    assert(!this.#closed, "content is open");
    const state = this.#current(node);
    const shared = [...this.#open].find((source) => source.shows(node, state));
    const source = shared ?? new FakeSource(this, node, state);
    source.holds++;
    this.#open.add(source);
    if (state.at === "blob") this.#fresh.delete(state.blob);
    return source;
  }

  openBlob(blob: BlobId): Source | undefined {
    return [...this.#open].find((source) => source.blob === blob);
  }

  isOpen(node: ItemKey): boolean {
    return [...this.#open].some((source) => source.node === node);
  }

  async createBlob(): Answer<BlobId> {
    const failure = await this.step("createBlob");
    return failure ?? this.newBlob(new Uint8Array(0));
  }

  async toBlob(node: ItemKey): Answer<BlobId> {
    const failure = await this.step("createBlob");
    if (failure) return failure;
    const state = this.#current(node);
    const bytes = state.at === "blob" ? this.disk.blobs.get(state.blob)?.bytes : this.cleanBytes(node, state.version);
    if (!bytes && !(state.at === "clean" && state.size === 0 && state.id))
      return fault("stale", "not all bytes are here");
    return this.newBlob(bytes?.slice() ?? new Uint8Array(0));
  }

  async freeze(blob: BlobId): Answer<Frozen> {
    const failure = await this.step("freeze");
    if (failure) return failure;
    const source = [...this.#open].find((open) => open.blob === blob);
    return source ? source.inOrder(() => this.#seal(blob)) : this.#seal(blob);
  }

  async adopt(blob: BlobId, node: ItemKey, version: string, same: boolean): Promise<void> {
    this.#adopted.set(blob, version);
    const file = this.disk.blobs.get(blob);
    assert(file, `blob ${blob} to adopt is here`);
    const source = [...this.#open].find((open) => open.blob === blob);
    const retire = async (): Promise<void> => {
      if (source?.blob === blob) {
        const id = this.#options.store.read.mirror.get(node)?.id;
        source.become(node, { at: "clean", version, id, size: file.bytes.length, bytes: file.bytes, own: !same });
      }
    };
    await (source ? source.inOrder(retire) : retire());
    if (same) this.disk.clean.set(node, { version, bytes: file.bytes });
    this.#options.store.transact((tx) => {
      if (tx.blobs.get(blob)) tx.blobs.remove(blob);
      if (same)
        tx.cached.put(node, {
          version,
          size: file.bytes.length,
          ranges: [0, file.bytes.length],
          durable: true,
          usedAt: 0,
        });
    });
    await this.step();
    // No power cut may bring back the time before the acknowledgement without the bytes.
    await this.#options.store.barrier();
    this.disk.blobs.delete(blob);
  }

  /** Bytes in memory do not rot. */
  async verify(): Promise<Verified> {
    return { problems: [], files: this.disk.clean.size + this.disk.blobs.size, bytes: 0, complete: true };
  }

  /** It never loses its index. */
  async takeOver(): Promise<void> {}

  async sweep(): Promise<void> {
    await this.#options.store.barrier();
    for (const blob of this.disk.blobs.keys())
      if (!this.#options.store.read.blobs.get(blob) && !this.#fresh.has(blob) && !this.openBlob(blob))
        this.disk.blobs.delete(blob);
  }

  have(node: ItemKey): "none" | "some" | "all" {
    const state = this.#current(node);
    if (state.at === "blob" || state.size === 0) return "all";
    return this.cleanBytes(node, state.version) ? "all" : "none";
  }

  async hydrate(node: ItemKey, signal?: AbortSignal): Answer<undefined> {
    const failure = await this.step("hydrate");
    if (failure) return failure;
    const state = this.#current(node);
    if (state.at === "blob") return ok();
    const bytes = await this.fetch(node, state, signal);
    return bytes.ok ? ok() : bytes;
  }

  async free(node: ItemKey): Promise<number> {
    await this.step();
    if (this.isOpen(node)) return 0;
    const freed = this.disk.clean.get(node)?.bytes.length ?? 0;
    this.disk.clean.delete(node);
    if (this.#options.store.read.cached.get(node)) this.#options.store.transact((tx) => tx.cached.remove(node));
    return freed;
  }

  async use(): Promise<CacheUse> {
    await this.step();
    const sum = (files: Iterable<{ bytes: Uint8Array }>): number =>
      [...files].reduce((n, file) => n + file.bytes.length, 0);
    return {
      cleanBytes: sum(this.disk.clean.values()),
      unpushedBytes: sum(this.disk.blobs.values()),
      diskFreeBytes: 1e12,
      notes: [],
    };
  }

  setOnline(online: boolean): void {
    this.#online = online;
  }

  async close(): Promise<void> {
    await this.step();
    this.#closed = true;
  }

  // ---- for FakeSource -----------------------------------------------------------------------------------------------------

  /** Yields to others, then the failure that was ordered for this point, if any. */
  async step(point?: FailPoint): Promise<Result<never, Fault> | undefined> {
    for (let turns = this.#options.random?.below(4) ?? 1; turns > 0; turns--) await Promise.resolve();
    const failure = this.#failures.find((entry) => entry.point === point && entry.times > 0);
    if (!failure) return undefined;
    failure.times--;
    return { ok: false, fault: failure.fault };
  }

  newBlob(bytes: Uint8Array): Result<BlobId, Fault> {
    try {
      const blob = this.#options.store.transact((tx) => {
        const next = (tx.meta.get("nextBlob") as number | undefined) ?? 1;
        tx.meta.put("nextBlob", next + 1);
        return blobId(next);
      });
      this.disk.blobs.set(blob, { bytes, sealed: false });
      this.#fresh.add(blob);
      return ok(blob);
    } catch (error) {
      return refusal(error);
    }
  }

  /** Records that the bytes of `node` are now those of a new blob; undoes the blob when that is refused. */
  dirty(node: ItemKey, blob: BlobId, size: number, before: State): Result<undefined, Fault> {
    const seen = before.at === "clean" ? before.version : (this.#adopted.get(before.blob) ?? blobVersion(before.blob));
    try {
      this.#options.dirtied({ node, blob, size, seen });
      this.#fresh.delete(blob);
      return ok();
    } catch (error) {
      this.disk.blobs.delete(blob);
      return refusal(error);
    }
  }

  isSealed(blob: BlobId): boolean {
    return this.disk.blobs.get(blob)?.sealed === true || this.#options.store.read.blobs.get(blob)?.state === "frozen";
  }

  nodeOfBlob(blob: BlobId): ItemKey | undefined {
    return this.#options.store.read.blobs.get(blob)?.node;
  }

  cleanBytes(node: ItemKey, version: string): Uint8Array | undefined {
    const here = this.disk.clean.get(node);
    return here?.version === version ? here.bytes : undefined;
  }

  async fetch(node: ItemKey, state: State & { at: "clean" }, signal?: AbortSignal): Answer<Uint8Array> {
    const here = state.bytes ?? this.cleanBytes(node, state.version);
    if (here) return ok(here);
    if (state.size === 0) return ok(new Uint8Array(0));
    if (!state.id) return fault("stale", "the file is gone");
    if (!this.#online) return fault("offline", "the cloud cannot be reached");
    this.downloads++;
    const answer = await this.#options.drive.download(state.id, 0, state.size, state.version, signal);
    if (!answer.ok)
      return answer.fault.kind === "changed" ? fault("stale", "the cloud has another version now") : answer;
    const parts: Uint8Array[] = [];
    try {
      for await (const part of answer.value.bytes) parts.push(new Uint8Array(part));
    } catch (error) {
      return fault("io", `the download was cut: ${String(error)}`);
    }
    const bytes = Buffer.concat(parts);
    const current = this.#current(node);
    if (current.at === "clean" && current.version === state.version) {
      this.disk.clean.set(node, { version: state.version, bytes });
      this.#options.store.transact((tx) =>
        tx.cached.put(node, {
          version: state.version,
          size: bytes.length,
          ranges: [0, bytes.length],
          durable: true,
          usedAt: 0,
        }),
      );
    }
    return ok(bytes);
  }

  released(source: FakeSource): void {
    this.#open.delete(source);
  }

  #current(node: ItemKey): State {
    const view = viewLocal(this.#options.store.read, node);
    if (view?.content.from === "blob") return { at: "blob", blob: view.content.blob };
    const mirror = view?.mirror;
    if (!mirror) return { at: "clean", version: "gone", id: undefined, size: 0 };
    return { at: "clean", version: contentVersion(mirror), id: mirror.id, size: mirror.size };
  }

  async #seal(blob: BlobId): Answer<Frozen> {
    const file = this.disk.blobs.get(blob);
    if (!file) return fault("io", `the bytes of blob ${blob} are missing`);
    file.sealed = true;
    await this.step();
    const hash = quickXorHash(file.bytes);
    const sha256 = createHash("sha256").update(file.bytes).digest("hex");
    const row = this.#options.store.read.blobs.get(blob);
    if (row?.hash !== undefined && (row.hash !== hash || row.size !== file.bytes.length || row.sha256 !== sha256))
      return fault("io", `blob ${blob} does not match its recorded hash`);
    const bytes = file.bytes;
    try {
      if (row?.state === "open")
        this.#options.store.transact((tx) =>
          tx.blobs.put(blob, { node: row.node, size: bytes.length, state: "frozen", hash, sha256 }),
        );
    } catch (error) {
      return refusal(error);
    }
    return ok({
      blob,
      hash,
      sha256,
      body: {
        size: bytes.length,
        async *stream(start, end) {
          for (let at = start; at < end; at += 65_536) yield bytes.subarray(at, Math.min(end, at + 65_536));
        },
      },
    });
  }
}

class FakeSource implements Source {
  holds = 0;
  originalNode: ItemKey;
  state: State;
  readonly #content: FakeContent;
  readonly #lock = keyedLock<0>();

  constructor(content: FakeContent, node: ItemKey, state: State) {
    this.#content = content;
    this.originalNode = node;
    this.state = state;
  }

  get node(): ItemKey {
    return (this.state.at === "blob" && this.#content.nodeOfBlob(this.state.blob)) || this.originalNode;
  }

  get blob(): BlobId | undefined {
    return this.state.at === "blob" ? this.state.blob : undefined;
  }

  get size(): number {
    if (this.state.at === "clean") return this.state.size;
    return this.#content.disk.blobs.get(this.state.blob)?.bytes.length ?? 0;
  }

  /** True when an open of `node`, whose current state is `now`, shares this Source. */
  shows(node: ItemKey, now: State): boolean {
    if (this.state.at === "blob") return now.at === "blob" && now.blob === this.state.blob;
    return node === this.originalNode && now.at === "clean" && now.version === this.state.version && !this.state.own;
  }

  inOrder<T>(task: () => Promise<T>): Promise<T> {
    return this.#lock.run(0, task);
  }

  become(node: ItemKey, state: State): void {
    this.originalNode = node;
    this.state = state;
  }

  async read(position: number, length: number, signal?: AbortSignal): Answer<Uint8Array> {
    const failure = await this.#content.step("read");
    if (failure) return failure;
    const state = this.state;
    const bytes =
      state.at === "clean"
        ? await this.#content.fetch(this.originalNode, state, signal)
        : ok(this.#content.disk.blobs.get(state.blob)!.bytes);
    if (!bytes.ok) return bytes;
    if (state.at === "clean") state.bytes = bytes.value;
    return ok(new Uint8Array(bytes.value.subarray(position, position + length)));
  }

  write(position: number, bytes: Uint8Array): Answer<number> {
    return this.inOrder(async () => {
      const failure = await this.#content.step("write");
      if (failure) return failure;
      const whole = position === 0 && bytes.length >= this.size;
      const ready = await this.#unsealed(whole ? 0 : this.size);
      if (!ready.ok) return ready;
      const file = ready.value;
      const grown = new Uint8Array(Math.max(file.bytes.length, position + bytes.length));
      grown.set(file.bytes);
      grown.set(bytes, position);
      file.bytes = grown;
      return ok(bytes.length);
    });
  }

  truncate(size: number): Answer<undefined> {
    return this.inOrder(async () => {
      const failure = await this.#content.step("write");
      if (failure) return failure;
      if (size === this.size) return ok();
      const ready = await this.#unsealed(Math.min(size, this.size));
      if (!ready.ok) return ready;
      const resized = new Uint8Array(size);
      resized.set(ready.value.bytes.subarray(0, size));
      ready.value.bytes = resized;
      return ok();
    });
  }

  async sync(): Answer<undefined> {
    return (await this.inOrder(() => this.#content.step("sync"))) ?? ok();
  }

  async close(): Promise<void> {
    assert(this.holds > 0, "a Source is closed once for every open");
    if (--this.holds === 0) this.#content.released(this);
    await this.#content.step();
  }

  /** The open blob to write to: the present one, or a new one with the first `keep` bytes. */
  async #unsealed(keep: number): Answer<{ bytes: Uint8Array }> {
    const before = this.state;
    if (before.at === "blob" && !this.#content.isSealed(before.blob))
      return ok(this.#content.disk.blobs.get(before.blob)!);
    const old =
      keep === 0
        ? ok(new Uint8Array(0))
        : before.at === "blob"
          ? ok(this.#content.disk.blobs.get(before.blob)!.bytes)
          : await this.#content.fetch(this.originalNode, before);
    if (!old.ok) return old;
    const blob = this.#content.newBlob(new Uint8Array(old.value.subarray(0, keep)));
    if (!blob.ok) return blob;
    const recorded = this.#content.dirty(this.node, blob.value, keep, before);
    if (!recorded.ok) return recorded;
    this.state = { at: "blob", blob: blob.value };
    return ok(this.#content.disk.blobs.get(blob.value)!);
  }
}

function refusal(error: unknown): Result<never, Fault> {
  if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
  throw error;
}
