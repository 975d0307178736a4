/**
 * A Source on disk: one version of a file that somebody has open. It shows either clean bytes, or a blob, or (`kept`) the bytes of a
 * blob that was pushed but that the service stored otherwise; or nothing, when the file was gone at open.
 *
 *   clean --first write--> blob --freeze, write--> next blob --adopt--> clean, or kept
 *
 * Changes are carried out one after another; reads do not wait for them and see every change that was answered. The first change of
 * a clean or sealed Source makes a new blob: what is needed of the old bytes is fetched and copied, then the change is carried out
 * on it, then the vfs records it. When any of that fails, or a disk is too full for all of it, the Source shows what it showed before.
 */
import { assert } from "../base/assert.ts";
import { keyedLock } from "../base/lock.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import { blobVersion } from "../model/item.ts";
import { HYDRATE_RANGE_BYTES } from "../model/limits.ts";
import { refusal, type BlobFile, type Blobs } from "./blobs.ts";
import type { CleanFile } from "./clean-file.ts";
import type { Answer, Dirtied, Source } from "./content.ts";
import { copySpan, copyWhole, cutFile, diskFault, isMissing, lengthOf } from "./files.ts";
import type { Span } from "./ranges.ts";

export type Shown =
  | { readonly at: "clean"; readonly file: CleanFile }
  | { readonly at: "blob"; readonly file: BlobFile }
  | { readonly at: "kept"; readonly file: BlobFile; readonly version: string }
  | { readonly at: "nothing" };

/** What a Source asks of the content it belongs to. */
export interface SourceOwner {
  readonly blobs: Blobs;
  readonly dirtied: Dirtied;
  nodeOf(blob: BlobId): ItemKey | undefined;
  /** The Source shows something else now. */
  moved(source: DiskSource, before: Shown): void;
  closed(source: DiskSource): void;
}

export class DiskSource implements Source {
  /** Handles that have it. */
  holds = 0;
  shown: Shown;
  /** The node it was opened as, or became clean as. */
  ownNode: ItemKey;
  readonly #owner: SourceOwner;
  readonly #changes = keyedLock<0>();

  constructor(owner: SourceOwner, node: ItemKey, shown: Shown) {
    this.#owner = owner;
    this.ownNode = node;
    this.shown = shown;
  }

  get node(): ItemKey {
    return (this.shown.at === "blob" && this.#owner.nodeOf(this.shown.file.blob)) || this.ownNode;
  }

  get blob(): BlobId | undefined {
    return this.shown.at === "blob" ? this.shown.file.blob : undefined;
  }

  get size(): number {
    return this.shown.at === "nothing" ? 0 : this.shown.file.size;
  }

  async read(position: number, length: number, signal?: AbortSignal): Answer<Uint8Array> {
    const shown = this.shown;
    try {
      switch (shown.at) {
        case "clean":
          return await shown.file.read(position, length, signal);
        case "blob":
        case "kept":
          return ok(await this.#owner.blobs.read(shown.file, position, length));
        case "nothing":
          return fault("stale", "the file is gone");
      }
    } catch (error) {
      if (isMissing(error) && shown !== this.shown) return this.read(position, length, signal);
      return diskFault(error, "reading");
    }
  }

  write(position: number, bytes: Uint8Array): Answer<number> {
    if (bytes.length === 0) return Promise.resolve(ok(0));
    return this.inOrder(() =>
      this.#change(
        (size) => around(position, position + bytes.length, size),
        (file) => this.#owner.blobs.write(file, position, bytes),
        // What a new blob did not get of the change would be a hole in the old bytes.
        (written) =>
          written === bytes.length ? ok(written) : fault("noSpace", "the disk of the state folder is full"),
      ),
    );
  }

  truncate(size: number): Answer<undefined> {
    return this.inOrder(async () => {
      if (size === this.size && this.shown.at !== "nothing") return ok();
      return this.#change(
        (old) => ({ keep: Math.min(size, old), spans: [[0, Math.min(size, old)]] }),
        (file) => (file.size === size ? Promise.resolve(ok()) : this.#owner.blobs.truncate(file, size)),
      );
    });
  }

  sync(): Answer<undefined> {
    return this.inOrder(() =>
      this.shown.at === "blob" ? this.#owner.blobs.sync(this.shown.file) : Promise.resolve(ok()),
    );
  }

  async close(): Promise<void> {
    assert(this.holds > 0, "a Source is closed once for every open");
    this.holds--;
    await this.inOrder(async () => {
      if (this.holds === 0) this.#owner.closed(this);
    });
  }

  /** Runs after every change that was asked for before. */
  inOrder<T>(task: () => Promise<T>): Promise<T> {
    return this.#changes.run(0, task);
  }

  show(shown: Shown, node = this.ownNode): void {
    const before = this.shown;
    this.shown = shown;
    this.ownNode = node;
    this.#owner.moved(this, before);
  }

  /** Changes the open blob, or makes a new one of what `plan` keeps of the old bytes and the change, which `whole` must pass. */
  async #change<T>(
    plan: (size: number) => Kept,
    change: (file: BlobFile) => Answer<T>,
    whole: (done: T) => Result<T, Fault> = ok,
  ): Answer<T> {
    const before = this.shown;
    const { blobs } = this.#owner;
    // Bytes that take the place of damaged ones as a whole are good ones.
    const heals = (): boolean => plan(this.size).keep === 0;
    if (before.at === "blob" && !before.file.sealed && !(blobs.damageOf(before.file) !== undefined && heals()))
      return change(before.file);
    if (before.at === "nothing") return fault("stale", "the file is gone");
    const made = await this.#copy(before, plan);
    if (!made.ok) return made;
    const { size } = made.value;
    const done = await change(made.value);
    const all = done.ok ? whole(done.value) : done;
    if (!all.ok) await blobs.remove(made.value.blob);
    const recorded = all.ok ? await this.#record({ blob: made.value, size }, before) : all;
    return recorded.ok ? all : recorded;
  }

