/** What may be told to be safe: syncs of a process that was killed before it came to them, and of several at the same time. */
import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { recoverContent } from "../../src/content/recover-content.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { kind, noise, text, value } from "../contract/content-world.ts";
import type { ItemKey } from "../../src/model/ids.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";
import { synced, withHeldSyncs, withoutSyncs } from "./syncs.ts";

const blobPath = (disk: DiskWorld, blob: number): string => join(disk.stateDir, "blobs", String(blob));

for (const [who, asks] of Object.entries({
  "a barrier": (disk) => disk.world.store.barrier(),
  "a program that syncs it": async (disk, node) => {
    const source = disk.content.open(node);
    value(await source.sync());
    await source.close();
  },
  "its push": async (disk, node) => void value(await disk.content.freeze(disk.world.blobOf(node))),
} satisfies Record<string, (disk: DiskWorld, node: ItemKey) => Promise<void>>)) {
  onDisk(
    `what a killed process wrote is synced before ${who} ends: its own sync may not have come to that`,
    {},
    async (disk) => {
      const node = await disk.world.create("one");
      await disk.world.write(node, text("1"));
      const { ino } = fs.statSync(blobPath(disk, disk.world.blobOf(node)));
      const folder = fs.statSync(join(disk.stateDir, "blobs")).ino;
      const all = await synced(async () => {
        await disk.world.restart();
        await asks(disk, node);
      });
      assert.ok(all.has(ino), "it is told that it is safe");
      assert.ok(all.has(folder));
    },
  );
}

onDisk("what a killed process wrote keeps nobody waiting but those who are told that it is safe", {}, async (disk) => {
  const nodes = await Promise.all(Array.from({ length: 20 }, (_, i) => disk.world.create(`file ${i}`)));
  for (const node of nodes) await disk.world.write(node, text("1"));
  await withHeldSyncs(async (letGo) => {
    await disk.world.restart();
    const source = disk.content.open(nodes[0]!);
    assert.equal(value(await source.read(0, 9)).length, 1);
    value(await source.write(0, text("22")));
    disk.world.record(source);
    let told: string[] = [];
    const safe = [
      disk.world.store.barrier().then(() => told.push("barrier")),
      source.sync().then(() => told.push("sync")),
      disk.content.freeze(disk.world.blobOf(nodes[1]!)).then(() => told.push("freeze")),
    ];
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(told, []);
    letGo();
    await Promise.all(safe);
    assert.equal(told.length, 3);
    await source.close();
  });
});

onDisk("bytes of a killed process that the disk does not take now are not pushed", {}, async (disk) => {
  const node = await disk.world.create("one");
  await disk.world.write(node, text("1"));
  const blob = disk.world.blobOf(node);
  const again = async (): Promise<void> => {
    await disk.world.restart();
    await disk.world.store.barrier();
  };
  await withoutSyncs(again, fs.statSync(blobPath(disk, blob)).ino);
  assert.equal(kind(await disk.content.freeze(blob)), "io");
  const source = disk.content.open(node);
  assert.equal(kind(await source.sync()), "io", "who asks whether they are safe hears that they are not");
  value(await source.truncate(0));
  value(await source.write(0, text("all of it anew")));
  value(await source.sync());
  await source.close();
  assert.ok(disk.faults.some((line) => line.includes("did not take unpushed bytes")));
});

onDisk(
  "bytes of a killed process that the disk refused stay refused when the same try fails for more",
  {},
  async (disk) => {
    const node = await disk.world.create("one");
    await disk.world.write(node, text("1"));
    await withoutSyncs(async () => {
      await disk.world.restart();
      await assert.rejects(disk.world.store.barrier());
    });
    await disk.world.store.barrier();
    assert.equal(kind(await disk.content.freeze(disk.world.blobOf(node))), "io");
  },
);

onDisk(
  "bytes of a killed process are synced before a barrier that comes while the start still looks around",
  {},
  async (disk) => {
    const node = await disk.world.create("one");
    await disk.world.write(node, text("1"));
    const { ino } = fs.statSync(blobPath(disk, disk.world.blobOf(node)));
    const { stateDir, cacheDir } = disk;
    const { store } = disk.world;
    await store.barrier();
    const log = { fault: () => undefined, trace: () => undefined };
    const recovering = recoverContent({ store, stateDir, cacheDir, after: "kill", log });
    assert.ok((await synced(() => store.barrier())).has(ino));
    await recovering;
  },
);

onDisk("nothing is made of a killed process's bytes before the disk has taken them", {}, async (disk) => {
  const node = await disk.world.create("one");
  await disk.world.write(node, text("1234"));
  const blob = disk.world.blobOf(node);
  await withHeldSyncs(async (letGo) => {
    await disk.world.restart();
    const freezing = disk.content.freeze(blob);
    const source = disk.content.open(node);
    await new Promise((resolve) => setTimeout(resolve, 20));
    value(await source.write(0, text("x")));
    assert.equal(source.blob, blob, "no copy");
    disk.world.record(source);
    letGo();
    value(await freezing);
    await source.close();
  });
  assert.deepEqual(await disk.world.read(node), text("x234"));
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
