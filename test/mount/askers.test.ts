/** Programs whose reads never download, through each host: they get EIO at once, and what is here. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { hostNames } from "../support/host-process.ts";
import { run, startMount } from "../support/mount-process.ts";
import { startSim } from "../support/sim-process.ts";

for (const host of hostNames)
  describe(`askers: a mount through the ${host} host`, () => {
    test("one program may not download, the other may, and then both read", async () => {
      const sim = await startSim();
      await sim.put("photo.jpg", "a picture");
      const mount = await startMount(sim, { options: { host, no_download: "tail:tumbler*" } });
      try {
        const refused = await run("tail", [mount.path("photo.jpg")], { ...process.env, LC_ALL: "C" });
        assert.deepEqual([refused.code, refused.out], [1, ""]);
        assert.match(refused.err, /Input\/output error/);
        assert.equal((await run("head", [mount.path("photo.jpg")])).out, "a picture");
        assert.equal((await run("tail", [mount.path("photo.jpg")])).out, "a picture");
      } finally {
        await mount.dispose();
        await sim.stop();
      }
    });

    test("which program downloaded what, and what the pins did, is told by log and info", async () => {
      const sim = await startSim();
      for (const name of ["read.txt", "read twice.txt"]) await sim.put(`folder/${name}`, "x".repeat(5_000));
      await sim.put("pinned.txt", "y".repeat(3_000));
      const mount = await startMount(sim, { options: { host } });
      const log = async (path = mount.dir): Promise<readonly Report[]> => {
        const { code, out, err } = await mount.ctl("log", "--downloads", "--json", path);
        assert.equal(code, 0, err);
        return (JSON.parse(out) as { downloads: Report[] }).downloads;
      };
      try {
        assert.deepEqual(await log(), []);
        const before = Date.now();
        for (const name of ["read.txt", "read twice.txt", "read twice.txt"])
          assert.equal((await run("tail", ["-c", "1", mount.path(`folder/${name}`)])).out, "x");
        assert.equal((await mount.ctl("pin", mount.path("pinned.txt"))).code, 0);
        for (const last = before + 20_000; (await log()).length < 3 && Date.now() < last;) await delay(50);
        const all = await log();
        assert.deepEqual(
          all.map(({ path, program, bytes }) => [path, program, bytes]),
          [
            [mount.path("pinned.txt"), "(kept here by a pin)", 3_000],
            [mount.path("folder/read twice.txt"), "tail", 5_000],
            [mount.path("folder/read.txt"), "tail", 5_000],
          ],
        );
        for (const { at, since } of all) assert.ok(before <= since && since <= at && at <= Date.now());
        assert.ok(all[1]!.pid! > 1 && all[0]!.pid === null);
        assert.deepEqual(await log(mount.path("folder")), all.slice(1));
        const info = await mount.ctl("info", mount.path("folder/read.txt"));
        assert.match(info.out, /^downloaded {4}\S+ \S+ +4\.9 KiB {2}tail \(process \d+\)$/m);
        assert.match(
          (await mount.ctl("log", "--downloads", mount.dir)).out,
          /4\.9 KiB {2}tail \(process \d+\) {2}.*read\.txt$/m,
        );
      } finally {
        await mount.dispose();
        await sim.stop();
      }
    });
  });

interface Report {
  readonly path: string;
  readonly program: string;
  readonly pid: number | null;
  readonly bytes: number;
  readonly since: number;
  readonly at: number;
}
