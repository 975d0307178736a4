/**
 * A daemon that is killed while it tells the kernel something which the kernel holds up behind a program's call: that call ends, and so does
 * the mount. Were the notice written by the daemon itself, neither could be killed any more.
 */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { NOTICE_HELD_MAX_MS } from "../../src/model/limits.ts";
import { startHost, type HostProcess } from "../support/host-process.ts";
import { eventually } from "../support/mount-process.ts";

async function withHost(act: (host: HostProcess) => Promise<void>): Promise<void> {
  const host = await startHost({ host: "kernel" });
  try {
    await act(host);
  } finally {
    await host.dispose();
  }
}

/** Not by calls of this process: one that never returned would keep it for ever. */
async function letGo(host: HostProcess, program: ChildProcess): Promise<void> {
  host.child.kill("SIGKILL");
  const ended = once(program, "exit").then(([code]) => code as number | null);
  assert.equal(await Promise.race([ended, delay(5000, "it still waits", { ref: false })]), 1);
  assert.equal(await exitOf("ls", host.dir), 2, "the mount has ended");
}

async function exitOf(program: string, ...args: string[]): Promise<number | null> {
  const [code] = (await once(spawn(program, args, { stdio: "ignore" }), "exit")) as [number | null];
  return code;
}

test("killed while a notice waits for a call that has no answer", async () => {
  await withHost(async (host) => {
    await fs.writeFile(host.path("here"), "x");
    const program = spawn("mkdir", [host.path("never")], { stdio: "ignore" });
    await eventually("the call is there", async () => (await host.state()).calls["mkdir"] === 1);
    void host.ask({ ask: "moveElsewhere", from: "/here", to: "/there" });
    await delay(NOTICE_HELD_MAX_MS + 300); // then it is written though the folder is busy
    assert.equal(program.exitCode, null);
    assert.equal(await exitOf("stat", "-f", host.dir), 0); // the daemon itself is not held up
    await letGo(host, program);
  });
});

test("killed while a notice waits for a call that was not taken yet", async () => {
  await withHost(async (host) => {
    await fs.writeFile(host.path("here"), "x");
    await fs.stat(host.dir); // known to the kernel, so that the program's call is the one that holds the folder's lock
    void host.ask({ ask: "tellAndFreeze", busyMs: 500, name: "here" });
    await delay(100);
    const program = spawn("mkdir", [host.path("new")], { stdio: "ignore" });
    await delay(700);
    assert.equal(program.exitCode, null);
    await letGo(host, program);
  });
});
