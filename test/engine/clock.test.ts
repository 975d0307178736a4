/** The clock of the machine is set back while something waits to be pushed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

const DAY_MS = 24 * 3600 * 1000;

test("clock: what was written before the clock was set back is pushed all the same", async () => {
  const world = new World("clock");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("before", "before");
  await world.pass(1_000);
  world.clock.advance(-DAY_MS);
  await device.write("after", "after");
  await world.pass(15_000);
  const paths = world.cloud.tree().map(({ path }) => path);
  assert.deepEqual(paths.toSorted(), ["after", "before"]);
  await device.stop();
});

test("clock: what becomes due while a round looks around is not left for the next one that somebody else wants", async () => {
  for (const lookMs of [0.02, 0.05, 0.1, 0.3]) {
    const world = new World(`clock-look-${lookMs}`);
    const device = world.device("laptop", { lookMs, writeBackMs: 1_000 });
    await world.quiet();
    for (let i = 0; i < 60; i++) {
      await device.write(`f${i}`, `content ${i}`);
      await world.pass(world.random.below(40));
      await device.rename(`f${i}`, `g${i}`);
      await world.pass(3_000);
      assert.ok(
        world.cloud.tree().some(({ path }) => path === `g${i}`),
        `save ${i}, ${lookMs} ms a look`,
      );
    }
    await device.stop();
  }
});

test("clock: a sync after the clock was set back pushes what was written before", async () => {
  const world = new World("clock-sync");
  const device = world.device("laptop");
  await world.quiet();
  await device.write("before", "before");
  await world.pass(1_000);
  world.clock.advance(-DAY_MS);
  const status = await world.wait(device.flusher.sync(), 60_000);
  assert.equal(status.pending, 0);
  assert.deepEqual(
    world.cloud.tree().map(({ path }) => path),
    ["before"],
  );
  await device.stop();
});
