/** What a kill and a power cut find of unpushed bytes whose row was about to go, or whose length nobody had recorded yet. */
import assert from "node:assert/strict";
import fs, { promises } from "node:fs";
import { join } from "node:path";
import { manualClock } from "../../src/base/clock.ts";
import type { BlobId } from "../../src/model/ids.ts";
import { BARRIER_INTERVAL_MS, UNNAMED_BLOB_MS } from "../../src/model/limits.ts";
import { changeTrees, viewLocal } from "../../src/store/tree.ts";
import { equal, noise, text, value } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";

const isThere = (disk: DiskWorld, blob: BlobId): boolean => fs.existsSync(join(disk.stateDir, "blobs", String(blob)));

/** Lets the disk do what it was told to. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

/** A file whose bytes were frozen and survive a power cut. */
async function safeFile(disk: DiskWorld, bytes: Uint8Array): Promise<{ node: number; blob: BlobId }> {
  const node = await disk.world.create("f");
  await disk.world.write(node, bytes);
  const blob = disk.world.blobOf(node);
  value(await disk.content.freeze(blob));
  await disk.world.store.barrier();
  return { node, blob };
}

onDisk("bytes frozen while a program writes on have their whole length after a kill", {}, async (disk) => {
  const node = await disk.world.create("f");
  const source = disk.content.open(node);
  value(await source.write(0, noise(75_000, 1)));
  disk.world.record(source);
  value(await source.write(75_000, noise(300_000, 2)));
  value(await disk.content.freeze(source.blob!));
  assert.equal(viewLocal(disk.world.store.read, node)!.size, 375_000);
  await disk.world.restart();
  assert.equal(viewLocal(disk.world.store.read, node)!.size, 375_000);
});

const clock = manualClock();
onDisk("a power cut that takes a new version back finds the bytes of the old one", { clock }, async (disk) => {
  const { node, blob } = await safeFile(disk, noise(1000));
  disk.world.releases = true;
  const source = disk.content.open(node as never);
  value(await source.write(0, text("new")));
  assert.notEqual(source.blob, blob);
  assert.equal(disk.world.store.read.blobs.get(blob), undefined);
  await settled();
  assert.ok(isThere(disk, blob), "what replaces it is not safe yet");
  await disk.world.powerCut();
  equal(await disk.world.read(node as never), noise(1000));
});

const later = manualClock();
onDisk("the file of replaced bytes goes soon after a barrier", { clock: later }, async (disk) => {
  const { node, blob } = await safeFile(disk, noise(1000));
  disk.world.releases = true;
  const source = disk.content.open(node as never);
  value(await source.write(0, text("new")));
  await source.close();
  later.advance(BARRIER_INTERVAL_MS);
  for (let tries = 0; tries < 200 && isThere(disk, blob); tries++) await settled();
  assert.ok(!isThere(disk, blob));
  await disk.world.powerCut();
  assert.equal(
    Buffer.from(await disk.world.read(node as never))
      .subarray(0, 3)
      .toString(),
    "new",
  );
});

onDisk("the sweep takes no bytes whose deletion a power cut may take back", {}, async (disk) => {
  const { node, blob } = await safeFile(disk, noise(1000));
  disk.world.store.transact((tx) => {
    changeTrees(tx, new Map([[node as never, { local: null }]]));
    tx.blobs.remove(blob);
  });
  const real = disk.world.store.barrier.bind(disk.world.store);
  let asked = 0;
  disk.world.store.barrier = async () => {
    assert.ok(isThere(disk, blob));
    asked++;
    await real();
  };
  await disk.content.sweep();
  assert.equal(asked, 1);
  assert.ok(!isThere(disk, blob));
});

const slow = manualClock();
onDisk("a blob that takes long to be filled is not swept meanwhile", { clock: slow }, async (disk) => {
  const { node, blob } = await safeFile(disk, noise(1_000_000));
  const source = disk.content.open(node as never);
  const real = promises.copyFile;
  let copying = (): void => undefined;
  const began = new Promise<void>((resolve) => (copying = resolve));
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  promises.copyFile = async (...args) => {
    copying();
    await held;
    return real(...args);
  };
  try {
    const written = source.write(0, text("new"));
    await began;
    slow.advance(2 * UNNAMED_BLOB_MS);
    await disk.content.sweep();
    letGo();
    value(await written);
  } finally {
    promises.copyFile = real;
  }
  await disk.content.sweep();
  assert.notEqual(source.blob, blob);
  assert.ok(isThere(disk, source.blob!), "the blob of the changed file is there");
  await source.close();
  assert.equal(Buffer.from(await disk.world.read(node as never)).length, 1_000_000);
});
