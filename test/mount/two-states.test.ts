/**
 * One account mounted twice with two state folders, as two devices would be: each path is answered for by its own daemon, and the
 * bytes of one are never taken for the other's.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { programs } from "../support/repository.ts";
import { eventually, run, type Ran } from "../support/mount-process.ts";
import { startSim } from "../support/sim-process.ts";

test("two states: onedrivectl asks the daemon that serves the path; a folder in use is refused by name", async () => {
  const sim = await startSim();
  const home = mkdtempSync(join(tmpdir(), "onedrive-two-states-"));
  const env = {
    ...process.env,
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    XDG_STATE_HOME: join(home, "state"),
    XDG_CACHE_HOME: join(home, "cache"),
    XDG_RUNTIME_DIR: join(home, "run"),
  };
  const mount = (at: string, options: string): Promise<Ran> =>
    run(
      process.execPath,
      [join(programs, "mount.onedrive.js"), at, "-o", `endpoint=${sim.url},write_back=600,cache_free=0${options}`],
      env,
    );
  const ctl = async (...args: string[]): Promise<{ mountpoint: string; pending: number; pid: number }> => {
    const ran = await run(process.execPath, [join(programs, "onedrivectl.js"), ...args, "--json"], env);
    assert.equal(ran.code, 0, ran.err);
    return JSON.parse(ran.out) as { mountpoint: string; pending: number; pid: number };
  };
  const daemons: number[] = [];
  const [one, two, three] = ["one", "two", "three"].map((name) => join(home, name)) as [string, string, string];
  for (const folder of [one, two, three]) mkdirSync(folder);
  try {
    assert.equal((await mount(one, "")).code, 0);
    assert.equal((await mount(two, `,state=${home}/s2,cache=${home}/c2,flush_timeout=0`)).code, 0);
    for (const at of [one, two]) daemons.push((await ctl("status", at)).pid);
    writeFileSync(join(two, "f"), "kept back");
    assert.deepEqual([(await ctl("status", one)).mountpoint, (await ctl("status", one)).pending], [one, 0]);
    assert.deepEqual([(await ctl("status", two)).mountpoint, (await ctl("status", two)).pending], [two, 1]);
    const inUse = await mount(three, `,state=${home}/s3`);
    assert.deepEqual([inUse.code, /another mount uses the cache folder .*-o cache=DIR/.test(inUse.err)], [32, true]);
    const again = await mount(three, `,state=${home}/s2,cache=${home}/c3`);
    assert.deepEqual([again.code, /mounted already/.test(again.err)], [32, true], again.err);
    assert.equal((await run("fusermount", ["-u", two])).code, 0);
    assert.equal((await ctl("status", one)).mountpoint, one, "it still answers when the other has gone");
  } finally {
    for (const folder of [one, two, three]) await run("fusermount", ["-uz", folder]);
    await eventually("both daemons ended", () => !daemons.some(lives));
    await sim.stop();
    rmSync(home, { recursive: true, force: true });
  }
});

/** fusermount comes back before the daemon has closed its store. */
function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
