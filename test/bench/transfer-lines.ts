/**
 * Large files on a line of a known width (LINE_BYTES_PER_SECOND, 20 ms away), so that milliseconds can be compared with what the line
 * alone would take, and how much memory they cost; and how fast bytes are hashed before they go.
 *
 * On this line a sequential read of a large file cannot be twice as fast as rclone's, which fills the line too: latency counts where files
 * are begun (first byte, first MiB, files of 1 MiB) and where reads are far apart.
 */
import { closeSync, openSync, readSync, readdirSync, rmSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../../src/base/random.ts";
import { hasher } from "../../src/content/hash.ts";
import { run } from "../support/mount-process.ts";
import type { Sim, SimRequest } from "../support/sim-process.ts";
import { proxyEnv, type Contender } from "./contenders.ts";
import { LARGE_MIB } from "./scenarios.ts";

const MIB = 1024 * 1024;
const LINE_BYTES_PER_SECOND = 100_000_000;
const LATENCY_MS = 20;
const UPLOAD_MIB = Number(process.env["BENCH_UPLOAD_MIB"] ?? 1024);
const PARALLEL = 8;
const SMALL_FILES = 100;
const PAGE_BYTES = 4096;
const line = ["--latency", String(LATENCY_MS), "--bandwidth", String(LINE_BYTES_PER_SECOND)];
/** A drive with one folder that has ten files of 4 GiB, which take no room. */
export const LINE = [...line, "--populate", `1x10x${4096 * MIB}`, "--discard-content"];
export const SMALL_LINE = [...line, "--populate", `1x${SMALL_FILES}x${MIB}`];

export interface Line {
  readonly name: string;
  /** How much there was at most, and how much it grew, are lines too. */
  readonly memory?: string;
  /** What the second number is. */
  readonly also?: string;
  measure(contender: Contender, sim: Sim): Promise<number | readonly [number, number]>;
}

export const firstMib = "first MiB of a file of 4 GiB, 20 ms latency (plain: curl, that knows its address)";

/** In this order on one mount. */
export const lines: readonly Line[] = [
  {
    name: firstMib,
    async measure(contender, sim) {
      const [...files] = (await largeFiles(sim)).slice(0, 3);
      list(contender, files[0]!);
      const times = files.map((file) => timed(() => readTo(join(contender.dir, file), MIB)));
      return times.toSorted((a, b) => a - b)[1]!;
    },
  },
  {
    name: "requests until the first byte of a cold file is here",
    async measure(contender, sim) {
      const file = (await largeFiles(sim))[3]!;
      list(contender, file);
      await sim.clearRequests();
      readTo(join(contender.dir, file), 1);
      const now = Date.now();
      return (await sim.requests()).filter(({ at, path }) => at <= now && /\/items\/|\/_dl\//.test(path)).length;
    },
  },
  {
    name: `${LARGE_MIB} MiB from the cloud in sequence (the line alone: ${onLineMs(LARGE_MIB)} ms)`,
    async measure(contender, sim) {
      const file = (await largeFiles(sim))[4]!;
      return timed(() => readTo(join(contender.dir, file), LARGE_MIB * MIB));
    },
  },
  {
    name: "100 reads of 4 KiB far apart in a cold file of 4 GiB, 20 ms latency",
    async measure(contender, sim) {
      const file = (await largeFiles(sim))[5]!;
      return timed(() => readApart(join(contender.dir, file), 100));
    },
  },
  {
    name: `${UPLOAD_MIB} MiB to the cloud, from its first request on (the line alone: ${onLineMs(UPLOAD_MIB)} ms)`,
    memory: `most private memory (MiB): upload of ${UPLOAD_MIB} MiB`,
    also: `its first request after the end of its rest: upload of ${UPLOAD_MIB} MiB (the disk has to have it)`,
    async measure(contender, sim) {
      await sim.clearRequests();
      const name = `${contender.name}.bin`;
      await write(join(contender.dir, name), UPLOAD_MIB);
      const rested = Date.now() + contender.settleMs;
      // The tree is not asked for: its hashes of files of 4 GiB would keep the simulator from its work.
      await until(async () => (await sim.requests()).some(endsUpload));
      const ended = Date.now();
      const opened = (await sim.requests()).find(({ path }) => path.includes("createUploadSession"))!.at - LATENCY_MS;
      return [ended - opened, Math.max(0, opened - rested)];
    },
  },
  {
    name: `${PARALLEL} x ${LARGE_MIB} MiB from the cloud at once (the line alone: ${onLineMs(PARALLEL * LARGE_MIB)} ms)`,
    memory: `most private memory (MiB): ${PARALLEL} downloads of ${LARGE_MIB} MiB at once`,
    async measure(contender, sim) {
      const files = (await largeFiles(sim)).slice(0, PARALLEL);
      const began = performance.now();
      await Promise.all(files.map((file) => readFromMiddle(join(contender.dir, file))));
      return performance.now() - began;
    },
  },
];

/** On a mount of its own. */
export const smallLine: Line = {
  name: `${SMALL_FILES} files of 1 MiB read one after another, cold, 20 ms latency`,
  async measure(contender, sim) {
    const files = (await sim.tree()).filter(({ folder }) => !folder).map(({ path }) => path);
    list(contender, files[0]!);
    return timed(() => {
      for (const file of files) readTo(join(contender.dir, file), MIB);
    });
  },
};

/** What the line itself takes for a MiB, asked for by a program that does nothing else. */
export async function curlMs(sim: Sim): Promise<number> {
  const [file = ""] = await largeFiles(sim);
  const { access_token: token } = (await sim.token()) as { access_token: string };
  const curl = async (...args: string[]): Promise<string> => {
    const ran = await run("curl", ["-s", "--fail", "--cacert", String(sim.ready["ca"]), ...args], {
      ...process.env,
      ...proxyEnv(sim),
    });
    if (ran.code !== 0) throw new Error(`curl: ${ran.code} ${ran.err}`);
    return ran.out;
  };
  const at = `https://graph.microsoft.com/v1.0/me/drive/root:/${file}`;
  const item = JSON.parse(await curl("-H", `Authorization: Bearer ${token}`, at)) as Record<string, unknown>;
  const address = String(item["@microsoft.graph.downloadUrl"]);
  const times: number[] = [];
  for (let i = 0; i < 3; i++)
    times.push(Number(await curl("-o", "/dev/null", "-r", `0-${MIB - 1}`, "-w", "%{time_total}", address)) * 1000);
  return times.toSorted((a, b) => a - b)[1]!;
}

export const hashLine = `hash ${LARGE_MIB} MiB (quickXorHash and SHA-256, on the worker)`;

export async function measureHash(): Promise<number> {
  const path = join(tmpdir(), `onedrive-bench-hash-${process.pid}`);
  await write(path, LARGE_MIB);
  const file = await open(path, "r");
  const worker = hasher();
  try {
    await worker.digest(file.fd, MIB, true); // it has started
    const began = performance.now();
    await worker.digest(file.fd, LARGE_MIB * MIB, true);
    return performance.now() - began;
  } finally {
    await worker.close();
    await file.close();
    rmSync(path);
  }
}

function onLineMs(mib: number): number {
  return Math.round((mib * MIB * 1000) / LINE_BYTES_PER_SECOND);
}

async function largeFiles(sim: Sim): Promise<string[]> {
  return (await sim.tree()).filter(({ folder, size }) => !folder && size > 1024 * MIB).map(({ path }) => path);
}

/** Somebody who opens a file has seen its folder. */
function list(contender: Contender, file: string): void {
  readdirSync(join(contender.dir, file, ".."));
}

function timed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

function readTo(path: string, bytes: number): void {
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(MIB);
  for (let left = bytes; left > 0;) left -= readSync(file, buffer, 0, Math.min(left, buffer.length), null);
  closeSync(file);
}

function readApart(path: string, times: number): void {
  const random = seededRandom("far apart");
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(PAGE_BYTES);
  for (let i = 0; i < times; i++)
    readSync(file, buffer, 0, PAGE_BYTES, random.below((4096 * MIB) / PAGE_BYTES) * PAGE_BYTES);
  closeSync(file);
}

/** From a place that no other line reads. */
async function readFromMiddle(path: string): Promise<void> {
  const ran = await run("dd", [`if=${path}`, "of=/dev/null", "bs=1M", "skip=2048", `count=${LARGE_MIB}`]);
  if (ran.code !== 0) throw new Error(ran.err);
}

async function write(path: string, mib: number): Promise<void> {
  const block = randomBytes(MIB);
  const file = openSync(path, "w");
  for (let i = 0; i < mib; i++) {
    block.writeUInt32LE(i, 0);
    writeSync(file, block);
    // Whoever watches the mount's memory has a turn.
    if (i % 16 === 0) await delay(0);
  }
  closeSync(file);
}

/** The last fragment is answered with the item. */
function endsUpload({ method, path, status }: SimRequest): boolean {
  return method === "PUT" && path.startsWith("/_up/") && (status === 200 || status === 201);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(20);
}
