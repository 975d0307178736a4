/** Who works in the mount goes first: uploads keep out of the way, without ever standing still. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FOREGROUND_PAUSE_MS, FOREGROUND_QUIET_MS } from "../../src/model/limits.ts";
import { World } from "./world.ts";

const FILES = 120;
const ACT_EVERY_MS = 20;

/** A device with many files whose settle window is over, somebody at work in another file, and no upload sent yet. */
async function atWork(name: string) {
  const world = new World(name);
  const device = world.device("laptop");
  await world.quiet();
  device.drive.latencyMs = 1;
  await device.mkdir("many");
  for (let i = 0; i < FILES; i++) await device.write(`many/${i}`, `content ${i}`);
  const uploads = (): number => world.cloud.tree().filter(({ path }) => path.startsWith("many/")).length;
  let acts = 0;
  const work = async (forMs: number): Promise<void> => {
    for (let passed = 0; passed < forMs; passed += ACT_EVERY_MS) {
      await device.write("notes", `line ${acts++}`);
      await world.pass(ACT_EVERY_MS);
    }
  };
  while (uploads() === 0) await work(ACT_EVERY_MS);
  return { world, uploads, work };
}

test("push: uploads give way to whoever works here, and go on when it is quiet", async () => {
  const { world, uploads, work } = await atWork("foreground");
  const before = uploads();
  await work(1_000);
  const meanwhile = uploads() - before;
  assert.ok(meanwhile >= 5 && meanwhile <= 1_000 / FOREGROUND_PAUSE_MS + 1, `${meanwhile} uploads in a second`);
  await world.pass(FOREGROUND_QUIET_MS + 1_000);
  assert.equal(uploads(), FILES);
  await world.quiet();
  assert.equal(world.cloud.tree().length, FILES + 2);
  await world.stop();
});

test("push: a program that never stops writing delays the bytes of others only by little", async () => {
  const { world, uploads, work } = await atWork("foreground-for-ever");
  await work(FILES * (FOREGROUND_PAUSE_MS + ACT_EVERY_MS) + 1_000);
  assert.equal(uploads(), FILES);
  await world.stop();
});
