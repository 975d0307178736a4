/** The installed fuse-native passes every probe of native-notes/fuse-native (the published one fails nearly all). */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { repository } from "../support/repository.ts";

test("the patched fuse-native passes its probes", () => {
  const script = join(repository, "native-notes/fuse-native/run.ts");
  const ran = spawnSync(process.execPath, ["--import", "tsx", script], { cwd: repository, encoding: "utf8" });
  assert.equal(ran.status, 0, ran.stdout + ran.stderr);
  assert.match(ran.stdout, /^0 of \d+ probes fail/m);
});
