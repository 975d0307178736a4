/**
 * Run inside a mount namespace by full-disk.test.ts: mounts small file systems on the two folders given and fills them. Prints "done"
 * when everything held.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { HYDRATE_RANGE_BYTES } from "../../src/model/limits.ts";
import { equal, kind, noise, text, value } from "../contract/content-world.ts";
import { diskWorld, type DiskWorld } from "./disk-world.ts";

const MiB = 1024 * 1024;

async function small(root: string, folder: "state" | "cache", size: string): Promise<DiskWorld> {
  const path = join(root, folder);
  await mkdir(path, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
  return diskWorld({ root });
}

/** Writes get ENOSPC before anything is lost. */
async function fullState(root: string): Promise<void> {
  const disk = await small(root, "state", "2m");
  const kept = await disk.world.create("kept");
  await disk.world.write(kept, noise(MiB, 1));
  const bytes = noise(MiB + 500_000, 2);
  const node = disk.world.cloud("cloud", bytes);
  const source = disk.content.open(node);
  assert.equal(kind(await source.write(10, text("does not fit"))), "noSpace");
  assert.equal(source.blob, undefined);
  assert.equal(disk.world.dirtied.length, 0);
  equal(value(await source.read(0, 2 * MiB)), bytes);
  assert.equal((await readdir(join(disk.stateDir, "blobs"))).length, 1, "the half copy is gone");
  const own = disk.content.open(kept);
  let size = own.size;
  for (;;) {
    const written = await own.write(size, noise(200_000, 3));
    if (!written.ok) {
      assert.equal(written.fault.kind, "noSpace");
      break;
    }
    size += written.value;
  }
  assert.equal(own.size, size);
  equal(value(await own.read(0, MiB)), noise(MiB, 1));
  assert.equal(kind(await own.write(0, noise(1000, 1))), "ok", "what has its place can be overwritten");
  value(await own.truncate(1000));
  value(await source.truncate(0));
  await own.close();
  await source.close();
  await disk.world.dispose();
}

/** A write of which not everything fits changes nothing: what it would have overwritten is not a hole. */
async function noHoles(root: string): Promise<void> {
  const disk = await small(root, "state", "4m");
  const bytes = noise(HYDRATE_RANGE_BYTES + MiB, 6);
  const node = disk.world.cloud("cloud", bytes);
  const source = disk.content.open(node);
  // What is kept around the write is little, and is fetched alone; of the write itself only a part fits.
  assert.equal(kind(await source.write(10_000, noise(HYDRATE_RANGE_BYTES + 500_000, 8))), "noSpace");
  assert.equal(source.blob, undefined);
  assert.equal(disk.world.dirtied.length, 0);
  equal(value(await source.read(0, bytes.length)), bytes);
  assert.deepEqual(await readdir(join(disk.stateDir, "blobs")), [], "the half copy is gone");
  await source.close();
  await disk.world.dispose();
}

/** Reads go on without the cache. */
async function fullCache(root: string): Promise<void> {
  const disk = await small(root, "cache", "1m");
  const bytes = noise(6 * MiB, 4);
  const node = disk.world.cloud("large", bytes);
  const source = disk.content.open(node);
  for (let at = 0; at < bytes.length; at += 300_000)
    equal(value(await source.read(at, 300_000)), bytes.subarray(at, at + 300_000));
  assert.equal(kind(await disk.content.hydrate(node)), "noSpace");
  assert.equal(kind(await source.write(0, text("x"))), "noSpace");
  await source.close();
  const other = disk.world.cloud("small", noise(500_000, 5));
  value(await disk.content.hydrate(other));
  equal(await disk.world.read(other), noise(500_000, 5));
  assert.deepEqual(disk.defects, []);
  await disk.world.dispose();
}

const [rootOfState, rootOfHoles, rootOfCache] = process.argv.slice(2);
const awake = setInterval(() => undefined, 1000);
await fullState(rootOfState!);
await noHoles(rootOfHoles!);
await fullCache(rootOfCache!);
clearInterval(awake);
console.log("done");
