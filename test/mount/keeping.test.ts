/** What is kept here and what is not: pins, what is freed when the cache is full, and how little a program that only looks costs. */
import assert from "node:assert/strict";
import { closeSync, openSync, promises as fs, readSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { call } from "../../src/control/socket-client.ts";
import { socketPathOf } from "../../src/control/whereabouts.ts";
import { noise } from "../contract/content-world.ts";
import { eventually, run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";
import { downloads } from "../support/transfers.ts";

const FILES = 500;

async function withMount(
  options: Record<string, string>,
  run: (sim: Sim, mount: Mount) => Promise<void>,
  seed: (sim: Sim) => Promise<void>,
): Promise<void> {
  const sim = await startSim("--latency", "5");
  try {
    await seed(sim);
    const mount = await startMount(sim, { options });
    try {
      await run(sim, mount);
    } finally {
      await mount.dispose();
    }
  } finally {
    await sim.stop();
  }
}

const state = async (mount: Mount, path: string): Promise<string> =>
  (await run("getfattr", ["--only-values", "-n", "user.onedrive.state", mount.path(path)])).out;

const bytesOf = (i: number): Buffer => noise(20_000, i + 1);

test("keeping: a pinned folder of 500 files is read offline, what is added comes by itself, nothing of it is evicted", async () => {
  const seed = async (sim: Sim): Promise<void> => {
    for (let i = 0; i < FILES; i += 50)
      await Promise.all(Array.from({ length: 50 }, (_, k) => sim.put(`kept/f${i + k}`, bytesOf(i + k))));
    for (let i = 0; i < 4; i++) await sim.put(`other/g${i}`, noise(8_000_000, i + 1));
  };
  await withMount(
    { cache_size: "30M" },
    async (sim, mount) => {
      const socket = socketPathOf(join(mount.home, "run/mount.onedrive"), "default");
      const clean = async (): Promise<number> => {
        const answer = await call(socket, "status", {});
        return answer.ok ? answer.value.cache.cleanBytes : -1;
      };
      assert.equal((await mount.ctl("pin", mount.path("kept"))).code, 0);
      await eventually("all is here", async () => (await clean()) >= FILES * 20_000, 60_000);
      await sim.network(false);
      for (let i = 0; i < FILES; i++) assert.ok((await fs.readFile(mount.path(`kept/f${i}`))).equals(bytesOf(i)));
      await sim.network(true);
      await sim.put("kept/late", bytesOf(9_999));
      await eventually(
        "it arrives by itself",
        async () => (await state(mount, "kept/late").catch(() => "")) === "cached",
        40_000,
      );
      for (let i = 0; i < 4; i++) await fs.readFile(mount.path(`other/g${i}`));
      await fs.writeFile(mount.path("own"), noise(9_000_000, 77));
      await eventually("the cache is within its limit", async () => (await clean()) <= 30 * 1024 * 1024, 40_000);
      assert.notEqual(await state(mount, "other/g0"), "cached", "the oldest went");
      assert.equal(await state(mount, "other/g3"), "cached", "the youngest stayed");
      await fs.rename(mount.path("kept"), mount.path("renamed"));
      await mount.settled();
      await mount.unmount();
      await fs.rm(join(mount.home, "cache"), { recursive: true, force: true });
      await mount.start();
      await eventually("what was lost comes back", async () => (await clean()) >= FILES * 20_000, 60_000);
      for (let i = 0; i < FILES; i += 50) assert.equal(await state(mount, `renamed/f${i}`), "cached");
    },
    seed,
  );
});

test("keeping: a pin for which there is no room is refused, and nothing is fetched", async () => {
  await withMount(
    { cache_free: "100000G" },
    async (sim, mount) => {
      const refused = await mount.ctl("pin", mount.path("big"));
      assert.notEqual(refused.code, 0);
      assert.match(refused.err, /needs/);
      assert.equal((await run("getfattr", ["-n", "user.onedrive.pin", mount.path("big")])).code, 1);
      assert.equal(downloads(await sim.requests()).length, 0);
    },
    (sim) => sim.put("big", noise(1_000_000)),
  );
});

test("keeping: a look at the first 64 KiB of 200 photos costs less than 15 % of their bytes", async (t) => {
  const size = 3_000_000;
  await withMount(
    {},
    async (sim, mount) => {
      const buffer = Buffer.alloc(64 * 1024);
      await sim.clearRequests();
      for (let i = 0; i < 200; i++) {
        const file = openSync(mount.path(`photos/p${i}`), "r");
        readSync(file, buffer, 0, buffer.length, 0);
        closeSync(file);
      }
      const fetched = downloads(await sim.requests()).reduce((sum, { bytes }) => sum + bytes, 0);
      t.diagnostic(`${((100 * fetched) / (200 * size)).toFixed(1)} % of the bytes`);
      assert.ok(fetched < 0.15 * 200 * size);
    },
    async (sim) => {
      const photo = noise(size);
      for (let i = 0; i < 200; i += 20)
        await Promise.all(Array.from({ length: 20 }, (_, k) => sim.put(`photos/p${i + k}`, photo)));
    },
  );
});
