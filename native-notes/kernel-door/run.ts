/**
 * Shows what the running kernel makes of notices: which of them raise inotify events, and what a program sees afterwards.
 *
 *   node --import tsx native-notes/kernel-door/run.ts
 *
 * Needs /dev/fuse and inotify-tools. The vfs is in memory, in another process.
 */
import { execFile, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Act } from "./server.ts";

const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), "kernel-door-"));
const server = fork(join(import.meta.dirname, "server.ts"), [dir], { execArgv: ["--import", "tsx"] });
try {
  await once(server, "message");
  for (const notice of ["none", "entry", "delete"] as const) await probe("a file removed elsewhere", "remove", notice);
  for (const notice of ["none", "entry"] as const) await probe("a file made elsewhere", "make", notice);
  for (const notice of ["none", "node"] as const) await probe("bytes changed elsewhere", "rewrite", notice);
} finally {
  await run("fusermount", ["-uz", dir]);
  await once(server, "exit");
  rmdirSync(dir);
}

async function probe(what: string, act: Act["act"], notice: Act["notice"]): Promise<void> {
  const name = `${act}-${notice}`;
  const path = join(dir, name);
  if (act !== "make") writeFileSync(path, "first");
  const before = act === "make" ? existsSync(path) : statSync(path).size;
  const watched = act === "make" ? [dir] : [dir, path];
  const watch = spawn("inotifywait", ["-m", "-q", "--format", "%e %f", ...watched], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let events = "";
  watch.stdout.on("data", (part: Buffer) => (events += part.toString()));
  await delay(700);
  server.send({ act, name, notice } satisfies Act);
  await once(server, "message");
  await delay(500);
  watch.kill();
  const seen = events.trim().replaceAll("\n", ", ") || "none";
  const after = act === "rewrite" ? statSync(path).size : existsSync(path);
  console.log(`${what}, notice: ${notice}. inotify: ${seen}. before: ${before}, a look afterwards: ${after}`);
}
