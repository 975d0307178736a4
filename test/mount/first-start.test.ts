/** The very first mount: without a network, without a terminal, in the background. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { readdir, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, isMounted, run, startMount } from "../support/mount-process.ts";
import { programs } from "../support/repository.ts";
import { startSim } from "../support/sim-process.ts";

test("first start: a mount that never saw the drive shows a root that says EIO, never an empty one, and fills when the network comes", async (t) => {
  const sim = await startSim();
  t.after(() => sim.stop());
  await sim.put("there.txt", "there");
  const mount = await startMount(sim);
  t.after(() => mount.dispose());
  await mount.unmount();
  await run("rm", ["-rf", join(mount.home, "state")]);
  await sim.network(false);
  await mount.start();
  assert.ok(statSync(mount.dir).isDirectory());
  await assert.rejects(readdir(mount.dir), { code: "EIO" });
  await assert.rejects(mkdir(mount.path("new")), { code: "EIO" });
  await sim.network(true);
  await eventually(
    "the root is listed",
    async () => (await readdir(mount.dir).catch((): string[] => [])).includes("there.txt"),
    8_000,
  );
});

test("first start: in the background mount.onedrive returns 0 when the tree can be listed, and fusermount -u ends the daemon", async (t) => {
  const sim = await startSim();
  t.after(() => sim.stop());
  await sim.put("there.txt", "there");
  const mount = await startMount(sim);
  t.after(() => mount.dispose());
  await mount.unmount();
  const dir = join(mount.home, "background");
  mkdirSync(dir);
  const ran = await run(
    process.execPath,
    [join(programs, "mount.onedrive.js"), dir, "-o", `endpoint=${sim.url}`],
    mount.env,
  );
  assert.equal(ran.code, 0, ran.err);
  assert.equal(ran.out + ran.err, "");
  assert.deepEqual(readdirSync(dir), ["there.txt"]);
  const status = await run(process.execPath, [join(programs, "onedrivectl.js"), "status", dir, "--json"], mount.env);
  const { pid } = JSON.parse(status.out) as { pid: number };
  assert.equal((await run("fusermount", ["-u", dir])).code, 0);
  assert.equal(isMounted(dir), false);
  await eventually("the daemon has ended", () => run("kill", ["-0", String(pid)]).then((alive) => alive.code !== 0));
});
