/**
 * `npm run bench`: speed and memory as ratios against Debian's rclone mount, a plain folder and (where libfuse3-dev is
 * installed) the C examples of libfuse 3, measured in one run on one simulator.
 * Nothing is asserted: machines differ and are shared; each line is the median of BENCH_ROUNDS rounds (3), and the spread says how far apart
 * ours and rclone's were. BENCH_LARGE_MIB changes the size of the large file, BENCH_MANY the number of new files that are pushed
 * (10,000: against rclone's defaults, which take many minutes for them), BENCH_ONLY (a regular expression) selects lines by their name,
 * BENCH_WHO (the same) contenders.
 */
import { cpus, loadavg } from "node:os";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { startSim, type Sim } from "../support/sim-process.ts";
import {
  canOpen,
  example,
  hasExamples,
  ours,
  oursWith,
  plain,
  rclone,
  type Contender,
  type Starter,
} from "./contenders.ts";
import { MERGE_SIZES, measureMerge } from "./merge-line.ts";
import {
  COLD_FILE,
  firstListing,
  LARGE_MIB,
  manyScenario,
  mountTime,
  pushScenario,
  RENAMED_FILES,
  renameScenario,
  scenarios,
  type Group,
  type Scenario,
} from "./scenarios.ts";
import {
  curlMs,
  firstMib,
  hashLine,
  LINE,
  lines,
  measureHash,
  SMALL_LINE,
  smallLine,
  type Line,
} from "./transfer-lines.ts";

const wanted = (line: string): boolean => new RegExp(process.env["BENCH_ONLY"] ?? "").test(line);
/** passthrough_ll works by inode and may cache for a day, passthrough_fh by path, for a second. */
const EXAMPLES = [
  ["passthrough_ll", example("passthrough_ll", (folder) => ["-o", `source=${folder},cache=always`])],
  ["passthrough_fh", example("passthrough_fh", () => [])],
] satisfies readonly (readonly [string, Starter])[];
const contenders = (
  [
    ["plain", plain],
    ["ours", ours],
    ["rclone", rclone("rclone", "--vfs-cache-mode", "full")],
    ...(hasExamples ? EXAMPLES.filter(([name]) => name !== "passthrough_ll" || canOpen(15_000)) : []),
  ] satisfies readonly (readonly [string, Starter])[]
).filter(([name]) => new RegExp(process.env["BENCH_WHO"] ?? "").test(name));
/** Those with a cloud. */
const mounts = contenders.filter(([name]) => name === "ours" || name === "rclone");
/** Many small files are the one line where rclone's own defaults are the measure. */
const asDelivered = mounts.map(([name, start]) => [name, name === "rclone" ? rclone(name) : start] as const);

interface Measured {
  readonly ms: number;
  /** Processor time of the mount's process in the same span; 0 for a plain folder. */
  readonly cpuMs: number;
  /** How late the mount's event loop was, in 99 of 100 looks and at most; for ours only. */
  readonly loopMs?: number;
  readonly loopMostMs?: number;
}
const MEMORY_LOOK_MS = 50;
const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 3);
const table = new Map<string, Map<string, Measured[]>>();
const loads: number[] = [loadavg()[0]!];

const UNCACHED_STATS = 10_000;
const uncachedStat = `stat of one file, ${UNCACHED_STATS} times, nothing cached by the kernel`;
const MEMORY = "private memory after all that (MiB)";
const inPlace = scenarios.filter(({ name }) => wanted(name));
const groups = new Set(inPlace.flatMap(({ group }) => group ?? []));
for (let round = 0; round < ROUNDS; round++) {
  for (const group of groups) await measureGroup(group);
  if (wanted(pushScenario.name)) for (const [name, start] of mounts) await measurePush(pushScenario, name, start);
  if (wanted(manyScenario.name)) for (const [name, start] of asDelivered) await measurePush(manyScenario, name, start);
  if (wanted(renameScenario.name))
    for (const [name, start] of mounts) await measurePush(renameScenario, name, start, `1x${RENAMED_FILES}x10`);
  if (wanted(firstListing)) await measureFirstListing();
  if (wanted(uncachedStat)) await measureUncachedStat();
  await measureLines(lines, LINE);
  await measureLines([smallLine], SMALL_LINE);
  if (wanted(hashLine)) note(hashLine, "ours", { ms: await measureHash(), cpuMs: 0 });
}
for (const items of MERGE_SIZES) {
  const line = `merge of 10 operations here and 10 changes there, ${items} items`;
  if (!wanted(line)) continue;
  const { mergeMs, planMs } = await measureMerge(items);
  note(line, "ours", { ms: mergeMs + planMs, cpuMs: 0 });
}
print();

