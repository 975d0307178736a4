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

/**
 * Scenarios of one group run on one mount in this order; each group has a mount of its own. What the drive has there: 100 folders of 100 files,
 * one folder of 10,000, nothing, one large file.
 */
export type Group = "tree" | "flat" | "files" | "bytes";

export interface Scenario {
  readonly name: string;
  readonly group?: Group;
  /** Work done in the folder before the clock runs. */
  prepare?(contender: Contender, sim: Sim): Promise<void>;
  measure(contender: Contender, sim: Sim): Promise<number>;
}

const MIB = 1024 * 1024;
const FORGOTTEN = "cold: known to the mount, not to the kernel";
export const LARGE_MIB = Number(process.env["BENCH_LARGE_MIB"] ?? 256);
const FILES = 5_000;
const RENAMES = 1_000;
const READERS = 4;

/** A large file that the mount has nothing of. */
export const COLD_FILE = "cold/large.bin";

/** The kernel is made to forget names and attributes by a remount, which is for root. */
const canForget = process.geteuid?.() === 0;

const all: readonly Scenario[] = [
  ...looks("tree", "find -printf %s, 10k files in 100 folders", (c) =>
    program("find", join(c.dir, "tree"), "-printf", "%s\n"),
  ),
  { name: "stat, 5,000 different files", group: "tree", measure: (c) => timed(() => statMany(c.dir)) },
  ...looks("flat", "ls -l, 10k files in one folder", (c) => program("ls", "-l", join(c.dir, "flat"))),
  { name: `create ${FILES} files of 1 KiB`, group: "files", measure: (c) => timed(() => createSmall(small(c), FILES)) },
  {
    name: `rename ${RENAMES} files`,
    group: "files",
    prepare: hasSmall,
    measure: (c) => timed(() => renameAll(small(c))),
  },
  {
    name: `delete ${FILES} files`,
    group: "files",
    prepare: hasSmall,
    measure: (c) => timed(() => deleteAll(small(c))),
  },
  { name: "mkdir, 1,000 folders", group: "files", measure: (c) => timed(() => makeFolders(join(c.dir, c.own))) },
  {
    name: `write ${LARGE_MIB} MiB in sequence (300 MB/s: ${Math.round((LARGE_MIB * MIB) / 300_000)} ms)`,
    group: "bytes",
    measure: (c) => timed(() => writeLarge(large(c))),
  },
  ...reads("in the kernel's memory", hasLarge),
  ...reads("not in the kernel's memory", hasLargeOnDisk),
  {
    name: `read ${LARGE_MIB} MiB in sequence, cold`,
    group: "bytes",
    measure: (c) => timed(() => readLarge(join(c.dir, COLD_FILE))),
  },
];

export const scenarios = all.filter(({ name }) => canForget || !name.includes(FORGOTTEN));

/** The first time, then with a kernel that knows nothing and a mount that knows all, then again. */
function looks(group: Group, name: string, work: (c: Contender) => Promise<void>): Scenario[] {
  const measure = (c: Contender): Promise<number> => timed(() => work(c));
  const forgotten = async (c: Contender): Promise<void> => {
    await work(c);
    await forget(c);
  };
  return [
    { name: `${name}, first after the mount began`, group, measure },
    { name: `${name}, ${FORGOTTEN}`, group, prepare: forgotten, measure },
    { name: `${name}, warm`, group, prepare: work, measure },
  ];
}

/** Of bytes that are on this machine. */
function reads(where: string, prepare: (c: Contender) => Promise<void>): Scenario[] {
  const group = "bytes";
  return [
    {
      name: `read ${LARGE_MIB} MiB in sequence, ${where}`,
      group,
      prepare,
      measure: (c) => timed(() => readLarge(large(c))),
    },
    {
      name: `read ${LARGE_MIB} MiB, ${READERS} readers a part each, ${where}`,
      group,
      prepare,
      measure: (c) => timed(() => readInParallel(large(c))),
    },
    {
      name: `read 4 KiB at random, 5,000 times, ${where}`,
      group,
      prepare,
      measure: (c) => timed(() => readRandom(large(c))),
    },
  ];
}

const small = (c: Contender): string => join(c.dir, c.own, "small");
const large = (c: Contender): string => join(c.dir, c.own, "large.bin");

/** The large file is there, also when only the lines that read it were asked for. */
async function hasLarge(c: Contender): Promise<void> {
  if (!existsSync(large(c))) writeLarge(large(c));
}

async function hasLargeOnDisk(c: Contender): Promise<void> {
  await hasLarge(c);
  await program("dd", `if=${large(c)}`, "iflag=nocache", "count=0", "status=none"); // drops what is cached of all of it
}

async function hasSmall(c: Contender): Promise<void> {
  if (!existsSync(small(c))) createSmall(small(c), FILES);
}

/** The kernel drops all names and attributes of this one filesystem that nobody uses, and tells the mount. */
export async function forget({ mountpoint }: Pick<Contender, "mountpoint">): Promise<void> {
  if (mountpoint !== undefined) await program("mount", "-i", "-o", "remount", mountpoint);
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

/** Each its own part, as programs of their own. */
async function readInParallel(path: string): Promise<void> {
  const part = LARGE_MIB / READERS;
  const reader = (i: number): Promise<void> =>
    program("dd", `if=${path}`, "of=/dev/null", "bs=1M", `skip=${i * part}`, `count=${part}`, "status=none");
  await Promise.all(Array.from({ length: READERS }, (_, i) => reader(i)));
}

function renameAll(dir: string): void {
  for (const name of readdirSync(dir).slice(0, RENAMES)) renameSync(join(dir, name), join(dir, `${name}.renamed`));
}

function makeFolders(dir: string): void {
  for (let i = 0; i < 1_000; i++) mkdirSync(join(dir, `folder-${i}`));
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
