/** Blobs made ahead: when there are any, that they are used and go, and that nothing takes one away while it waits. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { manualClock } from "../../src/base/clock.ts";
import type { ItemKey } from "../../src/model/ids.ts";
import { READY_AFTER, READY_BLOBS, READY_KEPT_MS, UNNAMED_BLOB_MS } from "../../src/model/limits.ts";
import { text } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";

const quietClock = manualClock(1_000_000);
const blobsIn = (disk: DiskWorld): number[] => readdirSync(join(disk.stateDir, "blobs")).map(Number);

async function createMany(disk: DiskWorld, count: number, as = "file"): Promise<ItemKey[]> {
  const nodes: ItemKey[] = [];
  for (let i = 0; i < count; i++) nodes.push(await disk.world.create(`${as} ${i}`));
  return nodes;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Waits until no more are made. */
async function quiet(disk: DiskWorld): Promise<void> {
  for (let before = -1; before !== blobsIn(disk).length;) {
    before = blobsIn(disk).length;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

onDisk("B11: many new files take blobs made ahead, a single one does not", { clock: quietClock }, async (disk) => {
  const nodes = await createMany(disk, READY_AFTER - 1);
  assert.equal(blobsIn(disk).length, nodes.length, "few files have none made beside them");
  nodes.push(await disk.world.create("one more"));
  await until(() => blobsIn(disk).length >= nodes.length + READY_BLOBS);
  const taken = await disk.world.create("made ahead");
  assert.ok(disk.world.blobOf(taken) < Math.max(...blobsIn(disk)), "the oldest of those made ahead");
  nodes.push(taken);
  for (const node of nodes) await disk.world.write(node, text(`bytes of ${node}`));
  for (const node of nodes) assert.deepEqual(await disk.world.read(node), text(`bytes of ${node}`));
  quietClock.advance(READY_KEPT_MS);
  await until(() => blobsIn(disk).length === nodes.length);
  const own = nodes.map((node) => disk.world.blobOf(node));
  assert.deepEqual(new Set(blobsIn(disk)), new Set<number>(own), "what nobody took goes when it is quiet");
});

onDisk("B11: nothing made ahead is left at the end, nor of a killed process after a sweep", {}, async (disk) => {
  const nodes = await createMany(disk, 2 * READY_AFTER);
  await until(() => blobsIn(disk).length > nodes.length);
  await quiet(disk); // a killed process makes no more
  await disk.world.restart();
  assert.ok(blobsIn(disk).length > nodes.length);
  await disk.content.sweep();
  assert.equal(blobsIn(disk).length, nodes.length);
  nodes.push(...(await createMany(disk, 2 * READY_AFTER, "later")));
  await disk.content.close();
  assert.equal(blobsIn(disk).length, nodes.length);
});

const slowerClock = manualClock(1_000_000);
onDisk(
  "B11: what is made ahead and waits long for its turn is not swept away from under it",
  { clock: slowerClock },
  async (disk) => {
    const nodes = await createMany(disk, READY_AFTER);
    await until(() => blobsIn(disk).length >= nodes.length + READY_BLOBS);
    for (let waited = 0; waited <= UNNAMED_BLOB_MS; waited += READY_KEPT_MS - 1_000) {
      slowerClock.advance(READY_KEPT_MS - 1_000);
      nodes.push(await disk.world.create(`after ${waited}`));
    }
    await disk.content.sweep();
    const last = await disk.world.create("last");
    await disk.world.write(last, text("bytes"));
    assert.ok(blobsIn(disk).includes(disk.world.blobOf(last)), "its file is there");
    await disk.world.restart();
    assert.deepEqual(await disk.world.read(last), text("bytes"));
  },
);
