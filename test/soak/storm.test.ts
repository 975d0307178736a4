/**
 * Many programs at once on one mount, with every kind of call, while the cloud is slow and the daemon is killed in between: every read is
 * compared with what was written, and at the end the cloud with the mount, byte for byte. A seed replays the choices (SEED, STORM_SECONDS, WORKERS,
 * KILLS; FAULTS names faults of the simulator that strike meanwhile).
 */
import assert from "node:assert/strict";
import { promises as fs } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { assertCloudEquals } from "../support/cloud-equals.ts";
import { startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const seed = Number(process.env["SEED"] ?? 7);
const seconds = Number(process.env["STORM_SECONDS"] ?? 5);
const workers = Number(process.env["WORKERS"] ?? 4);
const faults = (process.env["FAULTS"] ?? "").split(",").filter(Boolean);
const kills = Number(process.env["KILLS"] ?? 1);
let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim("--latency", process.env["LATENCY"] ?? "20");
  mount = await startMount(sim, { options: { write_back: process.env["WRITE_BACK"] ?? "0.05" } });
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

/** The files of one worker, by path; nobody else touches them. */
class Worker {
  readonly files = new Map<string, Buffer>();
  readonly folders: string[];
  readonly random: Random;
  readonly home: string;
  step = 0;
  doing = "";
  readonly history: string[] = [];

  constructor(home: string, random: Random) {
    this.home = home;
    this.random = random;
    this.folders = [home];
  }

  bytes(): Buffer {
    const size = this.random.pick([0, 10, 1000, 5000, 70_000, 300_000] as const);
    return Buffer.from(`${this.home}.${this.step}.${this.random.next()} `.repeat(1 + Math.ceil(size / 20))).subarray(
      0,
      size,
    );
  }

  newPath(): string {
    return `${this.random.pick(this.folders)}/n${this.random.below(12)}`;
  }

  async verify(path: string): Promise<void> {
    const wanted = this.files.get(path)!;
    const got = await fs.readFile(mount.path(path));
    const { size } = await fs.stat(mount.path(path));
    const told = this.history.slice(-80).join("\n");
    if (size !== wanted.length) {
      assert.fail(`size of ${path}: ${size} for ${wanted.length}, read ${got.length}\n${told}`);
    }
    if (!got.equals(wanted)) {
      let at = 0;
      while (at < got.length && got[at] === wanted[at]) at++;
      assert.fail(
        `${path}: ${got.length} of ${wanted.length} bytes, differ at ${at} (step ${this.step}, ${this.doing})\n${told}`,
      );
    }
  }

  async act(): Promise<void> {
    this.step++;
    const known = [...this.files.keys()];
    const kind = this.random.pick([
      "write",
      "write",
      "append",
      "patch",
      "cut",
      "rename",
      "unlink",
      "renew",
      "folder",
      "verify",
      "verify",
      "saveByRename",
      "moveFolder",
      "held",
    ] as const);
    const path = known.length > 2 && kind !== "write" ? this.random.pick(known) : this.newPath();
    const before = this.files.get(path);
    this.doing = `${kind} ${path}`;
    const full = mount.path(path);
    this.history.push(`${Date.now()} ${this.step} ${this.doing}`);
    if (kind === "verify") return before === undefined ? undefined : this.verify(path);
    if (kind === "write" || before === undefined) {
      const bytes = this.bytes();
      await fs.writeFile(full, bytes);
      this.files.set(path, bytes);
    } else if (kind === "append") {
      const more = this.bytes();
      await fs.appendFile(full, more);
      this.files.set(path, Buffer.concat([before, more]));
    } else if (kind === "patch") {
      const part = this.bytes();
      const at = this.random.below(before.length + 10);
      const file = await fs.open(full, "r+");
      await file.write(part, 0, part.length, at);
      await file.close();
      const next = Buffer.alloc(part.length === 0 ? before.length : Math.max(before.length, at + part.length));
      before.copy(next);
      part.copy(next, at);
      this.files.set(path, next);
    } else if (kind === "cut") {
      const size = this.random.below(before.length + 100);
      await fs.truncate(full, size);
      const next = Buffer.alloc(size);
      before.copy(next);
      this.files.set(path, next);
    } else if (kind === "rename") {
      const to = this.newPath();
      this.history.push(`${Date.now()}    -> ${to}`);
      await fs.rename(full, mount.path(to));
      this.files.delete(path);
      this.files.set(to, before);
    } else if (kind === "unlink") {
      await fs.unlink(full);
      this.files.delete(path);
    } else if (kind === "renew") {
      await fs.unlink(full);
      const bytes = this.bytes();
      await fs.writeFile(full, bytes);
      this.files.set(path, bytes);
    } else if (kind === "saveByRename") {
      const bytes = this.bytes();
      const temporary = `${path}.new${this.step}`;
      await fs.writeFile(mount.path(temporary), bytes);
      await fs.rename(mount.path(temporary), full);
      this.files.set(path, bytes);
    } else if (kind === "held") {
      const file = await fs.open(full, "r");
      await fs.unlink(full);
      this.files.delete(path);
      await delay(this.random.below(80));
      const got = Buffer.alloc(before.length + 10);
      let length = 0;
      for (let n = -1; n !== 0; length += n) n = (await file.read(got, length, got.length - length, length)).bytesRead;
      await file.close();
      assert.ok(got.subarray(0, length).equals(before), `${path}: read after unlink`);
    } else if (kind === "folder") {
      const folder = `${this.home}/f${this.step}`;
      await fs.mkdir(mount.path(folder));
      if (this.random.below(2) === 0 && this.folders.length < 5) this.folders.push(folder);
      else {
        await fs.rename(mount.path(folder), mount.path(`${folder}x`));
        await fs.rmdir(mount.path(`${folder}x`));
      }
    } else if (kind === "moveFolder" && this.folders.length > 1) {
      const index = 1 + this.random.below(this.folders.length - 1);
      const from = this.folders[index]!;
      const to = `${from.slice(0, 60)}m${this.step}`;
      await fs.rename(mount.path(from), mount.path(to));
      this.folders[index] = to;
      for (const [name, bytes] of Array.from(this.files)) {
        if (!name.startsWith(`${from}/`)) continue;
        this.files.delete(name);
        this.files.set(`${to}${name.slice(from.length)}`, bytes);
      }
    }
    if (this.random.below(3) === 0) await delay(this.random.below(150));
  }
}

test(`storm: ${workers} programs, every read right, cloud and mount the same (SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const all: Worker[] = [];
  for (let i = 0; i < workers; i++) {
    await fs.mkdir(mount.path(`w${i}`));
    all.push(new Worker(`w${i}`, random.split(`worker ${i}`)));
  }
  for (let round = 0; round <= kills; round++) {
    for (const kind of faults)
      await sim.faults({
        kind,
        probability: 0.05,
        count: 10_000,
        seed: seed + round,
        ...(process.env["ROUTE"] ? { route: process.env["ROUTE"] } : {}),
      });
    const end = Date.now() + (seconds * 1000) / (kills + 1);
    let stop = false;
    const ran = all.map(async (worker) => {
      try {
        while (!stop && Date.now() < end) await worker.act();
      } catch (error) {
        stop = true;
        throw new Error(`${worker.doing} (step ${worker.step}): ${String(error)}`);
      }
    });
    const failed = (await Promise.allSettled(ran)).find((one) => one.status === "rejected");
    if (failed) throw new Error(`${String((failed as PromiseRejectedResult).reason)}\n${mount.stderr()}`);
    if (round < kills) {
      await mount.kill();
      await mount.start();
    }
  }
  await sim.clearFaults();
  for (const worker of all) for (const path of worker.files.keys()) await worker.verify(path);
  await mount.settled(90);
  for (const worker of all) for (const path of worker.files.keys()) await worker.verify(path);
  await assertCloudEquals(sim, mount.dir);
  const wanted = all.flatMap((worker) => [...worker.files.keys()]).toSorted();
  const there = (await sim.tree())
    .filter(({ folder }) => !folder)
    .map(({ path }) => path)
    .toSorted();
  assert.deepEqual(there, wanted);
});
