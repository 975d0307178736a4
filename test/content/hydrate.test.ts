/** Bytes from the cloud: what is asked for, when it is tried again, and when not. */
import assert from "node:assert/strict";
import { manualClock } from "../../src/base/clock.ts";
import type { ItemKey } from "../../src/model/ids.ts";
import {
  BEGINNING_FETCH_BYTES,
  FIRST_FETCH_BYTES,
  HYDRATE_RANGE_BYTES,
  READ_AHEAD_BYTES,
  WRONG_BYTES_WAIT_MS,
} from "../../src/model/limits.ts";
import { equal, kind, noise, text, value } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";

const MiB = 1024 * 1024;

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 500, "it comes true in time");
    await soon();
  }
}

/** A file in the cloud that hashes as it should, and its bytes. */
function large(disk: DiskWorld, size: number): { node: ItemKey; bytes: Buffer } {
  const bytes = noise(size, size);
  return { node: disk.world.cloud(`large${size}`, bytes), bytes };
}

onDisk("the first read of a large file fetches little; a sequential reader is fetched ahead", {}, async (disk) => {
  const { node, bytes } = large(disk, 40 * MiB);
  const { requests } = disk.world.origin;
  const source = disk.content.open(node);
  equal(value(await source.read(0, 65_536)), bytes.subarray(0, 65_536));
  assert.deepEqual([requests.length, requests[0]!.start, requests[0]!.end], [1, 0, FIRST_FETCH_BYTES]);
  for (let at = 65_536; at < MiB; at += 65_536)
    equal(value(await source.read(at, 65_536)), bytes.subarray(at, at + 65_536));
  const asked = requests.reduce((sum, { start, end }) => sum + end - start, 0);
  assert.ok(asked <= 1.5 * MiB, `reading the first MiB asked for ${asked} bytes`);
  for (let at = MiB; at < 6 * MiB; at += 131_072)
    equal(value(await source.read(at, 131_072)), bytes.subarray(at, at + 131_072));
  await until(() => requests.some(({ end }) => end >= 6 * MiB + READ_AHEAD_BYTES / 2));
  assert.equal(disk.content.have(node), "some");
  await source.close();
});

onDisk("the beginning of a very large file comes in one request, nothing else of it does", {}, async (disk) => {
  const { node, bytes } = large(disk, 65 * MiB);
  const source = disk.content.open(node);
  for (let at = 0; at < MiB; at += 65_536) equal(value(await source.read(at, 65_536)), bytes.subarray(at, at + 65_536));
  equal(value(await source.read(50 * MiB, 10)), bytes.subarray(50 * MiB, 50 * MiB + 10));
  await source.close();
  const asked = disk.world.origin.requests.map(({ start, end }) => [start, end - start]);
  assert.deepEqual(asked, [
    [0, BEGINNING_FETCH_BYTES],
    [50 * MiB, FIRST_FETCH_BYTES],
  ]);
});

onDisk("reads far apart fetch only around themselves", {}, async (disk) => {
  const { node, bytes } = large(disk, 40 * MiB);
  const source = disk.content.open(node);
  for (const at of [30 * MiB + 5, 3 * MiB, 20 * MiB + 77])
    equal(value(await source.read(at, 100)), bytes.subarray(at, at + 100));
  await source.close();
  const asked = disk.world.origin.requests.reduce((sum, { start, end }) => sum + end - start, 0);
  assert.ok(asked <= 3 * (FIRST_FETCH_BYTES + 65_536), `asked for ${asked} bytes`);
});

onDisk("many readers of one range cost one request", {}, async (disk) => {
  const { node, bytes } = large(disk, 2 * MiB);
  const source = disk.content.open(node);
  disk.world.origin.hold();
  const reads = Array.from({ length: 20 }, (_, i) => source.read(i * 1000, 5000));
  await until(() => disk.world.origin.requests.length > 0);
  disk.world.origin.release();
  for (const [i, read] of reads.entries()) equal(value(await read), bytes.subarray(i * 1000, i * 1000 + 5000));
  assert.equal(disk.world.origin.requests.length, 1);
  await source.close();
});

