/**
 * Runs one tier of the tests with node:test: `node --import tsx test/run.ts TIER [PART-OF-A-PATH...]`.
 *
 *   unit    everything but the tiers below, all in this one process (a process per file costs seconds each)
 *   mount   test/mount: one process per file, since each has a daemon of its own
 *   world   test/world: pairs of histories and whole worlds from seeds, for a given time on all cores
 *   soak    test/soak: all of the pairs, many seeds, by hand
 */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const own = new Set(["mount", "world", "soak"]);
/** A file that hangs (a call into a mount that is never answered cannot be given up from inside) ends as a failure with its name. */
const FILE_TIMEOUT_MS: Readonly<Record<string, number>> = { mount: 5 * 60_000, world: 10 * 60_000 };

function testFiles(tier: string, parts: readonly string[]): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .filter((path) => (own.has(tier) ? path.startsWith(`${tier}/`) : !own.has(path.split("/")[0] ?? "")))
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)))
    .sort()
    .map((path) => join(root, path));
}

async function main(tier = "unit", ...parts: string[]): Promise<void> {
  const files = testFiles(tier, parts);
  if (files.length === 0) throw new Error(`no test file in tier ${tier} matches ${parts.join(" ")}`);
  if (!own.has(tier)) {
    for (const file of files) await import(pathToFileURL(file).href);
    return;
  }
  const args = ["--import", "tsx", "--test", "--test-reporter=spec", "--test-concurrency=1"];
  const timeout = FILE_TIMEOUT_MS[tier];
  if (timeout !== undefined) args.push(`--test-timeout=${timeout}`);
  args.push(...files);
  console.log(`${tier}: ${files.map((file) => relative(root, file)).join(" ")}`);
  process.exitCode = spawnSync(process.execPath, args, { stdio: "inherit" }).status ?? 1;
}

await main(...process.argv.slice(2));
