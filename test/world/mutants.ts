/**
 * Do the tests bite? Every mutant of mutant-list.ts is made in a copy of the sources (never in the working tree) and the layer that it
 * names is run there: its tests must fail. Prints a table; exits 1 when a mutant survives its layer. `npm run mutants -- PART` runs those
 * with PART in their name.
 */
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { limit } from "../../src/base/limit.ts";
import { MUTANTS, type Layer, type Mutant } from "./mutant-list.ts";

const ROOT_DIR = join(dirname(fileURLToPath(import.meta.url)), "../..");
const TEST_TIMEOUT_MS = 300_000;

interface Run {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const CELLS = ["test/merge/matrix.test.ts", "test/merge/matrix-slots.test.ts"];
const PAIRS_TEST = "test/merge/exhaustive.test.ts";
const seeds = { first: 1, count: 3_000, core: 0, cores: 1, seconds: 120, shrinks: false };

/** What a layer runs, the quickest first. */
function runsOf(layer: Layer, tests: readonly string[] | undefined): Run[] {
  if (layer === "T1") return [{ args: ["--test", ...CELLS] }];
  if (layer === "T2 k=1") return [{ args: ["--test", PAIRS_TEST], env: { MERGE_PAIRS: "0" } }];
  if (layer === "T2 k=2") return [{ args: ["--test", PAIRS_TEST], env: { MERGE_PAIRS: "80000" } }];
  const files: Run[] = (tests ?? []).map((test) => ({ args: ["--test", test] }));
  return files.length > 0 ? files : [{ args: ["test/world/seeds-job.ts", JSON.stringify(seeds)] }];
}

interface Verdict {
  readonly mutant: Mutant;
  readonly killedBy: string | undefined;
  readonly seconds: number;
}

async function main(part = ""): Promise<void> {
  const gate = limit(Math.max(1, Math.min(2, cpus().length)));
  const chosen = MUTANTS.filter(({ name }) => name.includes(part));
  if (chosen.length === 0) throw new Error(`no mutant has "${part}" in its name`);
  await checkUnchanged();
  const verdicts = await Promise.all(chosen.map((mutant) => gate.run(() => judge(mutant))));
  const width = Math.max(...chosen.map(({ name }) => name.length));
  console.log(`\n${"mutant".padEnd(width)}  layer   killed by`);
  for (const { mutant, killedBy, seconds } of verdicts)
    console.log(`${mutant.name.padEnd(width)}  ${mutant.layer.padEnd(6)}  ${killedBy ?? "NOBODY"} (${seconds} s)`);
  const survivors = verdicts.filter(({ killedBy }) => killedBy === undefined);
  console.log(`${verdicts.length - survivors.length} of ${verdicts.length} mutants are killed by the layer they name`);
  process.exitCode = survivors.length > 0 ? 1 : 0;
}

/** A kill proves something only if the tests pass on the sources as they are. */
async function checkUnchanged(): Promise<void> {
  const run = runsOf("T2 k=1", undefined)[0];
  if (!run || (await fails(ROOT_DIR, run)) !== undefined) throw new Error("the tests fail on the unchanged sources");
}

async function judge(mutant: Mutant): Promise<Verdict> {
  const began = performance.now();
  const dir = await mkdtemp(join(tmpdir(), "mutant-"));
  try {
    await copyInto(dir);
    await mutate(dir, mutant);
    let killedBy: string | undefined;
    for (const run of runsOf(mutant.layer, mutant.tests)) killedBy ??= await fails(dir, run);
    const seconds = Math.round((performance.now() - began) / 1000);
    console.log(`${killedBy === undefined ? "SURVIVES" : "killed"}: ${mutant.name}`);
    return { mutant, killedBy, seconds };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function copyInto(dir: string): Promise<void> {
  for (const each of ["src", "test", "package.json", "tsconfig.json"])
    await cp(join(ROOT_DIR, each), join(dir, each), { recursive: true });
  await symlink(join(ROOT_DIR, "node_modules"), join(dir, "node_modules"));
}

async function mutate(dir: string, { file, from, to, name }: Mutant): Promise<void> {
  const path = join(dir, file);
  const code = await readFile(path, "utf8");
  const pieces = code.split(from);
  if (pieces.length !== 2) throw new Error(`${name}: ${file} has the place ${pieces.length - 1} times`);
  await writeFile(path, pieces.join(to));
}

/** What failed, as words; undefined when the run passes. */
function fails(dir: string, { args, env }: Run): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", ...args], {
      cwd: dir,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: TEST_TIMEOUT_MS,
      killSignal: "SIGKILL",
    });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      if (code === 0) return resolve(undefined);
      resolve(signal ? "it never ends" : (firstFailure(out) ?? args.join(" ")));
    });
  });
}

function firstFailure(out: string): string | undefined {
  const seed = /^seed \d+/m.exec(out)?.[0];
  const pair = /\b(?:pair \d+|S\d|A2): .{0,60}/.exec(out.replace(/^.*(?:# Subtest|ok \d).*$/gm, ""))?.[0];
  return seed ?? pair ?? /^\s*not ok \d+ - (.{0,90})/m.exec(out)?.[1];
}

await main(process.argv[2]);
