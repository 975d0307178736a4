/** What may be told to be safe: syncs of a process that was killed before it came to them, and of several at the same time. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { changeTrees } from "../../src/store/tree.ts";
import { kind, noise, text, value } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";
import { synced, withoutSyncs } from "./syncs.ts";

const blobPath = (disk: DiskWorld, blob: number): string => join(disk.stateDir, "blobs", String(blob));

onDisk(
  "what a killed process wrote is synced before anything else is: its own sync may not have come to that",
  {},
  async (disk) => {
    const node = await disk.world.create("one");
    await disk.world.write(node, text("1"));
    const { ino } = fs.statSync(blobPath(disk, disk.world.blobOf(node)));
    const folder = fs.statSync(join(disk.stateDir, "blobs")).ino;
    const all = await synced(() => disk.world.restart());
    assert.ok(all.has(ino), "a program that syncs the file now is told that it is safe");
    assert.ok(all.has(folder));
  },
);

onDisk("bytes of a killed process that the disk does not take now are not pushed", {}, async (disk) => {
  const node = await disk.world.create("one");
  await disk.world.write(node, text("1"));
  const blob = disk.world.blobOf(node);
  await withoutSyncs(() => disk.world.restart(), fs.statSync(blobPath(disk, blob)).ino);
  assert.equal(kind(await disk.content.freeze(blob)), "io");
  assert.ok(disk.faults.some((line) => line.includes("did not take unpushed bytes")));
});

onDisk("a sync that succeeds beside one that fails proves nothing", {}, async (disk) => {
  const node = await disk.world.create("one");
  const source = disk.content.open(node);
  value(await source.write(0, noise(100_000)));
  disk.world.record(source);
  const real = fs.fsync;
  const asked: ((error: Error | null) => void)[] = [];
  fs.fsync = Object.assign((_fd: number, done: (error: Error | null) => void) => void asked.push(done), {
    __promisify__: real.__promisify__,
  });
  const both = async (): Promise<void> => {
    while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  try {
    const barrier = assert.rejects(disk.world.store.barrier());
    const freezing = disk.content.freeze(source.blob!);
    await both();
    asked[0]!(Object.assign(new Error("EIO"), { code: "EIO" }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    fs.fsync = real;
    for (const done of asked.slice(1)) done(null);
    assert.equal(kind(await freezing), "io");
    await barrier;
    await assert.rejects(disk.world.store.barrier());
  } finally {
    fs.fsync = real;
    await source.close();
  }
  disk.world.store.transact((tx) => {
    changeTrees(tx, new Map([[node, { local: null }]]));
    tx.blobs.remove(source.blob!);
  });
});
