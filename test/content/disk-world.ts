/** Content on disk in a small world, for tests that need the folders, the limits or a clock of their own. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock, type Clock } from "../../src/base/clock.ts";
import type { Content, Dirtied } from "../../src/content/content.ts";
import { diskContent } from "../../src/content/disk-content.ts";
import { recoverContent, type RecoveredContent } from "../../src/content/recover-content.ts";
import type { ItemKey } from "../../src/model/ids.ts";
import type { MemoryStore } from "../../src/store/memory-store.ts";
import type { Store } from "../../src/store/store.ts";
import { World, type Made, type MakeOptions } from "../contract/content-world.ts";

export interface DiskOptions {
  readonly clock?: Clock;
  readonly cacheSizeBytes?: number;
  readonly readTimeoutMs?: number;
  /** Instead of a new folder. */
  readonly root?: string;
  /** Instead of a new store in memory; then nothing is restarted. */
  readonly store?: Store;
  /** Hears of new blobs instead of the world. */
  readonly dirtied?: Dirtied;
  /** How the process before this one ended, for a store that was used before. */
  readonly after?: "clean" | "kill";
}

export interface DiskWorld {
  readonly world: World;
  readonly root: string;
  readonly stateDir: string;
  readonly cacheDir: string;
  /** Lines of the log that are always printed. */
  readonly faults: string[];
  readonly stale: ItemKey[];
  readonly recovered: RecoveredContent[];
  readonly defects: unknown[];
  content: Content;
}

/** A test with a world that is taken down whatever happens; a defect fails it. */
export function onDisk(what: string, options: DiskOptions, run: (disk: DiskWorld) => Promise<void>): void {
  test(what, async () => {
    const disk = await diskWorld(options);
    // The timers of the product never keep a process alive; a daemon has other handles that do.
    const awake = setInterval(() => undefined, 1_000);
    try {
      await run(disk);
      assert.deepEqual(disk.defects, []);
    } finally {
      clearInterval(awake);
      await disk.world.dispose();
      if (!options.root) await rm(disk.root, { recursive: true, force: true });
    }
  });
}

export async function diskWorld(options: DiskOptions): Promise<DiskWorld> {
  const root = options.root ?? (await mkdtemp(join(tmpdir(), "content-")));
  const folders = { stateDir: join(root, "state"), cacheDir: join(root, "cache") };
  const seen = {
    faults: [] as string[],
    stale: [] as ItemKey[],
    defects: [] as unknown[],
    recovered: [] as RecoveredContent[],
  };

  const make = async (made: MakeOptions, after: "clean" | "kill" | "powerCut"): Promise<Made> => {
    // A killed process says nothing: its store is dead, and it is not the world's any more.
    const isAlive = (): boolean => disk.world === undefined || made.store === disk.world.store;
    const log = { fault: (line: string) => void (isAlive() && seen.faults.push(line)), trace: () => undefined };
    const recovered = await recoverContent({ store: made.store, ...folders, after, log });
    seen.recovered.push(recovered);
    const content = diskContent({
      ...made,
      recovered,
      ...(options.dirtied && { dirtied: options.dirtied }),
      ...folders,
      clock: options.clock ?? systemClock,
      limits: {
        cacheSizeBytes: options.cacheSizeBytes ?? 1e9,
        cacheFreeBytes: 0,
        readTimeoutMs: options.readTimeoutMs ?? 5_000,
      },
      log,
      onDefect: (error) => isAlive() && seen.defects.push(error),
      onStale: (node) => seen.stale.push(node),
    });
    return {
      content,
      restart: (store, how) => make({ ...made, store }, how),
      dispose: () => content.close(),
    };
  };
  const disk = { root, ...folders, ...seen, world: undefined as unknown as World };
  disk.world = await World.start(
    (made) => make(made, options.after ?? "clean"),
    options.store as MemoryStore | undefined,
  );
  return Object.defineProperty(disk, "content", { get: () => disk.world.content }) as DiskWorld;
}