onDisk("a waiting read gets its bytes as they arrive, before the range is complete", {}, async (disk) => {
  const { node, bytes } = large(disk, 20 * MiB);
  const fetching = disk.content.hydrate(node);
  const source = disk.content.open(node);
  equal(value(await source.read(19 * MiB, 1000)), bytes.subarray(19 * MiB, 19 * MiB + 1000));
  value(await fetching);
  assert.ok(disk.world.origin.requests.length > 1);
  const twice = disk.world.origin.requests.reduce((sum, { sent }) => sum + sent, 0);
  assert.ok(twice < 21 * MiB, `nothing came twice (${twice} bytes sent)`);
  await source.close();
});

onDisk("cut bodies, with a word or without, are resumed where they ended", {}, async (disk) => {
  const { node, bytes } = large(disk, 300_000);
  disk.world.origin.troubles.push({ cutAfter: 70_000 }, { cutAfter: 100_000, silent: true }, { cutAfter: 0 });
  equal(await disk.world.read(node), bytes);
  assert.deepEqual(
    disk.world.origin.requests.map(({ start }) => start),
    [0, 70_000, 170_000, 170_000],
  );
});

onDisk("what passes is tried again", {}, async (disk) => {
  const { node, bytes } = large(disk, 1000);
  disk.world.origin.troubles.push({ fault: "throttled", retryAfterMs: 20 }, { fault: "unavailable" });
  equal(await disk.world.read(node), bytes);
});

onDisk("what does not pass is told at once", {}, async (disk) => {
  const { node } = large(disk, 1000);
  disk.world.origin.troubles.push({ fault: "denied" });
  const source = disk.content.open(node);
  assert.equal(kind(await source.read(0, 10)), "denied");
  await source.close();
});

onDisk("wrong bytes are dropped and fetched once more; a small file never shows them", {}, async (disk) => {
  const { node, bytes } = large(disk, 100_000);
  disk.world.origin.troubles.push({ corrupt: true });
  equal(await disk.world.read(node), bytes);
  assert.equal(disk.world.origin.requests.length, 2);
  assert.deepEqual(disk.faults, []);
});

const clockOfWrongBytes = manualClock();
onDisk(
  "bytes that come wrong twice, differently, are a fault; later it is tried again",
  { clock: clockOfWrongBytes },
  async (disk) => {
    const bytes = noise(100_000);
    const node = disk.world.cloud("a", bytes);
    disk.world.origin.troubles.push({ corrupt: true }, { cutAfter: 60_001 }, { corrupt: true });
    const source = disk.content.open(node);
    assert.equal(kind(await source.read(0, 10)), "io");
    assert.equal(disk.faults.length, 1);
    const asked = disk.world.origin.requests.length;
    assert.equal(kind(await source.read(0, 10)), "io");
    assert.equal(disk.world.origin.requests.length, asked, "not tried again at once");
    clockOfWrongBytes.advance(WRONG_BYTES_WAIT_MS);
    equal(value(await source.read(0, 10)), bytes.subarray(0, 10));
    await source.close();
  },
);

