/**
 * The exercise of support/exercise.ts on a vfs with content on disk, in this process: files that are only in the cloud at first, a cache
 * that holds a part of them, pushes, kills. (SEED, STEPS; the same on a mount: test/soak/exercise.test.ts)
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { HandleId, ItemKey } from "../../src/model/ids.ts";
import { fold } from "../../src/model/name.ts";
import { ROOT } from "../../src/model/ids.ts";
import { localAt, viewLocal } from "../../src/store/tree.ts";
import { createVfs, type VfsControl } from "../../src/vfs/create-vfs.ts";
import type { Reply, Vfs } from "../../src/vfs/vfs.ts";
import { noise, value } from "../contract/content-world.ts";
import { Exercise, type Opened, type Target } from "../support/exercise.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";

const me = { uid: 1000, gid: 1000, pid: 1 };
const seed = process.env["SEED"] ?? "1";
const steps = Number(process.env["STEPS"] ?? 1_000);
const SIZES = [0, 3_000, 300_000, 1_500_000, 6_000_000];

class VfsTarget implements Target {
  readonly #disk: DiskWorld;
  #vfs: Vfs & VfsControl;
  readonly #writing = new Set<Promise<unknown>>();

  constructor(disk: DiskWorld) {
    this.#disk = disk;
    this.#vfs = this.#start();
  }

  get vfs(): VfsControl {
    return this.#vfs;
  }

  async open(file: string, how: "r" | "r+" | "a" | "w"): Promise<Opened> {
    const flags = { read: how !== "a", write: how !== "r", append: how === "a", truncate: how === "w" };
    const handle = await must(this.#vfs.open(this.#node(file), flags, me));
    return this.#opened(file, handle);
  }

  async truncate(file: string, size: number): Promise<void> {
    await must(this.#vfs.setattr(this.#node(file), { size }, me));
  }

  async size(file: string): Promise<number> {
    return value(this.#vfs.getattr(this.#node(file))).size;
  }

  async free(file: string): Promise<void> {
    await this.#disk.content.free(this.#node(file));
  }

  wipe(): Promise<void> {
    return rm(this.#disk.cacheDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 10 });
  }

  /** What the flusher does when it sent everything. */
  async push(): Promise<void> {
    const { world } = this.#disk;
    for (const [node] of Array.from(world.store.read.local.range())) {
      const content = viewLocal(world.store.read, node)?.content;
      if (content?.from !== "blob") continue;
      await world.push(content.blob);
      world.store.transact((tx) => {
        for (const [seq, record] of Array.from(tx.ops.range()))
          if (record.op.node === node) {
            tx.ops.remove(seq);
            tx.nodeOps.remove([node, seq]);
          }
      });
      this.#vfs.reunite(node);
    }
  }

  async kill(): Promise<void> {
    await Promise.allSettled(this.#writing);
    this.#vfs.stopAccepting();
    await this.#disk.world.restart();
    this.#vfs = this.#start();
  }

  async restart(): Promise<void> {
    this.#vfs.checkpointOpenFiles();
    await this.#vfs.settle();
    await this.kill();
  }

  #start(): Vfs & VfsControl {
    const { store } = this.#disk.world;
    store.transact((tx) => tx.meta.put("enumerated", true));
    return createVfs({
      store,
      content: this.#disk.content,
      clock: systemClock,
      log: { fault: (line) => void this.#disk.faults.push(line), trace: () => undefined },
      uid: me.uid,
      gid: me.gid,
      umask: 0o022,
      localOnlyNames: [],
      readOnly: false,
      writeBackMs: 50,
      list: () => assert.fail("everything is listed"),
      changed: () => undefined,
    });
  }

  #node(file: string): ItemKey {
    const node = localAt(this.#disk.world.store.read, ROOT, fold(file));
    assert.ok(node !== undefined, `${file} is there`);
    return node;
  }

  #opened(file: string, handle: HandleId): Opened {
    const vfs = this.#vfs;
    return {
      read: (at, length) => must(vfs.read(handle, at, length)),
      write: async (at, bytes) => {
        const written = must(vfs.write(handle, at, bytes));
        this.#writing.add(written);
        assert.equal(await written.finally(() => this.#writing.delete(written)), bytes.length);
      },
      truncate: async (size) => void (await must(vfs.setattr(this.#node(file), { size }, me, handle))),
      sync: () => must(vfs.fsync(handle)),
      close: async () => {
        await must(vfs.flush(handle));
        await must(vfs.release(handle));
      },
    };
  }
}

async function must<T>(reply: Reply<T>): Promise<T> {
  return value(await reply);
}

let target: VfsTarget | undefined;

onDisk(
  `vfs and content do what arrays of bytes do, ${steps} steps (SEED=${seed})`,
  { cacheSizeBytes: 8e6, dirtied: (event) => target?.vfs.dirtied(event) },
  async (disk) => {
    const files = new Map(SIZES.map((size, i) => [`file-${i}`, noise(size, i + 1)]));
    for (const [file, bytes] of files) disk.world.cloud(file, bytes.subarray());
    // The cloud keeps what it was given: the exercise changes arrays of its own.
    const own = new Map([...files].map(([file, bytes]) => [file, Buffer.from(bytes)]));
    target = new VfsTarget(disk);
    const sizeMax = 2_000_000;
    const permille = { kill: 4, restart: 2, push: 30, wipe: 4 };
    const exercise = new Exercise({ target, random: seededRandom(seed), files: own, sizeMax, permille });
    await exercise.run(steps);
    await target.push();
    await exercise.verify();
    assert.deepEqual(disk.faults, []);
  },
);
