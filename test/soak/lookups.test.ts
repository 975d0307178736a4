/**
 * 1,000,000 nodes handed to the kernel, by listings and by lookups, and taken back: the daemon's private memory stays as it was. The kernel is
 * made to forget by remounting, which is for root. (ROUNDS of 10,000)
 */
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { test } from "node:test";
import { run, startMount } from "../support/mount-process.ts";
import { startSim } from "../support/sim-process.ts";

const rounds = Number(process.env["ROUNDS"] ?? 100);
const FOLDERS = 100;
const FILES = 100;
/** What the allocator may hold on to by chance. */
const SLACK_MIB = 12;

test(`lookups: ${rounds} times 10,000 nodes handed out and forgotten leave memory as it was`, async (t) => {
  const sim = await startSim("--populate", `${FOLDERS}x${FILES}x10`);
  const mount = await startMount(sim);
  try {
    assert.equal((await mount.ctl("sync", mount.dir)).code, 0);
    const paths = (await run("find", [mount.dir, "-type", "f"])).out.trim().split("\n");
    assert.equal(paths.length, FOLDERS * FILES);
    const memory: number[] = [];
    const cpuMs = { listed: 0, lookedUp: 0 };
    for (let round = 0; round < rounds; round++) {
      const remounted = await run("mount", ["-i", "-o", "remount", mount.dir]);
      assert.equal(remounted.code, 0, remounted.err);
      const [before, began] = [processorMs(mount.pid), performance.now()];
      if (round % 2 === 0) assert.equal((await run("find", [mount.dir, "-printf", "%s\n"])).code, 0);
      else for (const path of paths) statSync(path);
      cpuMs[round % 2 === 0 ? "listed" : "lookedUp"] += processorMs(mount.pid) - before;
      memory.push(anonymousMiB(mount.pid));
      if (round % 10 === 0)
        process.stderr.write(`${round}: ${memory.at(-1)} MiB, ${Math.round(performance.now() - began)} ms\n`);
    }
    const nodes = (rounds / 2) * paths.length;
    t.diagnostic(
      `RssAnon ${memory[Math.floor(rounds / 3)]} -> ${memory.at(-1)} MiB; processor time of the daemon for each node: ` +
        `${((cpuMs.listed * 1000) / nodes).toFixed(1)} us by listings, ${((cpuMs.lookedUp * 1000) / nodes).toFixed(1)} us by lookups`,
    );
    assert.ok(memory.at(-1)! <= memory[Math.floor(rounds / 3)]! + SLACK_MIB, "memory grows");
  } finally {
    await mount.dispose();
    await sim.stop();
  }
});

function anonymousMiB(pid: number): number {
  return Math.round(Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024);
}

/** User and system time; the kernel counts in hundredths of a second. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