/** One simulator with one tree for all contenders, and a mount for each; what is written goes into a folder of each one's own. */
async function measureGroup(group: Group): Promise<void> {
  const inGroup = inPlace.filter((scenario) => scenario.group === group);
  const sim = await startSim("--connect-proxy");
  try {
    if (mounts.length > 0) await seed(sim, group);
    for (const [name, start] of contenders) {
      const contender = await start(sim);
      try {
        if (contender.behind !== undefined) seedPlain(contender.behind, group);
        else note(mountTime, name, { ms: contender.startMs, cpuMs: contender.cpuMs() });
        mkdirSync(join(contender.dir, contender.own));
        for (const scenario of inGroup) await measure(scenario, contender, sim);
        note(`${MEMORY}: ${group}`, name, { ms: contender.memory(), cpuMs: 0 });
      } finally {
        await contender.stop();
      }
    }
  } finally {
    await sim.stop();
  }
}

async function measure(scenario: Scenario | Line, contender: Contender, sim: Sim): Promise<void> {
  if ("prepare" in scenario) await scenario.prepare?.(contender, sim);
  await contender.loopDelay?.();
  const cpuBefore = contender.cpuMs();
  const measured = await scenario.measure(contender, sim);
  const [ms, also] = typeof measured === "number" ? [measured] : measured;
  const loop = await contender.loopDelay?.();
  if ("also" in scenario && scenario.also && also !== undefined)
    note(scenario.also, contender.name, { ms: also, cpuMs: 0 });
  const late = loop ? { loopMs: loop.p99, loopMostMs: loop.max } : {};
  note(scenario.name, contender.name, { ms, cpuMs: contender.cpuMs() - cpuBefore, ...late });
}

async function measurePush(scenario: Scenario, name: string, start: Starter, populated?: string): Promise<void> {
  const sim = await startSim("--connect-proxy", "--latency", "20", ...(populated ? ["--populate", populated] : []));
  try {
    const contender = await start(sim);
    try {
      await sim.clearRequests();
      await measure(scenario, contender, sim);
      const requests = (await sim.requests()).filter(({ batched }) => !batched);
      note(`requests it took: ${scenario.name}`, name, { ms: requests.length, cpuMs: 0 });
      const changing = requests.filter(({ method }) => method !== "GET");
      note(`of these, other than GET: ${scenario.name}`, name, { ms: changing.length, cpuMs: 0 });
    } finally {
      await contender.stop();
    }
  } finally {
    await sim.stop();
  }
}

/** Each contender on a simulator of its own. */
async function measureLines(all: readonly Line[], options: readonly string[]): Promise<void> {
  const due = all.filter((line) => wanted(line.name));
  for (const [name, start] of due.length > 0 ? mounts : []) {
    const sim = await startSim("--connect-proxy", ...options);
    try {
      if (name === "ours" && due.some((line) => line.name === firstMib))
        note(firstMib, "plain", { ms: await curlMs(sim), cpuMs: 0 });
      const contender = await start(sim);
      try {
        for (const line of due) await measureLine(line, contender, sim);
      } finally {
        await contender.stop();
      }
    } finally {
      await sim.stop();
    }
  }
}

async function measureLine(line: Line, contender: Contender, sim: Sim): Promise<void> {
  const before = contender.memory();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, contender.memory())), MEMORY_LOOK_MS);
  try {
    await measure(line, contender, sim);
  } finally {
    clearInterval(timer);
  }
  if (line.memory === undefined) return;
  note(line.memory, contender.name, { ms: most, cpuMs: 0 });
  note(`its growth: ${line.memory}`, contender.name, { ms: Math.max(0, most - before), cpuMs: 0 });
}

/** The way of one call through the kernel to the mount and back: nothing is remembered. */
async function measureUncachedStat(): Promise<void> {
  const sim = await startSim("--connect-proxy");
  try {
    for (const start of [
      oursWith({ attr_timeout: "0", entry_timeout: "0" }),
      rclone("rclone", "--attr-timeout", "0s"),
      ...(hasExamples ? [example("passthrough_ll", (folder) => ["-o", `source=${folder},cache=never`])] : []),
    ]) {
      const contender = await start(sim);
      try {
        const file = join(contender.dir, contender.own);
        writeFileSync(file, "");
        const cpuBefore = contender.cpuMs();
        const began = performance.now();
        for (let i = 0; i < UNCACHED_STATS; i++) statSync(file);
        const ms = performance.now() - began;
        note(uncachedStat, contender.name, { ms, cpuMs: contender.cpuMs() - cpuBefore });
      } finally {
        await contender.stop();
      }
    }
  } finally {
    await sim.stop();
  }
}

