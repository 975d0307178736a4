/** kill -9 at random moments: every file whose close returned is in the cloud exactly once with its bytes. A seed replays the choices. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../../src/base/random.ts";
import { CONTROL_SILENCE_MS_MAX } from "../../src/model/limits.ts";
import { eventually, isMounted, run, startMount, type Mount } from "../support/mount-process.ts";
import { programs } from "../support/repository.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const seed = Number(process.env["SEED"] ?? 20);
const rounds = Number(process.env["ROUNDS"] ?? 25);
let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim("--latency", "15");
  mount = await startMount(sim);
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

/** What must be there, by path; undefined for a path whose last act did not return before the kill. */
type Expected = Map<string, Buffer | undefined>;

/**
 * What was deleted, with its bytes, when it had been made in the same round: its upload may have been under way when the daemon was
 * killed. Such a file may come back as a new one (nothing is deleted in the cloud on a guess), under its name and with its bytes.
 */
const deletedYoung = new Map<string, Buffer>();
const roundOf = (path: string): number => Math.floor(Number(/file-(\d+)-/.exec(path)![1]) / 1000);

async function act(random: ReturnType<typeof seededRandom>, expected: Expected, step: number): Promise<void> {
  const known = [...expected.entries()].filter(([, bytes]) => bytes !== undefined).map(([path]) => path);
  const kind =
    known.length < 3
      ? "write"
      : random.pick(["write", "write", "rewrite", "rename", "delete", "append", "big"] as const);
  const path =
    kind === "write" || kind === "big" ? `dir${random.below(3)}/file-${step}-${random.below(1e6)}` : random.pick(known);
  const bytes = Buffer.from(`${step}:${random.next()}:`.repeat(kind === "big" ? 60_000 : 1 + random.below(400)));
  const before = expected.get(path);
  expected.set(path, undefined);
  if (kind === "rename") {
    const to = `${path}.r${step}`;
    expected.set(to, undefined);
    renameSync(mount.path(path), mount.path(to));
    expected.delete(path);
    expected.set(to, before);
  } else if (kind === "delete") {
    unlinkSync(mount.path(path));
    expected.delete(path);
    if (roundOf(path) === Math.floor(step / 1000)) deletedYoung.set(path, before!);
  } else if (kind === "append") {
    await writeAll(mount.path(path), "a", bytes);
    expected.set(path, Buffer.concat([before!, bytes]));
  } else {
    await writeAll(mount.path(path), "w", bytes);
    expected.set(path, bytes);
  }
}

/** Returns only after close(2) did; a daemon that dies on the way is a rejection. */
async function writeAll(path: string, flags: string, bytes: Buffer): Promise<void> {
  const file = await open(path, flags);
  try {
    for (let at = 0; at < bytes.length; at += 100_000) await file.write(bytes.subarray(at, at + 100_000));
  } finally {
    await file.close();
  }
}

test(`survival: ${rounds} rounds of random writes and kill -9 lose and double nothing (SEED=${seed})`, async () => {
  const random = seededRandom(seed);
  const expected: Expected = new Map();
  for (let i = 0; i < 3; i++) mkdirSync(mount.path(`dir${i}`));
  for (let round = 0; round < rounds; round++) {
    let killed = false;
    const pause = random.below(700);
    const killer = delay(pause).then(async () => {
      killed = true;
      await mount.kill();
    });
    for (let step = 0; !killed; step++) {
      try {
        await act(random, expected, round * 1000 + step);
      } catch (error) {
        assert.ok(
          killed || !isMounted(mount.dir) || /ENOTCONN|EIO|ECONNABORTED|EBADF/.test(String(error)),
          `round ${round}: ${String(error)}`,
        );
        break;
      }
      if (random.below(4) === 0) await delay(random.below(60));
    }
    await killer;
    await mount.start();
  }
  await mount.settled(120);
  const cloud = await sim.paths();
  for (const [path, bytes] of expected) {
    if (bytes === undefined) continue;
    assert.ok(cloud.has(path), `${path} is in the cloud`);
    assert.ok((await sim.get(path)).equals(bytes), `${path} has its bytes in the cloud`);
    assert.ok(readFileSync(mount.path(path)).equals(bytes), `${path} has its bytes here`);
  }
  for (const path of cloud.keys()) {
    if (path === "" || /^dir\d$/.test(path) || expected.has(path)) continue;
    const young = deletedYoung.get(path);
    assert.ok(young && (await sim.get(path)).equals(young), `${path} is in the cloud and nobody wrote it`);
  }
  const contents = new Map<string, string>();
  for (const item of cloud.values()) {
    if (item.folder || item.size === 0) continue; // a file that was opened when the kill came may be empty
    const digest = createHash("sha256")
      .update(await sim.get(item.path))
      .digest("hex");
    assert.equal(contents.get(digest), undefined, `${item.path} has the bytes of another file in the cloud`);
    contents.set(digest, item.path);
  }
});

