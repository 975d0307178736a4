/** Programs whose reads never download, through each host: they get EIO at once, and what is here. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
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
  });
