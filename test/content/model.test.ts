/** Random reads, writes, cuts, freezes, pushes, evictions, wipes, remote changes and kills, against arrays of bytes. */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import fc from "fast-check";
import type { Source } from "../../src/content/content.ts";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import type { ItemKey } from "../../src/model/ids.ts";
import { viewLocal } from "../../src/store/tree.ts";
import { collect, equal, noise, value } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";

/** The bytes of one version, as all handles of it see them. */
interface Bytes {
  now: Buffer;
}

interface Handle {
  readonly file: number;
  readonly bytes: Bytes;
  readonly source: Source;
}

type Act =
  | { readonly act: "open" | "close" | "read" | "write" | "cut" | "freeze" | "push" | "free" | "hydrate" | "remote" }
  | { readonly act: "wipe" | "kill" | "barrier" | "toBlob" };

type Step = Act & { readonly file: number; readonly at: number; readonly length: number; readonly seed: number };

const SIZES = [700_000, 5_000_000, 1_000, 0];

const step: fc.Arbitrary<Step> = fc.record({
  act: fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("open", "close", "read", "write", "cut", "freeze", "push") },
    { weight: 2, arbitrary: fc.constantFrom("free", "hydrate", "remote", "barrier", "toBlob") },
    { weight: 1, arbitrary: fc.constantFrom("wipe", "kill") },
  ) as fc.Arbitrary<Act["act"]>,
  file: fc.nat(SIZES.length),
  at: fc.oneof(fc.nat(2_000), fc.nat(800_000)),
  length: fc.oneof(fc.nat(100), fc.nat(300_000)),
  seed: fc.nat(1_000),
}) as fc.Arbitrary<Step>;

class Run {
  readonly #disk: DiskWorld;
  readonly #nodes: ItemKey[];
  readonly #current: Bytes[];
  #handles: Handle[] = [];

  constructor(disk: DiskWorld, nodes: ItemKey[], current: Bytes[]) {
    this.#disk = disk;
    this.#nodes = nodes;
    this.#current = current;
  }

  async take(step: Step): Promise<void> {
    const handle = this.#handles.filter(({ file }) => file === step.file).at(-1);
    switch (step.act) {
      case "open":
        this.#handles.push(this.#open(step.file));
        return;
      case "close":
        return this.#close(handle);
      case "read":
        return this.#read(handle ?? this.#keep(this.#open(step.file)), step);
      case "write":
      case "cut":
        return this.#change(handle ?? this.#keep(this.#open(step.file)), step);
      case "freeze":
      case "push":
        return this.#send(step);
      case "free":
        await this.#disk.content.free(this.#nodes[step.file]!);
        return;
      case "hydrate":
        value(await this.#disk.content.hydrate(this.#nodes[step.file]!));
        return;
      case "remote":
        return this.#remote(step);
      case "wipe":
        return rm(this.#disk.cacheDir, { recursive: true, force: true });
      case "barrier":
        return this.#disk.world.store.barrier();
      case "toBlob":
        return this.#copy(step.file);
      case "kill":
        return this.#kill();
    }
  }

  async check(): Promise<void> {
    for (const handle of this.#handles) await this.#close(handle);
    for (const [file, node] of this.#nodes.entries())
      equal(await this.#disk.world.read(node), this.#current[file]!.now);
  }

  #open(file: number): Handle {
    return { file, bytes: this.#current[file]!, source: this.#disk.content.open(this.#nodes[file]!) };
  }

  #keep(handle: Handle): Handle {
    this.#handles.push(handle);
    return handle;
  }

  async #close(handle: Handle | undefined): Promise<void> {
    if (!handle) return;
    this.#handles = this.#handles.filter((other) => other !== handle);
    this.#disk.world.record(handle.source);
    await handle.source.close();
  }

  async #read({ source, bytes, file }: Handle, { at, length }: Step): Promise<void> {
    assert.equal(source.size, bytes.now.length);
    const got = await source.read(at, length);
    // An old version that the cloud no longer has may be incomplete; then it says so.
    if (!got.ok && got.fault.kind === "stale" && bytes !== this.#current[file]) return;
    equal(value(got), bytes.now.subarray(at, at + length));
  }

  async #change({ source, bytes, file }: Handle, { act, at, length, seed }: Step): Promise<void> {
    if (bytes !== this.#current[file]) return;
    const part = noise(length, seed);
    value(act === "cut" ? await source.truncate(at) : await source.write(at, part));
    const size = act === "cut" ? at : length === 0 ? bytes.now.length : Math.max(bytes.now.length, at + length);
    const next = Buffer.alloc(size);
    bytes.now.copy(next, 0, 0, size);
    if (act === "write" && length > 0) part.copy(next, at);
    bytes.now = next;
    const from = Math.max(0, at - 10);
    equal(value(await source.read(from, length + 20)), next.subarray(from, from + length + 20));
    this.#disk.world.record(source);
  }

  /** A frozen blob stays what it was while its file is changed; a pushed one becomes clean. */
  async #send({ act, file, seed }: Step): Promise<void> {
    const node = this.#nodes[file]!;
    const content = viewLocal(this.#disk.world.store.read, node)!.content;
    if (content.from !== "blob") return;
    const before = this.#current[file]!.now;
    const frozen = value(await this.#disk.content.freeze(content.blob));
    assert.equal(frozen.hash, quickXorHash(before));
    if (seed % 2 === 0) await this.take({ act: "write", file, at: 3, length: 50, seed });
    equal(await collect(frozen.body.stream(0, frozen.body.size)), before);
    if (act === "push") await this.#disk.world.push(content.blob);
  }

  async #remote({ file, length, seed }: Step): Promise<void> {
    const node = this.#nodes[file]!;
    const view = viewLocal(this.#disk.world.store.read, node)!;
    if (view.content.from === "blob") return;
    const bytes = noise(length, seed);
    this.#disk.world.cloud(view.name, bytes);
    this.#current[file] = { now: bytes };
  }

  async #copy(file: number): Promise<void> {
    const made = await this.#disk.content.toBlob(this.#nodes[file]!);
    if (!made.ok) return;
    this.#disk.world.store.transact((tx) =>
      tx.blobs.put(made.value, { node: this.#nodes[file]!, size: 0, state: "open" }),
    );
    assert.equal(value(await this.#disk.content.freeze(made.value)).hash, quickXorHash(this.#current[file]!.now));
    this.#disk.world.store.transact((tx) => tx.blobs.remove(made.value));
  }

  async #kill(): Promise<void> {
    this.#handles = [];
    await this.#disk.world.restart();
  }
}

onDisk("content does what an array of bytes does", {}, async (disk) => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      runs++;
      const current = SIZES.map((size, i) => ({ now: noise(size, i + runs) }));
      const nodes = current.map(({ now }, i) => disk.world.cloud(`run${runs}-${i}`, now));
      nodes.push(await disk.world.create(`run${runs}-own`));
      current.push({ now: Buffer.alloc(0) });
      const run = new Run(disk, nodes, current);
      for (const taken of steps) await run.take(taken);
      await run.check();
    }),
    {
      includeErrorInReport: true,
      numRuns: Number(process.env["CONTENT_RUNS"] ?? 6),
      ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}),
    },
  );
  assert.deepEqual(disk.faults, []);
});