  /** A new blob with what is kept of the old bytes, which are fetched first. */
  async #copy(before: Exclude<Shown, { at: "nothing" }>, plan: (size: number) => Kept): Answer<BlobFile> {
    let kept = plan(before.file.size);
    if (before.at === "clean") {
      // The service may send another length than it said.
      for (let size = -1; size !== before.file.size; kept = plan(size)) {
        size = before.file.size;
        const here = await fetched(before.file, plan(size));
        if (!here.ok) return here;
      }
    }
    return copied(this.#owner.blobs, before, kept);
  }

  /** The vfs records the new blob, with the length before the change; from here on it is what the Source shows. */
  async #record({ blob, size }: { blob: BlobFile; size: number }, before: Shown): Answer<undefined> {
    const seen = this.#seen(before);
    const { blobs } = this.#owner;
    const inherited = before.at === "blob" && size > 0 ? blobs.damageOf(before.file) : undefined;
    const damaged = blobs.damageOf(blob) ?? inherited;
    const named = { node: this.node, blob: blob.blob, size, seen };
    try {
      this.#owner.dirtied(damaged === undefined ? named : { ...named, damaged });
    } catch (error) {
      await this.#owner.blobs.remove(blob.blob);
      return refusal(error);
    }
    this.show({ at: "blob", file: blob });
    return ok();
  }

  #seen(before: Shown): string | undefined {
    switch (before.at) {
      case "clean":
        return before.file.version;
      case "kept":
        return before.version;
      case "blob":
        return before.file.became ?? blobVersion(before.file.blob);
      case "nothing":
        return undefined;
    }
  }
}

/** What of the old bytes a change leaves: `keep` is the length to start with, `spans` the parts that matter. */
export interface Kept {
  readonly keep: number;
  readonly spans: readonly Span[];
}

/** A write of [from, to) leaves what is around it; one of everything leaves nothing. */
function around(from: number, to: number, size: number): Kept {
  if (from === 0 && to >= size) return { keep: 0, spans: [] };
  return { keep: size, spans: [[0, Math.min(from, size)] as const, [Math.min(to, size), size] as const] };
}

/** A new blob with what is kept of the bytes that `before` shows. Clean ones are fetched again when they vanish meanwhile. */
export async function copied(blobs: Blobs, before: Exclude<Shown, { at: "nothing" }>, kept: Kept): Answer<BlobFile> {
  const made = await blobs.create();
  if (!made.ok || kept.keep === 0) return made;
  const filled = await blobs.fill(made.value, kept.keep, async (target) => {
    if (before.at !== "clean") return blobs.withBytes(before.file, (source) => copyKept(source, target, kept));
    for (let losses = 0; losses < 3; losses++) {
      const done = await before.file.withBytes(kept.spans, (source) => copyKept(source, target, kept).then(() => true));
      if (done) return;
      const again = await fetched(before.file, kept);
      if (!again.ok) throw Object.assign(new Error(again.fault.why), { code: "EIO" });
    }
    throw Object.assign(new Error("the clean bytes vanish from the cache folder"), { code: "EIO" });
  });
  return filled.ok ? made : filled;
}

/** Makes the spans of a clean file be here: all of it, verified, unless that would fetch much more than is needed. */
async function fetched(file: CleanFile, { keep, spans }: Kept): Answer<undefined> {
  if (keep === 0) return ok();
  const needed = spans.reduce((sum, [from, to]) => sum + to - from, 0);
  if (file.isComplete || file.size - needed < HYDRATE_RANGE_BYTES) return file.whole();
  for (const [from, to] of spans) {
    const got = await file.need(from, to);
    if (!got.ok) return got;
  }
  return ok();
}

/** Copies what is kept; all of a file by the kernel, which shares the blocks where the file system can. */
async function copyKept(source: number, target: number, { keep, spans }: Kept): Promise<void> {
  if ((await lengthOf(source)) === keep) await copyWhole(source, target);
  else for (const [from, to] of spans) await copySpan(source, target, from, to);
  if ((await lengthOf(target)) !== keep) await cutFile(target, keep);
}
