/** Reading a content file: what the system has in memory comes at once, what it has not from the disk, and both together are the bytes. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { DiskFile, Files, type ReadCached } from "../../src/content/files.ts";
import { fuseDevice } from "../../src/host/kernel/fuse-device.ts";
import { CACHED_READ_BYTES_MAX } from "../../src/model/limits.ts";
import { noise } from "../contract/content-world.ts";

const bytes = Uint8Array.from(noise(CACHED_READ_BYTES_MAX * 2));

async function readWith(readCached: ReadCached | undefined, position: number, length: number): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), "files-"));
  try {
    await writeFile(join(folder, "file"), bytes);
    const files = new Files(4, systemClock, readCached);
    const file = new DiskFile(join(folder, "file"));
    const got = await files.use(file, (fd) => files.readFrom(fd, position, length));
    files.closeAll();
    return Uint8Array.from(got);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** As if the system had only so many bytes in memory. */
const having =
  (most: number): ReadCached =>
  (fd, into, position) =>
    fs.readSync(fd, into, 0, Math.min(most, into.length), position);

const ways: readonly (readonly [string, ReadCached | undefined])[] = [
  ["nobody who can tell", undefined],
  ["nothing", () => -11],
  ["some", having(1_000)],
  ["all", having(Infinity)],
];

for (const [has, readCached] of ways)
  test(`K9: the system has ${has} of a file in memory: the bytes are right`, async () => {
    const size = bytes.length;
    for (const [from, length] of [
      [0, 10],
      [5_000, 4_096],
      [0, CACHED_READ_BYTES_MAX],
      [100, CACHED_READ_BYTES_MAX + 1],
      [size - 10, 10],
    ] as const)
      assert.deepEqual(await readWith(readCached, from, length), bytes.slice(from, from + length));
    assert.deepEqual(await readWith(readCached, size - 10, 4_096), bytes.slice(-10), "at the end there are fewer");
    assert.equal((await readWith(readCached, size, 10)).length, 0);
  });

test("K9: more than a little is left to the thread pool, whoever has it", async () => {
  let asked = 0;
  const counting: ReadCached = (...given) => (asked++, having(Infinity)(...given));
  await readWith(counting, 0, CACHED_READ_BYTES_MAX + 1);
  assert.equal(asked, 0);
  await readWith(counting, 0, CACHED_READ_BYTES_MAX);
  assert.equal(asked, 1);
});

test("K9: the addon answers what a read would, or that nothing is in memory", async (t) => {
  const device = fuseDevice();
  if (!device.ok) return t.skip(device.fault.why);
  const { readCached } = device.value;
  const folder = await mkdtemp(join(tmpdir(), "files-"));
  try {
    await writeFile(join(folder, "file"), bytes);
    const fd = fs.openSync(join(folder, "file"), "r");
    const into = Buffer.alloc(4_096);
    const got = readCached(fd, into, 8_192);
    if (got >= 0) assert.deepEqual(Uint8Array.from(into.subarray(0, got)), bytes.slice(8_192, 8_192 + got));
    assert.ok(got > 0 || got === -11 || got === -95, `${got}`);
    assert.equal(readCached(fd, into, bytes.length), got > 0 ? 0 : got);
    fs.closeSync(fd);
    assert.equal(readCached(fd, into, 0), -9);
    assert.throws(() => readCached(fd, into, -1), /a place in the file/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
