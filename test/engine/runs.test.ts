/**
 * Runs of one letter: quickXorHash is the same for all of them that have the same fitting length, so that their equal hashes say nothing.
 * Both sides' bytes stay; and what was sent and not answered is still not there twice.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import type { Device } from "./device.ts";
import { World } from "./world.ts";

const run = (letter: string): string => letter.repeat(8000);

/** The letters of the files in the cloud. */
function letters(world: World): string[] {
  return world.cloud
    .tree()
    .flatMap(({ bytes }) => (bytes ? [Buffer.from(bytes).toString()] : []))
    .map((text) => (text.length === 8000 ? text[0]! : "short"))
    .toSorted();
}

async function started(seed: string): Promise<{ world: World; device: Device }> {
  const world = new World(seed);
  const device = world.device("laptop");
  await world.quiet();
  return { world, device };
}

test("runs of one letter have one hash", () => {
  assert.equal(quickXorHash(Buffer.from(run("A"))), quickXorHash(Buffer.from(run("B"))));
});

for (const [how, told] of [
  ["told by the feed", true],
  ["told by a refusal", false],
] as const) {
  test(`runs: an edit on both sides is a conflict, ${how}`, async () => {
    const { world, device } = await started(`runs-edit-${how}`);
    await device.write("f", run("A"));
    await world.quiet();
    await device.write("f", run("B"));
    world.cloud.as("web").put("f", run("C"));
    if (told) await world.wait(device.puller.sync());
    await world.quiet();
    assert.deepEqual(letters(world), ["B", "C"]);
    await world.stop();
  });

  test(`runs: a new file on both sides is two, ${how}`, async () => {
    const { world, device } = await started(`runs-new-${how}`);
    await device.write("f", run("B"));
    world.cloud.as("web").put("f", run("C"));
    if (told) await world.wait(device.puller.sync());
    await world.quiet();
    assert.deepEqual(letters(world), ["B", "C"]);
    await world.stop();
  });
}

test("runs: a delete does not cover another run", async () => {
  const { world, device } = await started("runs-delete");
  await device.write("f", run("A"));
  await world.quiet();
  await device.unlink("f");
  world.cloud.as("web").put("f", run("C"));
  await world.wait(device.puller.sync());
  await world.quiet();
  assert.deepEqual(letters(world), ["C"]);
  await world.stop();
});

for (const first of ["new", "there"] as const)
  test(`runs: a lost answer leaves one file (${first})`, async () => {
    for (const kind of ["timedOut", "garbled"] as const) {
      const { world, device } = await started(`runs-lost-${first}-${kind}`);
      if (first === "there") await device.write("f", run("A"));
      await world.quiet();
      await device.write("f", run("B"));
      device.drive.fail({ call: "upload", count: 1, moment: "after", fault: { kind, why: "injected", unclear: true } });
      await world.pass(100_000);
      await world.quiet();
      assert.deepEqual(letters(world), ["B"], kind);
      assert.deepEqual([...device.names()], ["f"]);
      await world.stop();
    }
  });
