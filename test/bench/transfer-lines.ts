/**
 * Large files on a line of a known width (LINE_BYTES_PER_SECOND, 20 ms away), so that milliseconds can be compared with what the line
 * alone would take; and how fast bytes are hashed before they go.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { hasher } from "../../src/content/hash.ts";
import type { Sim } from "../support/sim-process.ts";
import type { Contender } from "./contenders.ts";
import { LARGE_MIB } from "./scenarios.ts";

const MIB = 1024 * 1024;
const LINE_BYTES_PER_SECOND = 100_000_000;
/** A drive with one folder that has one file of 4 GiB, which takes no room. */
export const LINE = [
  "--latency",
  "20",
  "--bandwidth",
  String(LINE_BYTES_PER_SECOND),
  "--populate",
  `1x1x${4 * 1024 * MIB}`,
  "--discard-content",
];

export interface Line {
  readonly name: string;
  measure(contender: Contender, sim: Sim): Promise<number>;
}

const ideal = Math.round((LARGE_MIB * MIB * 1000) / LINE_BYTES_PER_SECOND);

/** In this order on one mount. */
export const lines: readonly Line[] = [
  {
    name: "first MiB of a file of 4 GiB, 20 ms latency",
    measure: async (contender, sim) => {
      const path = join(contender.dir, await largeFile(sim));
      const began = performance.now();
      readTo(path, 1);
      return performance.now() - began;
    },
  },
  {
    name: `${LARGE_MIB} MiB from the cloud in sequence (the line alone: ${ideal} ms)`,
    measure: async (contender, sim) => {
      const path = join(contender.dir, await largeFile(sim));
      const began = performance.now();
      readTo(path, LARGE_MIB);
      return performance.now() - began;
    },
  },
  {
    name: `${LARGE_MIB} MiB to the cloud, from its first request on (the line alone: ${ideal} ms)`,
    measure: async (contender, sim) => {
      await sim.clearRequests();
      const name = `${contender.name}.bin`;
      write(join(contender.dir, name));
      await until(async () => (await sim.requests()).some(({ path }) => path.includes("createUploadSession")));
      const began = performance.now();
      await until(async () => (await sim.paths()).has(name) && (await sim.paths()).get(name)!.size > 0);
      return performance.now() - began;
    },
  },
];

export const hashLine = `hash ${LARGE_MIB} MiB (quickXorHash and SHA-256, on the worker)`;

export async function measureHash(): Promise<number> {
  const path = join(tmpdir(), `onedrive-bench-hash-${process.pid}`);
  write(path);
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

async function largeFile(sim: Sim): Promise<string> {
  return (await sim.tree()).find(({ folder, size }) => !folder && size > 1024 * MIB)!.path;
}

function readTo(path: string, mib: number): void {
  const file = openSync(path, "r");
  const buffer = Buffer.alloc(MIB);
  for (let left = mib * MIB; left > 0;) left -= readSync(file, buffer, 0, Math.min(left, buffer.length), null);
  closeSync(file);
}

function write(path: string): void {
  const block = randomBytes(MIB);
  const file = openSync(path, "w");
  for (let i = 0; i < LARGE_MIB; i++) {
    block.writeUInt32LE(i, 0);
    writeSync(file, block);
  }
  closeSync(file);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await delay(20);
}