test("survival: unmounting pushes what is pending and ends with 0; a second daemon is refused; a stale mountpoint is repaired", async () => {
  writeFileSync(mount.path("last words.txt"), "said at the end");
  mkdirSync(join(mount.home, "second"));
  const second = await run(
    process.execPath,
    [join(programs, "mount.onedrive.js"), join(mount.home, "second"), "-o", `endpoint=${sim.url}`],
    mount.env,
  );
  assert.equal(second.code, 32);
  assert.match(second.err, /another daemon/);
  assert.equal(await mount.unmount(), 0);
  assert.equal((await sim.get("last words.txt")).toString(), "said at the end");
  await mount.start();
  statSync(mount.dir); // the kernel knows the root now, and would go on answering for the dead daemon
  await mount.kill();
  await mount.start(); // over the stale mountpoint
  assert.equal(readFileSync(mount.path("last words.txt"), "utf8"), "said at the end");
});

test("survival: unmounting offline tries for flush_timeout while something is pending, and not a moment longer than that is of use", async () => {
  const ending = async (): Promise<number> => {
    const beganAt = Date.now();
    assert.equal(await mount.unmount(), 0);
    return Date.now() - beganAt;
  };
  try {
    await mount.settled();
    await sim.network(false);
    await eventually("it is offline", async () => !/ online/.test((await mount.ctl("status", mount.dir)).out));
    assert.ok((await ending()) < 3_000, "with nothing pending there is nothing to try");

    await mount.start();
    writeFileSync(mount.path("just in time.txt"), "x");
    setTimeout(() => void sim.network(true), 1_500);
    assert.ok((await ending()) > 1_500);
    assert.equal((await sim.get("just in time.txt")).toString(), "x");

    await mount.start();
    await sim.network(false);
    writeFileSync(mount.path("too late.txt"), "x");
    const tookMs = await ending();
    assert.ok(tookMs > 4_500 && tookMs < 10_000, String(tookMs));
    assert.match(mount.stderr(), /1 operations stay queued/);
  } finally {
    await sim.network(true);
    await mount.start();
  }
  await eventually("at the next mount", async () => (await sim.paths()).has("too late.txt"));
});

test("survival: an open file's bytes written before the kill are there after it", async () => {
  const fd = openSync(mount.path("open.txt"), "w");
  writeSync(fd, "first part, ");
  await mount.kill();
  try {
    closeSync(fd);
  } catch {
    // the daemon is gone; the close may say so
  }
  await mount.start();
  assert.equal(readFileSync(mount.path("open.txt"), "utf8"), "first part, ");
  await mount.settled();
  await eventually("in the cloud", async () => (await sim.get("open.txt")).toString() === "first part, ");
});

test("survival: onedrivectl does not wait for a daemon that is stopped, and says how it goes on", async () => {
  writeFileSync(mount.path("before the stop.txt"), "x");
  process.kill(mount.pid, "SIGSTOP");
  try {
    const beganAt = Date.now();
    const asked = await Promise.all([mount.ctl("status", mount.dir), mount.ctl("sync", mount.path("never looked up"))]);
    assert.ok(Date.now() - beganAt < 2 * CONTROL_SILENCE_MS_MAX);
    for (const { code, err, out } of asked) {
      assert.equal(code, 1, `${code}: ${out}${err}`);
      assert.match(
        err,
        new RegExp(`${mount.dir}: the daemon \\(process ${mount.pid}\\) is stopped.*kill -CONT ${mount.pid}`),
      );
    }
  } finally {
    process.kill(mount.pid, "SIGCONT");
  }
  assert.equal((await mount.ctl("status", mount.dir)).code, 0);
  await mount.settled();
});
