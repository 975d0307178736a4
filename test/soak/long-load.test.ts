/**
 * A working day in little: programs write, save, rename, delete, list and read, a web user changes things, for MINUTES (30), with a small cache.
 * The daemon's private memory and its descriptors must not grow: the last third is compared with the middle one, the first warms up. (Files of
 * content and connections to the cloud are kept open, up to bounds of their own.)
 */
import assert from "node:assert/strict";
import { promises as fs, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { HTTP_CONNECTIONS_PER_HOST_MAX, OPEN_FILES_MAX } from "../../src/model/limits.ts";
import { assertCloudEquals } from "../support/cloud-equals.ts";
import { run, startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const minutes = Number(process.env["MINUTES"] ?? 30);
const seed = Number(process.env["SEED"] ?? 1);
const PROGRAMS = 4;
const FILES = 150;
const FOLDERS = 8;
/** What the allocator may hold on to by chance. A short run has only its beginning, when code is compiled and caches fill. */
const SLACK_MIB = minutes >= 20 ? 8 : 24;
const SLACK_DESCRIPTORS = 12;
/** Files that somebody uses at the moment are open beside those that are kept. */
const FILES_IN_USE = 64;

interface Sample {
  readonly anonymousMiB: number;
  /** Of content's files and of connections, which are kept in a bounded number; and of all else. */
  readonly contentFiles: number;
  readonly connections: number;
  readonly descriptors: number;
}

test(`long load: ${minutes} minutes leave memory and descriptors as they were (SEED=${seed})`, async (t) => {
  // A drive so large that no deletions are held.
  const sim = await startSim("--latency", "5", "--populate", "30x100x100");
  const mount = await startMount(sim, { options: { cache_size: "4M", poll: "2", write_back: "0.5" } });
  try {
    const end = Date.now() + minutes * 60_000;
    const random = seededRandom(seed);
    let acts = 0;
    const counted = async (act: (random: Random) => Promise<unknown>, own: Random): Promise<void> => {
      while (Date.now() < end) {
        await act(own).catch(gone);
        acts++;
      }
    };
    const all = Array.from({ length: PROGRAMS }, (_, i) => i);
    for (const i of all)
      for (let f = 0; f < FOLDERS; f++) await fs.mkdir(mount.path(`p${i}`, `f${f}`), { recursive: true });
    const samples: Sample[] = [];
    await Promise.all([
      ...all.map((i) => counted((own) => actOf(mount, `p${i}`, own), random.split(`program ${i}`))),
      counted((own) => actOnWeb(sim, own), random.split("web")),
      sampleUntil(end, mount, sim, samples),
    ]);
    await mount.settled(300);
    await assertCloudEquals(sim, mount.dir);
    const third = Math.floor(samples.length / 3);
    const [middle, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
    const memory = (part: readonly Sample[]): number => median(part.map(({ anonymousMiB }) => anonymousMiB));
    const open = (part: readonly Sample[]): number => median(part.map(({ descriptors }) => descriptors));
    t.diagnostic(
      `${acts} acts; RssAnon ${memory(middle)} -> ${memory(last)} MiB, descriptors ${open(middle)} -> ${open(last)}`,
    );
    assert.ok(memory(last) <= memory(middle) + SLACK_MIB, "memory grows");
    assert.ok(Math.max(...samples.map(({ contentFiles }) => contentFiles)) <= OPEN_FILES_MAX + FILES_IN_USE);
    assert.ok(Math.max(...samples.map(({ connections }) => connections)) <= HTTP_CONNECTIONS_PER_HOST_MAX);
    assert.ok(open(last) <= open(middle) + SLACK_DESCRIPTORS, "descriptors grow");
  } finally {
    await mount.dispose();
    await sim.stop();
  }
});

async function actOf(mount: Mount, home: string, random: Random): Promise<unknown> {
  const name = (): string => mount.path(home, `f${random.below(FOLDERS)}`, `n${random.below(FILES / FOLDERS)}`);
  const bytes = (): Buffer => Buffer.alloc(1 + random.below(20_000), String(random.next()));
  const path = name();
  switch (random.below(12)) {
    case 0:
    case 1:
      return fs.writeFile(path, bytes());
    case 2:
      return fs.appendFile(path, bytes());
    case 3:
      await fs.writeFile(`${path}.new`, bytes());
      return fs.rename(`${path}.new`, path);
    case 4:
      return fs.rename(path, name());
    case 5:
      return fs.unlink(path);
    case 6:
      return fs.truncate(path, random.below(5_000));
    case 7:
      return run("find", [mount.path(home), "-printf", "%s %p\n"]);
    case 8:
      return run("ls", ["-la", mount.path("web")]);
    case 9:
      return run("cat", [mount.path("web", `w${random.below(FILES)}`)]);
    case 10:
      return fs.stat(mount.path(home, `not there ${random.next()}`));
    default:
      return fs.readFile(path);
  }
}

async function actOnWeb(sim: Sim, random: Random): Promise<void> {
  await delay(100);
  const path = `web/w${random.below(FILES)}`;
  if (random.below(5) > 0) return sim.put(path, Buffer.alloc(1 + random.below(300_000), String(random.next())));
  await sim.remove(path);
}

/** Two programs may want the same file. */
function gone(error: unknown): void {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || errno === -116 || /: 404 /.test(String(error))) return;
  throw error;
}

async function sampleUntil(end: number, mount: Mount, sim: Sim, samples: Sample[]): Promise<void> {
  const everyMs = Math.max(1_000, (minutes * 60_000) / 90);
  while (Date.now() < end) {
    await delay(everyMs);
    const anonymousKib = Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${mount.pid}/status`, "utf8"))?.[1]);
    const anonymousMiB = Math.round(anonymousKib / 1024);
    const targets = openTargets(mount.pid);
    const contentFiles = targets.filter((target) => /\/(blobs|cache)\//.test(target)).length;
    const connections = targets.filter((target) => target.startsWith("socket:")).length;
    const descriptors = targets.length - contentFiles - connections;
    samples.push({ anonymousMiB, contentFiles, connections, descriptors });
    process.stderr.write(
      `${samples.length}: ${anonymousMiB} MiB; ${contentFiles} files of content, ${connections} connections, ${descriptors} other descriptors\n`,
    );
    await sim.clearRequests();
  }
}

/** What each descriptor is of; one that was closed meanwhile counts for nothing. */
function openTargets(pid: number): string[] {
  const folder = join("/proc", String(pid), "fd");
  return readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd))];
    } catch {
      return [];
    }
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}
