/**
 * `npm run bench`: speed and memory as ratios against Debian's rclone mount and a plain folder, measured in one run on one simulator.
 * Nothing is asserted: machines differ and are shared. BENCH_LARGE_MIB changes the size of the large file.
 */
import { cpus } from "node:os";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { startSim, type Sim } from "../support/sim-process.ts";
import { ours, plain, rclone, type Contender, type Starter } from "./contenders.ts";
import { firstListing, LARGE_MIB, pushScenario, scenarios } from "./scenarios.ts";

const contenders: readonly (readonly [string, Starter])[] = [
  ["plain", plain],
  ["ours", ours],
  ["rclone", rclone("rclone", "--vfs-cache-mode", "full")],
];
const table = new Map<string, Map<string, number>>();

console.log(`${cpus().length} cores, shared by simulator, daemon and load; milliseconds, smaller is better`);
for (const [name, start] of contenders) await measureAll(name, start);
for (const [name, start] of contenders) if (name !== "plain") await measurePush(name, start);
for (const [name, start] of contenders) if (name !== "plain") await measureFirstListing(name, start);
print();

async function measureAll(name: string, start: Starter): Promise<void> {
  const sim = await startSim("--connect-proxy");
  try {
    await seed(sim);
    const contender = await start(sim);
    try {
      if (name === "plain") seedPlain(contender.dir);
      for (const scenario of scenarios) note(scenario.name, name, await scenario.measure(contender, sim));
      note("private memory after all that (MiB)", name, contender.memory());
    } finally {
      await contender.stop();
    }
  } finally {
    await sim.stop();
  }
}

async function measurePush(name: string, start: Starter): Promise<void> {
  const sim = await startSim("--connect-proxy", "--latency", "20");
  try {
    const contender = await start(sim);
    try {
      await sim.clearRequests();
      note(pushScenario.name, name, await pushScenario.measure(contender, sim));
      note("requests it took", name, (await sim.requests()).length);
    } finally {
      await contender.stop();
    }
  } finally {
    await sim.stop();
  }
}

async function measureFirstListing(name: string, start: Starter): Promise<void> {
  const sim = await startSim("--connect-proxy", "--populate", "1000x100x100");
  try {
    const began = performance.now();
    const contender: Contender = await start(sim);
    try {
      readdirSync(contender.dir);
      note(firstListing, name, performance.now() - began);
    } finally {
      await contender.stop();
    }
  } finally {
    await sim.stop();
  }
}

async function seed(sim: Sim): Promise<void> {
  const jobs: (() => Promise<void>)[] = [];
  for (let folder = 0; folder < 100; folder++) {
    for (let file = 0; file < 100; file++)
      jobs.push(() => sim.put(`tree/d${folder}/f${file}`, `content of ${folder}/${file}`));
  }
  for (let file = 0; file < 10_000; file++) jobs.push(() => sim.put(`flat/f${file}`, "x"));
  jobs.push(() => sim.put("cold.bin", Buffer.alloc(LARGE_MIB * 1024 * 1024, 5)));
  while (jobs.length > 0) await Promise.all(jobs.splice(0, 50).map((job) => job()));
}

function seedPlain(dir: string): void {
  for (let folder = 0; folder < 100; folder++) {
    mkdirSync(join(dir, `tree/d${folder}`), { recursive: true });
    for (let file = 0; file < 100; file++)
      writeFileSync(join(dir, `tree/d${folder}/f${file}`), `content of ${folder}/${file}`);
  }
  mkdirSync(join(dir, "flat"));
  for (let file = 0; file < 10_000; file++) writeFileSync(join(dir, `flat/f${file}`), "x");
  writeFileSync(join(dir, "cold.bin"), Buffer.alloc(LARGE_MIB * 1024 * 1024, 5));
}

function note(line: string, name: string, value: number): void {
  const row = table.get(line) ?? new Map<string, number>();
  table.set(line, row.set(name, value));
  console.error(`${name}: ${line}: ${value.toFixed(1)}`);
}

function print(): void {
  console.log(
    `\n| measured | plain | ours | rclone | ours/rclone | ours/plain |\n| --- | --- | --- | --- | --- | --- |`,
  );
  for (const [line, row] of table) {
    const [base, own, peer] = ["plain", "ours", "rclone"].map((name) => row.get(name));
    const ratio = (a: number | undefined, b: number | undefined): string => (a && b ? `${(a / b).toFixed(2)}x` : "");
    const shown = [base, own, peer].map((value) => value?.toFixed(1) ?? "");
    console.log(`| ${line} | ${shown.join(" | ")} | ${ratio(own, peer)} | ${ratio(own, base)} |`);
  }
}
