/**
 * Run as an ordinary user: mounts the memory vfs through the kernel host, uses it, and unmounts it with fusermount3. Prints one line of
 * JSON. Nobody else can look into such a mount, so this is done by a process of that user.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { mountAt } from "../../src/host/mount-table.ts";
import { startHost } from "./host-process.ts";

const execute = promisify(execFile);
const host = await startHost({ host: "kernel" });
try {
  if (host.fault) throw new Error(host.fault.why);
  const { stdout } = await execute("sh", ["-c", 'echo hello > "$1/f" && cat "$1/f" && ls -A "$1"', "sh", host.dir]);
  const entry = await mountAt(host.dir);
  await execute("fusermount3", ["-u", host.dir]);
  const exit = await host.exited;
  console.log(JSON.stringify({ uid: process.getuid?.(), stdout, type: entry?.type, source: entry?.source, exit }));
} finally {
  await host.dispose();
}