async function measureFirstListing(): Promise<void> {
  const sim = await startSim("--connect-proxy", "--populate", "1000x100x100");
  try {
    for (const [name, start] of mounts) {
      const contender: Contender = await start(sim);
      const began = performance.now();
      try {
        readdirSync(contender.dir);
        const ms = contender.startMs + performance.now() - began;
        note(firstListing, name, { ms, cpuMs: contender.cpuMs() });
      } finally {
        await contender.stop();
      }
    }
  } finally {
    await sim.stop();
  }
}

async function seed(sim: Sim, group: Group): Promise<void> {
  const jobs = [...contents(group)].map(
    ([path, bytes]) =>
      () =>
        sim.put(path, bytes),
  );
  while (jobs.length > 0) await Promise.all(jobs.splice(0, 50).map((job) => job()));
}

function seedPlain(dir: string, group: Group): void {
  for (const [path, bytes] of contents(group)) {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), bytes);
  }
}

function* contents(group: Group): Generator<[string, string | Uint8Array]> {
  if (group === "tree")
    for (let folder = 0; folder < 100; folder++)
      for (let file = 0; file < 100; file++) yield [`tree/d${folder}/f${file}`, `content of ${folder}/${file}`];
  if (group === "flat") for (let file = 0; file < 10_000; file++) yield [`flat/f${file}`, "x"];
  if (group === "bytes") yield [COLD_FILE, Buffer.alloc(LARGE_MIB * 1024 * 1024, 5)];
}

function note(line: string, name: string, measured: Measured): void {
  const row = table.get(line) ?? new Map<string, Measured[]>();
  table.set(line, row.set(name, [...(row.get(name) ?? []), measured]));
  loads.push(loadavg()[0]!);
  const loop =
    measured.loopMs === undefined
      ? ""
      : `, loop p99 ${measured.loopMs.toFixed(1)} ms, most ${measured.loopMostMs?.toFixed(1)} ms`;
  console.error(
    `${name}: ${line}: ${measured.ms.toFixed(1)} (cpu ${measured.cpuMs}${loop}, load ${loads.at(-1)!.toFixed(1)})`,
  );
}

function print(): void {
  const load = `load average ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
  console.log(
    `${cpus().length} cores, shared by simulator, mount and load; ${load}. Milliseconds, smaller is better: medians of`,
  );
  console.log(
    `${ROUNDS} rounds; spread: (largest - smallest) / median of ours, rclone. cpu: processor time of the mount's process.`,
  );
  console.log(
    "loop: how late our event loop was, 99 of 100 times, and at most. ll, fh: passthrough_ll and passthrough_fh of libfuse 3.\n",
  );
  console.log(
    "| measured | plain | ours | rclone | ours/rclone | ours/plain | ours/ll | ours/fh | spread | cpu ours/rclone, ours/ll | loop p99, most |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const [line, row] of table) {
    const [base, own, peer, ...c] = ["plain", "ours", "rclone", "passthrough_ll", "passthrough_fh"].map(
      (name) => row.get(name) ?? [],
    );
    const times = [base, own, peer].map((all) => middle(all!, "ms")?.toFixed(1) ?? "");
    const ratios = [peer, base, ...c].map((other) => ratio(middle(own!, "ms"), middle(other!, "ms")));
    const cpu = [peer, c[0]].map((other) => ratio(middle(own!, "cpuMs"), middle(other!, "cpuMs"))).join(", ");
    const spreads = [own, peer].map((all) => spread(all!)).join(", ");
    const late = [middle(own!, "loopMs"), middle(own!, "loopMostMs")].map((ms) => ms?.toFixed(1) ?? "").join(", ");
    console.log(`| ${[line, ...times, ...ratios, spreads, cpu, late].join(" | ")} |`);
  }
}

function middle(all: readonly Measured[], of: keyof Measured): number | undefined {
  const values = all.map((one) => one[of] ?? 0).toSorted((a, b) => a - b);
  return values[Math.floor(values.length / 2)];
}

function spread(all: readonly Measured[]): string {
  const values = all.map(({ ms }) => ms);
  const mid = middle(all, "ms");
  return mid && values.length > 1 ? `${Math.round(((Math.max(...values) - Math.min(...values)) / mid) * 100)} %` : "";
}

function ratio(a: number | undefined, b: number | undefined): string {
  return a && b ? `${(a / b).toFixed(2)}x` : "";
}
