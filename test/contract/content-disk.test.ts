/** Content on disk keeps the contract of content. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { log } from "../../src/base/log.ts";
import { diskContent } from "../../src/content/disk-content.ts";
import { recoverContent } from "../../src/content/recover-content.ts";
import { contentContract } from "./content-contract.ts";
import type { Made, MakeOptions } from "./content-world.ts";

async function make(options: MakeOptions, folder?: string): Promise<Made> {
  const root = folder ?? (await mkdtemp(join(tmpdir(), "content-")));
  const folders = { stateDir: join(root, "state"), cacheDir: join(root, "cache") };
  const defects: unknown[] = [];
  const after = folder ? "kill" : "clean";
  const recovered = await recoverContent({ store: options.store, ...folders, after, log: log("test") });
  const content = diskContent({
    ...options,
    recovered,
    ...folders,
    clock: systemClock,
    limits: { cacheSizeBytes: 1e9, cacheFreeBytes: 0, readTimeoutMs: 5_000 },
    log: log("test"),
    onDefect: (error) => defects.push(error),
  });
  return {
    content,
    // The killed process leaves its descriptors to the operating system: nothing of it is closed or written.
    restart: (store) => make({ ...options, store }, root),
    async dispose() {
      await content.close();
      await rm(root, { recursive: true, force: true });
      assert.deepEqual(defects, []);
    },
  };
}

contentContract("content on disk", (options) => make(options));
