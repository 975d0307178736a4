/**
 * The process that kill.test.ts kills: `killed-writer.ts ROOT SEED FIRST` carries out the acts of `actsOf` from number FIRST on and prints
 * a line for each one that was answered. Everything follows from the seed, so the parent knows what must be there.
 */
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Store } from "../../src/store/store.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import { viewLocal } from "../../src/store/tree.ts";
import { noise, value } from "../contract/content-world.ts";
import { diskWorld, type DiskWorld } from "./disk-world.ts";

export interface Act {
  readonly act: "write" | "cut" | "freeze" | "hydrate" | "barrier";
  readonly file: number;
  readonly at: number;
  readonly length: number;
}

/** Files 0..3 are in the cloud, 4 and 5 were born here. */
export const CLOUD_SIZES = [600_000, 5_000_000, 20_000, 0];
export const FILES = CLOUD_SIZES.length + 2;

export function actOf(seed: string, number: number): Act {
  const random = seededRandom(`${seed}/${number}`);
  const act = random.pick(["write", "write", "write", "write", "cut", "freeze", "hydrate", "barrier"] as const);
  const length = random.below(4) === 0 ? 1_000_000 : random.below(30_000);
  return { act, file: random.below(FILES), at: random.below(700_000), length };
}

export async function openWorld(root: string, after: "clean" | "kill"): Promise<{ disk: DiskWorld; store: Store }> {
  const opened = await openLmdbStore({ dir: `${root}/store`, bootId: "the same boot", clock: systemClock });
  if (!opened.ok) throw new Error(opened.fault.why);
  const store = opened.value.store;
  const disk = await diskWorld({ root, store, after });
  return { disk, store };
}

export async function prepare(root: string): Promise<void> {
  const { disk, store } = await openWorld(root, "clean");
  CLOUD_SIZES.forEach((size, i) => disk.world.cloud(`f${i}`, noise(size, i)));
  for (let i = CLOUD_SIZES.length; i < FILES; i++) await disk.world.create(`f${i}`);
  await disk.world.dispose();
  await store.close();
}

async function carryOut(disk: DiskWorld, { act, file, at, length }: Act): Promise<void> {
  CLOUD_SIZES.forEach((size, i) => disk.world.origin.put(`id-f${i}` as never, `"c:f${i},1"`, noise(size, i)));
  const node = 2 + file;
  const source = disk.content.open(node as never);
  if (act === "write") value(await source.write(at, noise(length, at)));
  if (act === "cut") value(await source.truncate(at));
  if (act === "hydrate") value(await disk.content.hydrate(node as never));
  if (act === "barrier") await disk.world.store.barrier();
  const content = viewLocal(disk.world.store.read, node as never)!.content;
  if (act === "freeze" && content.from === "blob") value(await disk.content.freeze(content.blob));
  // Half of the files are never closed: their length is only in the file.
  if (file % 2 === 0) disk.world.record(source);
  await source.close();
}

async function main([root, seed, first]: readonly string[]): Promise<void> {
  setInterval(() => undefined, 1000);
  const { disk } = await openWorld(root!, first === "0" ? "clean" : "kill");
  for (let number = Number(first); ; number++) {
    await carryOut(disk, actOf(seed!, number));
    process.stdout.write(`${number}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
