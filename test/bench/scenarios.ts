/**
 * What is measured. Each scenario gives milliseconds of the same work in a folder; the clock runs in this process, the filesystem in
 * another. `cold` scenarios run on a fresh mount with empty caches of its own.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { seededRandom } from "../../src/base/random.ts";
import { run } from "../support/mount-process.ts";
import type { Sim } from "../support/sim-process.ts";
import type { Contender } from "./contenders.ts";

export interface Scenario {
  readonly name: string;
  /** What of the seeded drive it is about: 100 folders of 100 files, one folder of 10,000, one large file. */
  readonly needs?: "tree" | "flat" | "cold";
  /** Work done in the folder before the clock runs. */
  prepare?(contender: Contender, sim: Sim): Promise<void>;
  measure(contender: Contender, sim: Sim): Promise<number>;
}

const MIB = 1024 * 1024;
export const LARGE_MIB = Number(process.env["BENCH_LARGE_MIB"] ?? 256);

/** A large file that the mount has nothing of. */
export const COLD_FILE = "cold/large.bin";

/** On one mount, in this order: the first `find` and the first read are the cold ones. */
export const scenarios: readonly Scenario[] = [
  {
    name: "find -printf %s, 10k files in 100 folders, cold",
    needs: "tree",
    measure: (c) => timed(() => program("find", join(c.dir, "tree"), "-printf", "%s\n")),
  },
  {
    name: "find -printf %s, 10k files, warm",
    needs: "tree",
    measure: (c) => timed(() => program("find", join(c.dir, "tree"), "-printf", "%s\n")),
  },
  {
    name: "ls -l, 10k files in one folder, cold",
    needs: "flat",
    measure: (c) => timed(() => program("ls", "-l", join(c.dir, "flat"))),
  },
  {
    name: "ls -l, 10k files in one folder, warm",
    needs: "flat",
    measure: (c) => timed(() => program("ls", "-l", join(c.dir, "flat"))),
  },
  { name: "stat, 5,000 different files", needs: "tree", measure: (c) => timed(() => statMany(c.dir)) },
  {
    name: `write ${LARGE_MIB} MiB in sequence (300 MB/s: ${Math.round((LARGE_MIB * MIB) / 300_000)} ms)`,
    measure: (c) => timed(() => writeLarge(large(c))),
  },
  { name: `read ${LARGE_MIB} MiB in sequence, warm`, prepare: has, measure: (c) => timed(() => readLarge(large(c))) },
  { name: "read 4 KiB at random, 5,000 times", prepare: has, measure: (c) => timed(() => readRandom(large(c))) },
  {
    name: `read ${LARGE_MIB} MiB in sequence, cold`,
    needs: "cold",
    measure: (c) => timed(() => readLarge(join(c.dir, COLD_FILE))),
  },
  { name: "create 2,000 files of 1 KiB", measure: (c) => timed(() => createSmall(small(c), 2_000)) },
  {
    name: "delete 2,000 files",
    prepare: async (c) => void (existsSync(small(c)) || createSmall(small(c), 2_000)),
    measure: (c) => timed(() => deleteAll(small(c))),
  },
];

const small = (c: Contender): string => join(c.dir, c.own, "small");
const large = (c: Contender): string => join(c.dir, c.own, "large.bin");

/** The large file is there, also when only the lines that read it were asked for. */
async function has(c: Contender): Promise<void> {
  if (!existsSync(large(c))) writeLarge(large(c));
}

export const mountTime = "from the start of the program to an answer of the mount";

/** Apart, at 20 ms latency: until many new small files are all in the cloud. */
export const pushScenario = push(1_000, 10);
export const manyScenario = push(Number(process.env["BENCH_MANY"] ?? 10_000), 100);

/** Apart: a folder of 10,000 files gets another name, until the cloud has it. */
export const RENAMED_FILES = 10_000;
export const renameScenario: Scenario = {
  name: `a folder of ${RENAMED_FILES} files renamed until the cloud has it, 20 ms latency`,
  async measure(contender, sim) {
    const [folder] = readdirSync(contender.dir).filter((name) => name.startsWith("dir-"));
    const began = performance.now();
    renameSync(join(contender.dir, folder!), join(contender.dir, "renamed"));
    await contender.pushed(sim, RENAMED_FILES, "renamed");
    return performance.now() - began;
  },
};

function push(files: number, folders: number): Scenario {
  return {
    name: `${files} new files in ${folders} folders until all are in the cloud, 20 ms latency`,
    async measure(contender, sim) {
      const began = performance.now();
      for (let i = 0; i < folders; i++) createSmall(join(contender.dir, "push", `d${i}`), files / folders);
      await contender.pushed(sim, files, "push");
      return performance.now() - began;
    },
  };
}

/** Apart: from the start of the mount program to the first listing of a drive of 100,000 items. */
export const firstListing = "first ls of the root of 100k items, from the start of the program";

async function timed(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function program(name: string, ...args: string[]): Promise<void> {
  const ran = await run(name, args, { ...process.env, LC_ALL: "C" });
  if (ran.code !== 0) throw new Error(`${name}: ${ran.err}`);
}

function statMany(dir: string): void {
  for (const folder of readdirSync(join(dir, "tree")).slice(0, 50)) {
    for (const name of readdirSync(join(dir, "tree", folder))) statSync(join(dir, "tree", folder, name));
  }
}

function writeLarge(path: string): void {
  const block = randomBytes(MIB);
  const file = openSync(path, "w");
  for (let i = 0; i < LARGE_MIB; i++) writeSync(file, block);
  closeSync(file);
}

function readLarge(path: string): void {
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(MIB);
  let total = 0;
  for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) total += read;
  if (total !== LARGE_MIB * MIB) throw new Error(`${path}: ${total} bytes`);
  closeSync(file);
}

function readRandom(path: string): void {
  const random = seededRandom("bench");
  const file = openSync(path, "r");
  const blocks = Math.floor(fstatSync(file).size / 4096);
  const buffer = Buffer.alloc(4096);
  for (let i = 0; i < 5_000; i++) readSync(file, buffer, 0, 4096, random.below(blocks) * 4096);
  closeSync(file);
}

function createSmall(dir: string, files: number): void {
  mkdirSync(dir, { recursive: true });
  for (let i = 0; i < files; i++) writeFileSync(join(dir, `file-${i}`), randomBytes(1024));
}

function deleteAll(dir: string): void {
  for (const name of readdirSync(dir)) unlinkSync(join(dir, name));
  rmSync(dir, { recursive: true });
}