onDisk("a photo whose hash is wrong is believed the second time, with a log line", {}, async (disk) => {
  const bytes = noise(100_000);
  const node = disk.world.cloud("photo.heic", bytes, { hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAE=" });
  equal(await disk.world.read(node), bytes);
  assert.equal(disk.world.origin.requests.length, 2);
  assert.equal(disk.faults.length, 1);
  assert.equal(disk.content.have(node), "all");
});

const clockOfPlainFile = manualClock();
onDisk(
  "a plain file whose bytes never match its hash is never shown, and is not fetched for ever",
  { clock: clockOfPlainFile },
  async (disk) => {
    const { requests } = disk.world.origin;
    const node = disk.world.cloud("plain.bin", noise(100_000), { hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAE=" });
    const tries = async (): Promise<number> => {
      const before = requests.length;
      for (let times = 0; times < 3; times++) {
        const source = disk.content.open(node);
        assert.equal(kind(await source.read(0, 10)), "io");
        await source.close();
        assert.equal(kind(await disk.content.hydrate(node)), "io");
      }
      return requests.length - before;
    };
    assert.equal(await tries(), 2, "fetched once more, then left alone, whoever opens it");
    assert.equal(disk.content.have(node), "none");
    for (const wait of [1, 4, 16]) {
      clockOfPlainFile.advance(wait * WRONG_BYTES_WAIT_MS - 1);
      assert.equal(await tries(), 0);
      clockOfPlainFile.advance(1);
      assert.equal(await tries(), 1);
    }
    assert.match(disk.faults.join(), /does not match the hash/);
    const bytes = noise(50_000, 2);
    disk.world.cloud("plain.bin", bytes);
    equal(await disk.world.read(node), bytes);
  },
);

for (const said of [90_000, 110_000, 9 * MiB])
  onDisk(`a service that says ${said} bytes and sends 100,000 is believed what it sends`, {}, async (disk) => {
    const bytes = noise(100_000);
    const node = disk.world.cloud("photo.heic", bytes, { hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAE=", size: said });
    const source = disk.content.open(node);
    equal(value(await source.read(0, 200_000)), bytes);
    assert.equal(source.size, 100_000);
    equal(value(await source.read(80_000, 200_000)), bytes.subarray(80_000));
    value(await source.write(0, text("x")));
    assert.equal(source.size, 100_000);
    await source.close();
    assert.equal(
      disk.faults.length,
      disk.faults.filter((line) => line.includes("length") || line.includes("hash")).length,
    );
    assert.ok(disk.faults.length > 0);
  });

for (const said of [90_000, 110_000, 9 * MiB])
  onDisk(`a plain file of ${said} bytes is never read as another length`, {}, async (disk) => {
    const bytes = noise(100_000);
    const source = disk.content.open(disk.world.cloud("pack.idx", bytes, { size: said }));
    assert.equal(kind(await source.read(0, 200_000)), "stale");
    assert.equal(source.size, said);
    assert.deepEqual([...new Set(disk.stale)], [source.node], "the puller looks what the cloud has");
    assert.equal(kind(await source.write(5, text("x"))), "stale");
    await source.close();
  });

onDisk("a range refused with 416 becomes one request for all", {}, async (disk) => {
  const { node, bytes } = large(disk, 3 * MiB);
  const source = disk.content.open(node);
  disk.world.origin.troubles.push({ fault: "rangeUnsatisfied" });
  equal(value(await source.read(2 * MiB, 1000)), bytes.subarray(2 * MiB, 2 * MiB + 1000));
  equal(value(await source.read(MiB, 1000)), bytes.subarray(MiB, MiB + 1000));
  await source.close();
  assert.deepEqual(
    disk.world.origin.requests.slice(1).map(({ start, end }) => [start, end]),
    [[0, 3 * MiB]],
  );
});

onDisk("a service that sends everything instead of a range is read through", {}, async (disk) => {
  const { node, bytes } = large(disk, 3 * MiB);
  const source = disk.content.open(node);
  disk.world.origin.troubles.push({ whole: true });
  equal(value(await source.read(2 * MiB, 1000)), bytes.subarray(2 * MiB, 2 * MiB + 1000));
  await until(() => disk.content.have(node) === "all");
  equal(value(await source.read(0, 4 * MiB)), bytes);
  assert.equal(disk.world.origin.requests.length, 1);
  await source.close();
});

onDisk("bytes beyond the promised end are not taken", {}, async (disk) => {
  const { node, bytes } = large(disk, 10_000);
  disk.world.origin.troubles.push({ extra: 5000 });
  equal(await disk.world.read(node), bytes);
  assert.deepEqual(disk.faults, []);
});

onDisk("a change in the middle of a download never mixes versions", {}, async (disk) => {
  const first = noise(12 * MiB, 1);
  const node = disk.world.cloud("a", first);
  const source = disk.content.open(node);
  equal(value(await source.read(0, 1000)), first.subarray(0, 1000));
  const second = noise(12 * MiB, 2);
  disk.world.cloud("a", second);
  assert.equal(kind(await source.read(8 * MiB, 1000)), "stale");
  assert.deepEqual(disk.stale, [node]);
  equal(value(await source.read(0, 1000)), first.subarray(0, 1000));
  const now = disk.content.open(node);
  equal(value(await now.read(8 * MiB, 1000)), second.subarray(8 * MiB, 8 * MiB + 1000));
  await now.close();
  await source.close();
});

const clockOfDeadline = manualClock();
onDisk("a read waits no longer than its deadline", { clock: clockOfDeadline, readTimeoutMs: 60_000 }, async (disk) => {
  const { node, bytes } = large(disk, MiB);
  disk.world.origin.hold();
  const source = disk.content.open(node);
  const read = source.read(0, 10);
  await until(() => disk.world.origin.requests.length === 1);
  clockOfDeadline.advance(60_000);
  assert.equal(kind(await read), "timedOut");
  await until(() => disk.world.origin.requests[0]!.aborted);
  disk.world.origin.release();
  equal(value(await source.read(0, 10)), bytes.subarray(0, 10));
  await source.close();
});

onDisk("a read that is given up ends at once, and the download with it when nobody else waits", {}, async (disk) => {
  const { node, bytes } = large(disk, MiB);
  disk.world.origin.hold();
  const source = disk.content.open(node);
  const [one, two] = [new AbortController(), new AbortController()];
  const [first, second] = [source.read(0, 10, one.signal), source.read(5, 10, two.signal)];
  await until(() => disk.world.origin.requests.length === 1);
  one.abort();
  assert.equal(kind(await first), "interrupted");
  await soon();
  assert.equal(disk.world.origin.requests[0]!.aborted, false);
  two.abort();
  assert.equal(kind(await second), "interrupted");
  await until(() => disk.world.origin.requests[0]!.aborted);
  disk.world.origin.release();
  equal(value(await source.read(0, 10)), bytes.subarray(0, 10));
  await source.close();
});

onDisk("the last close ends what was fetched ahead", {}, async (disk) => {
  const { node } = large(disk, 40 * MiB);
  const source = disk.content.open(node);
  for (let at = 0; at < 2 * MiB; at += 131_072) value(await source.read(at, 131_072));
  disk.world.origin.hold();
  await source.close();
  await until(() => disk.world.origin.requests.every(({ over }) => over));
  disk.world.origin.release();
  const asked = disk.world.origin.requests.length;
  await soon();
  assert.equal(disk.world.origin.requests.length, asked);
});

onDisk("when the network goes, waiting reads end at once", {}, async (disk) => {
  const { node, bytes } = large(disk, MiB);
  disk.world.origin.hold();
  const source = disk.content.open(node);
  const read = source.read(0, 10);
  await until(() => disk.world.origin.requests.length === 1);
  disk.content.setOnline(false);
  assert.equal(kind(await read), "offline");
  disk.world.origin.release();
  disk.content.setOnline(true);
  equal(value(await source.read(0, 10)), bytes.subarray(0, 10));
  await source.close();
});

onDisk("at most DOWNLOADS_MAX requests run at once, waiting reads before whole files", {}, async (disk) => {
  disk.world.origin.hold();
  const pins = Array.from({ length: 5 }, (_, i) =>
    disk.content.hydrate(disk.world.cloud(`pin${i}`, noise(4 * HYDRATE_RANGE_BYTES, i))),
  );
  await until(() => disk.world.origin.requests.length === 8);
  const { node, bytes } = large(disk, 1000);
  const read = disk.world.read(node);
  await soon();
  assert.equal(disk.world.origin.requests.length, 8);
  disk.world.origin.release();
  equal(await read, bytes);
  assert.equal(
    disk.world.origin.requests.findIndex(({ end }) => end === 1000),
    8,
    "the read came next",
  );
  for (const pin of pins) value(await pin);
});

onDisk("a small write into a large file that is not here fetches only what is kept", {}, async (disk) => {
  const { node, bytes } = large(disk, 12 * MiB);
  const source = disk.content.open(node);
  value(await source.truncate(100_000));
  equal(value(await source.read(0, 200_000)), bytes.subarray(0, 100_000));
  const asked = disk.world.origin.requests.reduce((sum, { start, end }) => sum + end - start, 0);
  assert.ok(asked < 200_000, `asked for ${asked}`);
  await source.close();
});
