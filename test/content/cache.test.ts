/** The cache folder: wiped, truncated, rotten, superseded, full, and found again. */
import assert from "node:assert/strict";
import { promises } from "node:fs";
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { bytesOf } from "../../src/content/cache.ts";
import { identities } from "../../src/content/identity.ts";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import { recoverContent } from "../../src/content/recover-content.ts";
import { copied, type DiskSource, type SourceOwner } from "../../src/content/source.ts";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import { CACHE_ROWS_DELAY_MS, USED_AT_GRAIN_MS } from "../../src/model/limits.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import { changeTrees, newNode } from "../../src/store/tree.ts";
import { equal, noise, text, value } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";
import { withHeldSyncs } from "./syncs.ts";

const MiB = 1024 * 1024;

async function cacheFiles(disk: DiskWorld): Promise<string[]> {
  const names = await readdir(disk.cacheDir, { recursive: true, withFileTypes: true }).catch(() => []);
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** What the rows say in sum, after they were written. */
async function cleanBytes(disk: DiskWorld): Promise<number> {
  const { cleanBytes: said } = await disk.content.use();
  return said;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 300, "it comes true in time");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

onDisk("C6: a wiped cache folder is refetched, closed or open, whole or partial", {}, async (disk) => {
  const small = noise(100_000, 1);
  const large = noise(9 * MiB, 2);
  const [one, two] = [disk.world.cloud("one", small), disk.world.cloud("two", large)];
  value(await disk.content.hydrate(one));
  const open = disk.content.open(two);
  equal(value(await open.read(5 * MiB, 1000)), large.subarray(5 * MiB, 5 * MiB + 1000));
  await rm(disk.cacheDir, { recursive: true });
  equal(await disk.world.read(one), small);
  equal(value(await open.read(5 * MiB, 2000)), large.subarray(5 * MiB, 5 * MiB + 2000));
  equal(value(await open.read(0, 9 * MiB)), large);
  await open.close();
  await rm(disk.cacheDir, { recursive: true, force: true });
  equal(await disk.world.read(two), large);
});

onDisk("a cache file cut short by somebody is refetched, never read as zeros", {}, async (disk) => {
  const bytes = noise(300_000);
  const node = disk.world.cloud("a", bytes);
  const source = disk.content.open(node);
  equal(value(await source.read(0, 300_000)), bytes);
  value(await disk.content.hydrate(node));
  await truncate((await cacheFiles(disk))[0]!, 1000);
  equal(value(await source.read(200_000, 1000)), bytes.subarray(200_000, 201_000));
  value(await disk.content.hydrate(node));
  await source.close();
  await truncate((await cacheFiles(disk))[0]!, 0);
  await disk.world.content.free(node);
  equal(await disk.world.read(node), bytes);
});

onDisk(
  "bytes fetched anew while the ones before go to the disk are verified before anybody sees them",
  {},
  async (disk) => {
    const bytes = noise(50_000);
    const node = disk.world.cloud("a", bytes);
    const source = disk.content.open(node);
    await withHeldSyncs(async (letGo) => {
      equal(value(await source.read(0, 50_000)), bytes);
      await truncate((await cacheFiles(disk))[0]!, 0);
      disk.world.origin.troubles.push({ corrupt: true });
      const read = source.read(0, 50_000);
      await until(() => disk.world.origin.requests.length === 2);
      await new Promise((resolve) => setTimeout(resolve, 20));
      letGo();
      equal(value(await read), bytes);
    });
    assert.equal(disk.world.origin.requests.length, 3);
    value(await disk.content.hydrate(node));
    assert.equal(disk.world.origin.requests.length, 3);
    await source.close();
  },
);

onDisk("a wipe in the middle of a copy for the first write loses nothing", {}, async (disk) => {
  const bytes = noise(2 * MiB);
  const node = disk.world.cloud("a", bytes);
  value(await disk.content.hydrate(node));
  await rm(disk.cacheDir, { recursive: true });
  const source = disk.content.open(node);
  value(await source.write(5, text("edit")));
  bytes.set(text("edit"), 5);
  equal(value(await source.read(0, 3 * MiB)), bytes);
  await source.close();
});

onDisk(
  "C6: a copy of bytes of which a wipe left only some fetches the others, and copies no holes",
  {},
  async (disk) => {
    const bytes = noise(9 * MiB, 3);
    const source = disk.content.open(disk.world.cloud("a", bytes)) as DiskSource;
    // What is left when the bytes were all here, were wiped, and another reader has fetched the two ends since.
    equal(value(await source.read(0, 1000)), bytes.subarray(0, 1000));
    equal(value(await source.read(9 * MiB - 1000, 1000)), bytes.subarray(9 * MiB - 1000));
    const { blobs } = disk.content as unknown as SourceOwner;
    const { shown } = source;
    assert.ok(shown.at === "clean" && shown.file.have === "some");
    const span = [2 * MiB, 7 * MiB] as const;
    const made = value(await copied(blobs, shown, { keep: 9 * MiB, spans: [span] }));
    equal(await blobs.read(made, span[0], span[1] - span[0]), bytes.subarray(...span));
    assert.equal(await shown.file.withBytes([[0, 9 * MiB]], async () => "holes"), undefined);
    await blobs.remove(made.blob);
    await source.close();
  },
);

onDisk("a file closed, opened and closed again while a change waits is let go once", {}, async (disk) => {
  const node = disk.world.cloud("a", noise(1000));
  const first = disk.content.open(node) as DiskSource;
  const { shown } = first;
  assert.ok(shown.at === "clean");
  let go: () => void = () => undefined;
  const change = new Promise<void>((resolve) => (go = resolve));
  const busy = first.inOrder(() => change);
  const closes = [first.close()];
  const second = disk.content.open(node);
  assert.equal(second, first);
  closes.push(second.close());
  go();
  await Promise.all([busy, ...closes]);
  assert.equal(shown.file.sources, 0);
});

onDisk("a row says durable only when the file is complete, verified and under its final name", {}, async (disk) => {
  const bytes = noise(6 * MiB);
  const node = disk.world.cloud("a", bytes);
  const source = disk.content.open(node);
  value(await source.read(0, 1000));
  await until(async () => (await cleanBytes(disk)) > 0);
  const partial = disk.world.store.read.cached.get(node)!;
  assert.equal(partial.durable, false);
  assert.ok((await cacheFiles(disk)).every((path) => path.endsWith(".part")));
  value(await disk.content.hydrate(node));
  await source.close();
  await disk.world.content.close();
  const row = disk.world.store.read.cached.get(node)!;
  assert.deepEqual([row.durable, row.ranges, row.version], [true, [0, 6 * MiB], disk.world.version(node)]);
  const files = await cacheFiles(disk);
  assert.equal(files.length, 1);
  assert.ok(!files[0]!.endsWith(".part"));
  equal(await readFile(files[0]!), bytes);
  const identity = await identities(() => undefined).read(files[0]!);
  const hash = quickXorHash(bytes);
  assert.deepEqual(identity, { node, item: "id-a", version: disk.world.version(node), size: 6 * MiB, hash });
  assert.equal((await stat(files[0]!)).mode & 0o777, 0o600);
});

onDisk("after kill -9 a partial file goes on where it was", {}, async (disk) => {
  const bytes = noise(9 * MiB);
  const node = disk.world.cloud("a", bytes);
  const source = disk.content.open(node);
  value(await source.read(8 * MiB, MiB));
  await cleanBytes(disk);
  await disk.world.restart();
  assert.equal(disk.content.have(node), "some");
  const asked = disk.world.origin.requests.length;
  const again = disk.content.open(node);
  equal(value(await again.read(8 * MiB, 100_000)), bytes.subarray(8 * MiB, 8 * MiB + 100_000));
  assert.equal(disk.world.origin.requests.length, asked);
  equal(value(await again.read(0, 9 * MiB)), bytes);
  await again.close();
});

onDisk("after a power cut partial files go, complete ones stay, also when their row was lost", {}, async (disk) => {
  const [whole, part] = [noise(100_000, 1), noise(9 * MiB, 2)];
  const [one, two] = [disk.world.cloud("one", whole), disk.world.cloud("two", part)];
  const source = disk.content.open(two);
  value(await source.read(0, 1000));
  await cleanBytes(disk);
  await disk.world.store.barrier();
  value(await disk.content.hydrate(one));
  await disk.world.powerCut();
  assert.equal(disk.recovered.at(-1)!.cleanDropped, 1);
  assert.equal(disk.recovered.at(-1)!.cleanAdopted, 1);
  assert.equal(disk.content.have(one), "all");
  assert.equal(disk.content.have(two), "none");
  assert.equal((await cacheFiles(disk)).length, 1);
  disk.content.setOnline(false);
  equal(await disk.world.read(one), whole);
});

onDisk("a lost index: complete files are found again by what they say of themselves", {}, async (disk) => {
  const bytes = noise(100_000);
  value(await disk.content.hydrate(disk.world.cloud("gone", noise(10))));
  const node = disk.world.cloud("a", bytes);
  value(await disk.content.hydrate(node));
  const mirror = disk.world.store.read.mirror.get(node)!;
  await disk.content.close();
  const store = memoryStore();
  const moved = store.transact((tx) => {
    const root = { id: "root", parent: ROOT, name: "", kind: "folder", size: 0, mtime: 0, birth: 0 } as typeof mirror;
    for (let i = 0; i < 5; i++) newNode(tx);
    const other = newNode(tx);
    changeTrees(
      tx,
      new Map([
        [ROOT, { mirror: root }],
        [other, { mirror }],
      ]),
    );
    return other;
  });
  const { stateDir, cacheDir } = disk;
  const log = { fault: () => undefined, trace: () => undefined };
  const recovered = await recoverContent({ store, stateDir, cacheDir, after: "powerCut", log });
  assert.equal(recovered.cleanAdopted, 1);
  assert.equal(store.read.cached.get(moved)!.durable, true);
  assert.equal(recovered.strays.length, 1, "the drive was not read whole: what belongs to nobody known stays");
  assert.equal((await cacheFiles(disk)).length, 2);
  store.transact((tx) => (tx.meta.put("enumerated", true), tx.meta.remove("strays")));
  await recoverContent({ store, stateDir, cacheDir, after: "powerCut", log });
  assert.equal((await cacheFiles(disk)).length, 1);
  equal(await readFile((await cacheFiles(disk))[0]!), bytes);
});

onDisk("the files of a superseded version go when their last reader closes", {}, async (disk) => {
  const node = disk.world.cloud("a", noise(100_000, 1));
  const old = disk.content.open(node);
  value(await old.read(0, 10));
  const second = noise(50_000, 2);
  disk.world.cloud("a", second);
  equal(await disk.world.read(node), second);
  assert.equal((await cacheFiles(disk)).length, 2);
  assert.equal(await cleanBytes(disk), 150_000);
  equal(value(await old.read(0, 100_000)), noise(100_000, 1));
  await old.close();
  await until(async () => (await cacheFiles(disk)).length === 1);
  assert.equal(await cleanBytes(disk), 50_000);
});

const clockOfEviction = manualClock();
onDisk(
  "eviction: longest unused first; never pinned, open or unpushed bytes",
  { cacheSizeBytes: 1_000_000, clock: clockOfEviction },
  async (disk) => {
    const size = 200_000;
    const fetch = async (name: string): Promise<ItemKey> => {
      const node = disk.world.cloud(name, noise(size, name.charCodeAt(0)));
      value(await disk.content.hydrate(node));
      clockOfEviction.advance(2 * USED_AT_GRAIN_MS);
      return node;
    };
    const pinned = await fetch("pinned");
    disk.world.store.transact((tx) => tx.facts.put(pinned, { pin: 1 }));
    const opened = await fetch("opened");
    const source = disk.content.open(opened);
    const [oldest, older] = [await fetch("1"), await fetch("2")];
    const own = await disk.world.create("own");
    await disk.world.write(own, noise(5 * size));
    equal(await disk.world.read(oldest), noise(size, "1".charCodeAt(0)));
    clockOfEviction.advance(2 * USED_AT_GRAIN_MS);
    const third = await fetch("3");
    assert.equal(await cleanBytes(disk), 1_000_000);
    const newest = await fetch("4");
    await until(async () => (await cleanBytes(disk)) <= 1_000_000);
    assert.equal(disk.content.have(older), "none", "the longest unused went");
    for (const node of [pinned, opened, third, newest, own]) assert.equal(disk.content.have(node), "all");
    await fetch("5");
    await fetch("6");
    await until(async () => (await cleanBytes(disk)) <= 1_000_000);
    for (const node of [pinned, opened, own]) assert.equal(disk.content.have(node), "all");
    equal(value(await source.read(0, size)), noise(size, "o".charCodeAt(0)));
    await source.close();
    await until(async () => (await cacheFiles(disk)).length === (await cleanBytes(disk)) / size);
  },
);

onDisk(
  "a folder's pin covers what is in it, unless the file says otherwise",
  { cacheSizeBytes: 250_000, clock: manualClock() },
  async (disk) => {
    disk.world.store.transact((tx) => tx.facts.put(ROOT, { pin: 1 }));
    const [kept, not] = [disk.world.cloud("kept", noise(100_000, 1)), disk.world.cloud("not", noise(100_000, 2))];
    disk.world.store.transact((tx) => tx.facts.put(not, { pin: 0 }));
    value(await disk.content.hydrate(kept));
    value(await disk.content.hydrate(not));
    const third = disk.world.cloud("third", noise(100_000, 3));
    value(await disk.content.hydrate(third));
    await until(() => disk.content.have(not) === "none");
    assert.equal(disk.content.have(kept), "all");
    assert.equal(disk.content.have(third), "all");
  },
);

onDisk(
  "an eviction that the disk refuses stops nothing: reads and writes go on, and it is tried again",
  { cacheSizeBytes: 250_000, clock: manualClock() },
  async (disk) => {
    const real = promises.unlink;
    let refused = 0;
    promises.unlink = async (path) => {
      if (!String(path).startsWith(disk.cacheDir)) return real(path);
      refused++;
      throw Object.assign(new Error("EROFS"), { code: "EROFS" });
    };
    try {
      for (let i = 0; i < 4; i++) value(await disk.content.hydrate(disk.world.cloud(`f${i}`, noise(100_000, i))));
      await until(() => refused > 0);
      const node = await disk.world.create("own");
      await disk.world.write(node, text("bytes"));
      equal(await disk.world.read(node), text("bytes"));
    } finally {
      promises.unlink = real;
    }
    value(await disk.content.hydrate(disk.world.cloud("last", noise(100_000, 9))));
    await until(async () => (await cleanBytes(disk)) <= 250_000);
  },
);

onDisk(
  "an eviction that the end comes upon asks nothing of a closed store",
  { cacheSizeBytes: 100_000 },
  async (disk) => {
    for (let i = 0; i < 10; i++) value(await disk.content.hydrate(disk.world.cloud(`f${i}`, noise(10_000, i))));
    const { store } = disk.world;
    const last = disk.world.cloud("last", noise(90_000, 1));
    value(await disk.content.hydrate(last)); // goes over the limit: nine are to go
    await disk.content.close();
    const transact = store.transact.bind(store);
    const asked: string[] = [];
    store.transact = (change) => (asked.push("a change"), transact(change));
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(asked, []);
  },
);

const clockOfCount = manualClock();
onDisk("the count of clean bytes is that of the rows, whatever happened", { clock: clockOfCount }, async (disk) => {
  const random = seededRandom("count");
  await cleanBytes(disk);
  const nodes = Array.from({ length: 6 }, (_, i) => disk.world.cloud(`f${i}`, noise(50_000 * (i + 1), i)));
  for (let step = 0; step < 120; step++) {
    const i = random.below(nodes.length);
    const node = nodes[i]!;
    const act = random.below(5);
    if (act === 0) value(await disk.content.hydrate(node));
    if (act === 1) await disk.content.free(node);
    if (act === 2) disk.world.cloud(`f${i}`, noise(50_000 * (i + 1), step));
    if (act === 3) {
      const source = disk.content.open(node);
      value(await source.read(random.below(100_000), 5000));
      await source.close();
    }
    if (act === 4) await disk.content.sweep();
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  clockOfCount.advance(CACHE_ROWS_DELAY_MS);
  const said = await cleanBytes(disk);
  await disk.content.close();
  let rows = 0;
  for (const [, row] of disk.world.store.read.cached.range()) rows += bytesOf(row);
  assert.equal(said, rows);
});

onDisk("rows are written many at once, behind the bytes", {}, async (disk) => {
  const node = disk.world.cloud("a", noise(20 * MiB));
  let commits = 0;
  const transact = disk.world.store.transact.bind(disk.world.store);
  Object.assign(disk.world.store, { transact: (change: never) => (commits++, transact(change)) });
  value(await disk.content.hydrate(node));
  // One for each 4 MiB that came, the first and the last words, and one of the clock: not one for each of the hundreds of pieces.
  assert.ok(commits <= 8, `${commits} commits`);
});

onDisk("bytes of a node that the cloud no longer has are swept", {}, async (disk) => {
  const node = disk.world.cloud("a", noise(1000));
  value(await disk.content.hydrate(node));
  await cleanBytes(disk);
  disk.world.store.transact((tx) => changeTrees(tx, new Map([[node, { mirror: null, local: null }]])));
  await disk.content.sweep();
  assert.equal(disk.world.store.read.cached.count, 0);
  assert.deepEqual(await cacheFiles(disk), []);
});

onDisk("a file system without attributes gets a file beside, and a word about it", {}, async (disk) => {
  const words: string[] = [];
  const beside = identities((path) => words.push(path));
  // User attributes are refused on what is not a regular file or folder.
  const { execFileSync } = await import("node:child_process");
  const path = join(disk.root, "fifo");
  execFileSync("mkfifo", [path]);
  const read = beside.read(path);
  assert.equal(await read, undefined);
  await beside.write(path, { node: 7, version: "v" });
  await beside.write(path, { node: 8, version: "v" });
  assert.deepEqual(words, [path]);
  assert.deepEqual(await beside.read(path), { node: 8, version: "v" });
  await beside.forget(path);
  assert.equal(await beside.read(path), undefined);
  await writeFile(`${path}.identity`, "{broken");
  assert.equal(await beside.read(path), undefined);
});
