/** Plans that are made a few steps at a time, while requests end and people go on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

test("push: what ends while a plan is made is not sent again", async () => {
  const world = new World("push-in-turns");
  const device = world.device("laptop", { planning: { atOnce: 0, perTurn: 1 } });
  await world.quiet();
  device.drive.latencyMs = 1;
  await device.mkdir("many");
  for (let i = 0; i < 40; i++) await device.write(`many/${i}`, `content ${i}`);
  for (let i = 0; i < 40; i++) {
    await world.pass(300);
    if (i % 4 === 0) await device.write(`many/${i}`, `later ${i}`);
    if (i % 4 === 1) await device.rename(`many/${i}`, `many/renamed ${i}`);
    if (i % 4 === 2) await device.unlink(`many/${i}`);
  }
  await world.quiet();
  const textAt = (path: string): string => Buffer.from(world.cloud.at(path)?.bytes ?? []).toString();
  assert.equal(world.cloud.tree().length, 31);
  assert.equal(textAt("many/0"), "later 0");
  assert.equal(textAt("many/renamed 1"), "content 1");
  const uploads = device.drive.log.filter((row) => row.call === "upload").length;
  assert.ok(uploads <= 50, `${uploads} uploads of 50 contents`);
  assert.deepEqual(
    device.log.filter((line) => !line.startsWith("  ")),
    [],
  );
  await world.stop();
});
