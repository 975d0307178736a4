/**
 * Where the time of a call goes: the same acts on a plain folder, on libfuse's passthrough_ll, and on our kernel host with more and more
 * of the product behind it, up to the whole daemon that also pushes. What a line costs more than the one above it is what that part costs.
 * Microseconds an act, median of LAYER_ROUNDS (3); beside it the processor time of the mount's process. `npm run bench:layers`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { run } from "../support/mount-process.ts";
import { startSim } from "../support/sim-process.ts";
import { cpuMs, example, hasExamples, oursWith, plain, type Contender, type Starter } from "./contenders.ts";

const ROUNDS = Number(process.env["LAYER_ROUNDS"] ?? 3);
const ACTS = 2_000;

const layers: readonly (readonly [string, Starter])[] = [
  ["a plain folder", plain],
  ...(hasExamples
    ? ([["passthrough_ll (C)", example("passthrough_ll", (folder) => ["-o", `source=${folder}`])]] as const)
    : []),
  ["our host, files in memory", layer("memory")],
  ["and vfs, log and tables on disk", layer("tables")],
  ["and bytes on disk", layer("bytes")],
  ["the daemon, nothing to push yet", oursWith({ write_back: "600", flush_timeout: "1" })],
  ["the daemon, pushing", oursWith({ write_back: "1", flush_timeout: "1" })],
];

const acts: readonly (readonly [string, (dir: string) => number])[] = [
  ["create", (dir) => each((i) => writeFileSync(join(dir, `file-${i}`), bytes))],
  ["stat", (dir) => each((i) => statSync(join(dir, `file-${i}`)))],
  ["rename", (dir) => each((i) => renameSync(join(dir, `file-${i}`), join(dir, `other-${i}`)))],
  ["unlink", (dir) => each((i) => unlinkSync(join(dir, `other-${i}`)))],
  ["mkdir", (dir) => each((i) => mkdirSync(join(dir, `folder-${i}`)))],
  ["rmdir", (dir) => each((i) => rmdirSync(join(dir, `folder-${i}`)))],
];

const bytes = Buffer.alloc(1024, "x");
const seen = new Map<string, { wall: number; cpu: number }[]>();
const sim = await startSim("--connect-proxy");
try {
  for (let round = 0; round < ROUNDS; round++) for (const [name, start] of layers) await measure(name, start, round);
} finally {
  await sim.stop();
}
print();

/** Daemons one after another have one cloud: each writes under names of its own. */
async function measure(name: string, start: Starter, round: number): Promise<void> {
  const contender = await start(sim);
  try {
    const dir = join(contender.dir, `${name}, round ${round}`);
    const warm = `${dir}, not measured`;
    mkdirSync(warm);
    for (let i = 0; i < ACTS / 2; i++) writeFileSync(join(warm, `${i}`), bytes);
    for (const file of readdirSync(warm)) unlinkSync(join(warm, file));
    mkdirSync(dir);
    for (const [act, work] of acts) {
      const before = contender.cpuMs();
      const wall = work(dir);
      note(`${name}/${act}`, wall, ((contender.cpuMs() - before) * 1000) / ACTS);
    }
  } finally {
    await contender.stop();
  }
}

function each(act: (i: number) => void): number {
  const began = performance.now();
  for (let i = 0; i < ACTS; i++) act(i);
  return ((performance.now() - began) * 1000) / ACTS;
}

function note(key: string, wall: number, cpu: number): void {
  seen.set(key, [...(seen.get(key) ?? []), { wall, cpu }]);
}

function layer(what: "memory" | "tables" | "bytes"): Starter {
  return async (): Promise<Contender> => {
    const home = mkdtempSync(join(tmpdir(), `onedrive-bench-${what}-`));
    const dir = join(home, "mnt");
    mkdirSync(dir);
    const script = join(import.meta.dirname, "layer-server.ts");
    const child = fork(script, [what, dir, home], { execArgv: ["--import", "tsx"] });
    const exited = once(child, "exit");
    if ((await Promise.race([once(child, "message"), exited.then(() => undefined)])) === undefined)
      throw new Error(`${what} did not mount`);
    return {
      name: what,
      dir,
      mountpoint: dir,
      own: what,
      settleMs: 0,
      startMs: 0,
      cpuMs: () => cpuMs(child.pid!),
      memory: () => 0,
      pushed: async () => undefined,
      async stop() {
        await run("fusermount", ["-uz", dir]);
        await exited;
        rmSync(home, { recursive: true, force: true });
      },
    };
  };
}

function print(): void {
  console.log(`${cpus().length} cores, shared by simulator, mount and load; load average ${loadavg()[0]!.toFixed(1)}.`);
  console.log(`Microseconds an act (processor time of the mount's process): medians of ${ROUNDS} rounds of ${ACTS}.\n`);
  console.log(`| | ${acts.map(([act]) => act).join(" | ")} |`);
  console.log(`| --- | ${acts.map(() => "---").join(" | ")} |`);
  for (const [name] of layers) {
    const cells = acts.map(([act]) => {
      const all = seen.get(`${name}/${act}`) ?? [];
      return `${middle(all.map(({ wall }) => wall))} (${middle(all.map(({ cpu }) => cpu))})`;
    });
    console.log(`| ${name} | ${cells.join(" | ")} |`);
  }
}

function middle(values: readonly number[]): string {
  return (values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0).toFixed(0);
}
