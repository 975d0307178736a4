/** The POSIX cases on an ordinary file system first (the kernel is the oracle), then on the vfs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { World } from "../vfs/world.ts";
import { cases } from "./cases.ts";
import { realFolder } from "./real-folder.ts";
import { vfsFolder } from "./vfs-folder.ts";

describe("posix: an ordinary file system", () => {
  for (const { name, run } of cases)
    it(name, async () => {
      const root = await mkdtemp(join(tmpdir(), "posix-"));
      try {
        await run(realFolder(root));
      } finally {
        await rm(root, { recursive: true, force: true });
      }
    });
});

describe("posix: the vfs", () => {
  for (const { name, run } of cases)
    it(name, async () => {
      const world = new World({ seed: name });
      await run(vfsFolder(world.vfs, () => world.clock.advance(15)));
      await world.check();
    });
});
