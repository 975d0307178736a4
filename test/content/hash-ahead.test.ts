/** Large unpushed files are hashed in their time of rest, and no digest outlives the bytes it is of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { BlobFile, type Blobs } from "../../src/content/blobs.ts";
import { HashAhead } from "../../src/content/hash-ahead.ts";
import type { Digest } from "../../src/content/hash.ts";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import { blobId } from "../../src/model/ids.ts";
import { HASH_AHEAD_BYTES_MIN, HASH_AHEAD_DELAY_MS } from "../../src/model/limits.ts";
import { noise, text, value } from "../contract/content-world.ts";
import { onDisk } from "./disk-world.ts";

test("B10 a large file is hashed once ahead of its push, and only for the bytes it has then", async () => {
  const clock = manualClock();
  let asked = 0;
  const digest = async (_fd: number, length: number): Promise<Digest> => ({ length, hash: `${++asked}`, sha256: "" });
  const ahead = new HashAhead({
    clock,
    blobs: { withBytes: (_file: BlobFile, task: (fd: number) => Promise<Digest>) => task(0) } as unknown as Blobs,
    hasher: { digest, close: async () => undefined },
  });
  const file = new BlobFile(blobId(1), "/nowhere", HASH_AHEAD_BYTES_MIN, false);
  const small = new BlobFile(blobId(2), "/nowhere", HASH_AHEAD_BYTES_MIN - 1, false);
  for (const each of [file, small]) ahead.closed(each);
  assert.equal(ahead.take(file), undefined, "not before it was left alone for a while");
  clock.advance(HASH_AHEAD_DELAY_MS);
  assert.equal(ahead.take(small), undefined);
  assert.equal((await ahead.take(file))?.hash, "1");
  file.changes++;
  assert.equal(ahead.take(file), undefined, "it has other bytes now");
  ahead.closed(file);
  clock.advance(HASH_AHEAD_DELAY_MS);
  assert.equal(ahead.take(file), undefined, "one that changes again and again costs one hash");
  const changing = new BlobFile(blobId(3), "/nowhere", HASH_AHEAD_BYTES_MIN, false);
  ahead.closed(changing);
  changing.changes++;
  clock.advance(HASH_AHEAD_DELAY_MS);
  assert.equal(asked, 1, "it was written to in its time of rest");
  ahead.closed(changing);
  ahead.end();
  clock.advance(HASH_AHEAD_DELAY_MS);
  assert.equal(asked, 1, "nothing begins after the end");
});

const clockOfAhead = manualClock();
onDisk(
  "B10 what was hashed ahead is frozen, and later bytes with their own hash",
  { clock: clockOfAhead },
  async (disk) => {
    const node = await disk.world.create("a");
    await disk.world.write(node, noise(2_000_000, 1));
    clockOfAhead.advance(HASH_AHEAD_DELAY_MS);
    const first = value(await disk.content.freeze(disk.world.blobOf(node)));
    assert.equal(first.hash, quickXorHash(noise(2_000_000, 1)));
    const other = await disk.world.create("b");
    await disk.world.write(other, noise(2_000_000, 1));
    clockOfAhead.advance(HASH_AHEAD_DELAY_MS);
    const source = disk.content.open(other);
    value(await source.write(1_500_000, text("changed while it is hashed")));
    await source.close();
    const bytes = Buffer.from(noise(2_000_000, 1));
    bytes.write("changed while it is hashed", 1_500_000);
    assert.equal(value(await disk.content.freeze(disk.world.blobOf(other))).hash, quickXorHash(bytes));
  },
);
