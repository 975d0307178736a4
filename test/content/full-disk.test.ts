/** Real full disks: small file systems in a mount namespace of a child process. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const canMount = spawnSync("unshare", ["-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

test(
  "a full disk refuses writes before anything is lost, and reads go on",
  { skip: !canMount && "no mount namespaces here" },
  async () => {
    const roots = await Promise.all(
      ["state", "holes", "cache"].map((name) => mkdtemp(join(tmpdir(), `full-${name}-`))),
    );
    const script = fileURLToPath(new URL("full-disk.ts", import.meta.url));
    try {
      const run = promisify(execFile)("unshare", ["-Urm", process.execPath, "--import", "tsx", script, ...roots]);
      assert.equal((await run).stdout, "done\n");
    } finally {
      for (const root of roots) await rm(root, { recursive: true, force: true });
    }
  },
);
