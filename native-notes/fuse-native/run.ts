/**
 * Shows, one line each, what the stock fuse-native gets wrong and that the patched one does not:
 *
 *   node --import tsx native-notes/fuse-native/run.ts            the installed (patched) package; exits 0 when all pass
 *   node --import tsx native-notes/fuse-native/run.ts --stock    the package as published; expected to fail (exits 1)
 *
 * Needs /dev/fuse, fusermount and coreutils. Each probe gets a mount of its own in another process (probe-fs.ts).
 */
import { execFile, fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { probes, type Mount } from "./probes.ts";

const run = promisify(execFile);
const repository = path.resolve(import.meta.dirname, "../..");
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "fuse-native-probe-"));

const stock = process.argv.includes("--stock");
const packageDir = stock ? await stockPackage() : path.join(repository, "node_modules/fuse-native");
let failures = 0;
try {
  for (const [name, probe] of Object.entries(probes)) {
    const problem = await withMount(probe).catch((error: Error) => `: ${error.message.split("\n")[0]}`);
    if (problem) failures++;
    console.log(`${problem ? "FAIL" : "ok  "} ${name}${problem ?? ""}`);
  }
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
console.log(`${failures} of ${Object.keys(probes).length} probes fail on the ${stock ? "stock" : "installed"} package`);
process.exitCode = failures ? 1 : 0;

/** The published package with its own prebuilt binary, beside the dependencies that are installed here. */
async function stockPackage(): Promise<string> {
  const modules = path.join(scratch, "node_modules");
  fs.mkdirSync(path.join(modules, "fuse-native"), { recursive: true });
  await run("npm", ["pack", "fuse-native@2.2.6", "--prefer-offline", "--silent"], { cwd: scratch });
  await run("tar", ["xzf", "fuse-native-2.2.6.tgz", "-C", "node_modules/fuse-native", "--strip-components=1"], {
    cwd: scratch,
  });
  const installed = path.join(repository, "node_modules");
  for (const name of fs.readdirSync(installed)) {
    if (name !== "fuse-native") fs.symlinkSync(path.join(installed, name), path.join(modules, name));
  }
  fs.copyFileSync(
    path.join(installed, "fuse-shared-library-linux/libfuse/lib/libfuse.so"),
    path.join(modules, "fuse-native/libfuse.so.2"),
  );
  return path.join(modules, "fuse-native");
}

async function withMount(probe: (mount: Mount) => Promise<void>): Promise<undefined> {
  const mountpoint = fs.mkdtempSync(path.join(scratch, "mnt-$(touch injected)-"));
  const child = fork(path.join(import.meta.dirname, "probe-fs.ts"), [packageDir, mountpoint], {
    execArgv: ["--import", import.meta.resolve("tsx")],
    env: { ...process.env, LD_LIBRARY_PATH: stock ? packageDir : "" },
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const exited = once(child, "exit");
  try {
    const [up] = await Promise.race([once(child, "message"), exited]);
    if (!up?.mounted) throw new Error(`mount: ${up?.error ?? "the server ended"}`);
    await probe({ path: mountpoint, child, exited, ask: (question) => ask(child, question) });
  } finally {
    await run("fusermount", ["-uz", mountpoint]).catch(() => undefined);
    await Promise.race([exited, sleep(500)]);
    child.kill("SIGKILL");
    await exited;
  }
}

async function ask(child: ChildProcess, question: string): Promise<Record<string, unknown>> {
  const answer = once(child, "message");
  child.send(question);
  return (await answer)[0];
}
