/**
 * `npm run bench`: speed and memory as ratios against Debian's rclone mount and a plain folder, measured in one run on one simulator.
 * Nothing is asserted: machines differ and are shared. BENCH_LARGE_MIB changes the size of the large file, BENCH_ONLY (a regular
 * expression) selects lines by their name, BENCH_WHO (the same) contenders.
 */
import { cpus, loadavg } from "node:os";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { startSim, type Sim } from "../support/sim-process.ts";
import { ours, plain, rclone, type Contender, type Starter } from "./contenders.ts";
import { COLD_FILE, firstListing, LARGE_MIB, mountTime, pushScenario, scenarios, type Scenario } from "./scenarios.ts";

const wanted = (line: string): boolean => new RegExp(process.env["BENCH_ONLY"] ?? "").test(line);
const contenders = (
  [
    ["plain", plain],
    ["ours", ours],
    ["rclone", rclone("rclone", "--vfs-cache-mode", "full")],
  ] satisfies readonly (readonly [string, Starter])[]
).filter(([name]) => new RegExp(process.env["BENCH_WHO"] ?? "").test(name));
const mounts = contenders.filter(([name]) => name !== "plain");

interface Measured {
  readonly ms: number;
  /** Processor time of the mount's process in the same span; 0 for a plain folder. */
  readonly cpuMs: number;
}
const table = new Map<string, Map<string, Measured>>();
const loads: number[] = [loadavg()[0]!];

const MEMORY = "private memory after all that (MiB)";
const inPlace = scenarios.filter(({ name }) => wanted(name));
if (inPlace.length > 0 || wanted(MEMORY)) await measureInPlace();
if (wanted(pushScenario.name)) for (const [name, start] of mounts) await measurePush(name, start);
if (wanted(firstListing)) await measureFirstListing();
print();

/** One simulator with one tree for all; what is written goes into a folder of each contender's own. */
async function measureInPlace(): Promise<void> {
  const needs = new Set(inPlace.map((scenario) => scenario.needs));
  const sim = await startSim("--connect-proxy");
  try {
    if (mounts.length > 0) await seed(sim, needs);
    for (const [name, start] of contenders) {
      const began = performance.now();
      const contender = await start(sim);
      try {
        if (name === "plain") seedPlain(contender.dir, needs);
        else note(mountTime, name, { ms: performance.now() - began, cpuMs: contender.cpuMs() });
        mkdirSync(join(contender.dir, contender.own));
        for (const scenario of inPlace) await measure(scenario, contender, sim);
        note(MEMORY, name, { ms: contender.memory(), cpuMs: 0 });
      } finally {
        await contender.stop();
      }
    }
  } finally {
    await sim.stop();
  }
}

async function measure(scenario: Scenario, contender: Contender, sim: Sim): Promise<void> {
  await scenario.prepare?.(contender, sim);
  const cpuBefore = contender.cpuMs();
  const ms = await scenario.measure(contender, sim);
  note(scenario.name, contender.name, { ms, cpuMs: contender.cpuMs() - cpuBefore });
}

async function measurePush(name: string, start: Starter): Promise<void> {
  const sim = await startSim("--connect-proxy", "--latency", "20");
  try {
    const contender = await start(sim);
    try {
      await sim.clearRequests();
      await measure(pushScenario, contender, sim);
      note("requests it took", name, { ms: (await sim.requests()).length, cpuMs: 0 });
    } finally {
      await contender.stop();
    }
  } finally {
    await sim.stop();
  }
}

async function measureFirstListing(): Promise<void> {
  const sim = await startSim("--connect-proxy", "--populate", "1000x100x100");
  try {
    for (const [name, start] of mounts) {
      const began = performance.now();
      const contender: Contender = await start(sim);
      try {
        readdirSync(contender.dir);
        note(firstListing, name, { ms: performance.now() - began, cpuMs: contender.cpuMs() });
      } finally {
        await contender.stop();
      }
    }
  } finally {
    await sim.stop();
  }
}

async function seed(sim: Sim, needs: ReadonlySet<Scenario["needs"]>): Promise<void> {
  const jobs = [...contents(needs)].map(
    ([path, bytes]) =>
      () =>
        sim.put(path, bytes),
  );
  while (jobs.length > 0) await Promise.all(jobs.splice(0, 50).map((job) => job()));
}

function seedPlain(dir: string, needs: ReadonlySet<Scenario["needs"]>): void {
  for (const [path, bytes] of contents(needs)) {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), bytes);
  }
}

function* contents(needs: ReadonlySet<Scenario["needs"]>): Generator<[string, string | Uint8Array]> {
  if (needs.has("tree"))
    for (let folder = 0; folder < 100; folder++)
      for (let file = 0; file < 100; file++) yield [`tree/d${folder}/f${file}`, `content of ${folder}/${file}`];
  if (needs.has("flat")) for (let file = 0; file < 10_000; file++) yield [`flat/f${file}`, "x"];
  if (needs.has("cold")) yield [COLD_FILE, Buffer.alloc(LARGE_MIB * 1024 * 1024, 5)];
}

function note(line: string, name: string, measured: Measured): void {
  const row = table.get(line) ?? new Map<string, Measured>();
  table.set(line, row.set(name, measured));
  loads.push(loadavg()[0]!);
  console.error(
    `${name}: ${line}: ${measured.ms.toFixed(1)} (cpu ${measured.cpuMs}, load ${loadavg()[0]!.toFixed(1)})`,
  );
}

function print(): void {
  const load = `load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
  console.log(`${cpus().length} cores, shared by simulator, mount and load; ${load}. Milliseconds, smaller is better;`);
  console.log("cpu: processor time of the mount's process, which other work on the machine hardly changes.\n");
  console.log(
    "| measured | plain | ours | rclone | ours/rclone | ours/plain | cpu ours | cpu rclone | cpu ours/rclone |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const [line, row] of table) {
    const [base, own, peer] = ["plain", "ours", "rclone"].map((name) => row.get(name));
    const times = [base, own, peer].map((one) => one?.ms.toFixed(1) ?? "");
    const cpu = [own, peer].map((one) => (one?.cpuMs ? String(one.cpuMs) : ""));
    const ratios = [ratio(own?.ms, peer?.ms), ratio(own?.ms, base?.ms)];
    console.log(`| ${[line, ...times, ...ratios, ...cpu, ratio(own?.cpuMs, peer?.cpuMs)].join(" | ")} |`);
  }
}

function ratio(a: number | undefined, b: number | undefined): string {
  return a && b ? `${(a / b).toFixed(2)}x` : "";
}
