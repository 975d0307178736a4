/**
 * Files that are read through a handle while everything happens to them: pushed, deleted here and in the cloud, evicted, checked, swept.
 * The disk answers late and in another order than it was asked, so that a read comes between any two steps. No read may fail or show
 * other bytes.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import { seededRandom, type Random } from "../../src/base/random.ts";
import type { Source } from "../../src/content/content.ts";
import type { ItemKey } from "../../src/model/ids.ts";
import { changeTrees, viewLocal } from "../../src/store/tree.ts";
import { equal, noise, value } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";

const seeds = Number(process.env["SEEDS"] ?? 12);
const first = Number(process.env["SEED"] ?? 1);

/** While `run` runs, calls that change names and open files take their time. */
async function onLateDisk(random: Random, run: () => Promise<void>): Promise<void> {
  const { link, unlink, rename } = fs.promises;
  const { open, openSync } = fs;
  const late = (): Promise<void> => new Promise((done) => setTimeout(done, random.below(4)));
  const patched = {
    link: (...args: Parameters<typeof link>) => late().then(() => link(...args)),
    unlink: (...args: Parameters<typeof unlink>) => late().then(() => unlink(...args)),
    rename: (...args: Parameters<typeof rename>) => late().then(() => rename(...args)),
  };
  Object.assign(fs.promises, patched);
  fs.open = Object.assign(
    (...args: Parameters<typeof open>) => void late().then(() => (open as (...all: unknown[]) => void)(...args)),
    { __promisify__: open.__promisify__ },
  ) as typeof open;
  // One slow call, and everything goes to the pool from then on.
  fs.openSync = (...args) => {
    for (const until = performance.now() + 15; performance.now() < until;);
    return openSync(...args);
  };
  try {
    await run();
  } finally {
    Object.assign(fs.promises, { link, unlink, rename });
    fs.open = open;
    fs.openSync = openSync;
  }
}

interface Held {
  readonly node: ItemKey;
  readonly bytes: Buffer;
  readonly source: Source;
}

/** Reads until it is told to stop. */
async function reads(held: Held, random: Random, over: { yes: boolean }): Promise<number> {
  let times = 0;
  while (!over.yes) {
    const from = random.below(held.bytes.length);
    const length = random.below(20_000);
    equal(value(await held.source.read(from, length)), held.bytes.subarray(from, from + length));
    times++;
    await new Promise((done) => (random.below(3) === 0 ? setTimeout(done, random.below(3)) : setImmediate(done)));
  }
  return times;
}

/** Gone here: the row of the bytes goes too, unless they are being sent. */
function unlink({ world }: DiskWorld, node: ItemKey, sending: boolean): void {
  const content = viewLocal(world.store.read, node)?.content;
  world.store.transact((tx) => {
    changeTrees(tx, new Map([[node, { local: null }]]));
    if (content?.from === "blob" && !sending) tx.blobs.remove(content.blob);
  });
}

function goneInCloud({ world }: DiskWorld, node: ItemKey): void {
  world.store.transact((tx) => changeTrees(tx, new Map([[node, { mirror: null, local: null }]])));
}

/** One life of a file, with a pause between any two steps. */
async function live(disk: DiskWorld, held: Held, random: Random): Promise<void> {
  const { world, content } = disk;
  const pause = (): Promise<unknown> => new Promise((done) => setTimeout(done, random.below(8)));
  const { node } = held;
  const tidy = async (): Promise<void> => {
    const act = random.below(4);
    if (act === 0) await content.sweep();
    else if (act === 1) await content.verify(new AbortController().signal);
    else if (act === 2) await content.free(node);
    else await world.store.barrier();
  };
  await pause();
  if (random.below(4) === 0) return unlink(disk, node, false);
  const pushing = world.push(world.blobOf(node));
  if (random.below(2) === 0) await pushing;
  await pause();
  await tidy();
  await pushing;
  await pause();
  unlink(disk, node, true);
  await tidy();
  await pause();
  if (content.have(node) === "all" || !content.isOpen(node)) goneInCloud(disk, node);
  await tidy();
}

for (let seed = first; seed < first + seeds; seed++)
  onDisk(
    `B6 what is open is read whole whatever becomes of the file (SEED=${seed})`,
    { cacheSizeBytes: 200_000 },
    async (disk) => {
      const random = seededRandom(`held ${seed}`);
      disk.world.releases = true;
      await onLateDisk(random.split("disk"), async () => {
        const over = { yes: false };
        const files: Held[] = [];
        for (let i = 0; i < 5; i++) {
          const bytes = noise(1 + random.below(150_000), seed * 10 + i);
          const node = await disk.world.create(`f${i}`);
          await disk.world.write(node, bytes);
          files.push({ node, bytes, source: disk.content.open(node) });
        }
        const reading = files.map((held, i) => reads(held, random.split(`reader ${i}`), over));
        await Promise.all(files.map((held, i) => live(disk, held, random.split(`life ${i}`))));
        await new Promise((done) => setTimeout(done, 20));
        await disk.content.sweep();
        over.yes = true;
        assert.ok((await Promise.all(reading)).every((times) => times > 3));
        for (const { source } of files) await source.close();
      });
    },
  );
