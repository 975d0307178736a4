/**
 * What is measured: a plain folder, our mount, Debian's rclone mount, and the C examples of libfuse 3, which pass every call on to a plain
 * folder and so show what a FUSE mount can do at all. The first two mounts go through the simulator's TLS proxy.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { isMounted, run, startMount } from "../support/mount-process.ts";
import { repository } from "../support/repository.ts";
import type { Sim } from "../support/sim-process.ts";

export interface Contender {
  readonly name: string;
  readonly dir: string;
  /** The folder in `dir` that it writes to. */
  readonly own: string;
  /** Where it is mounted, if it is. */
  readonly mountpoint?: string;
  /** The plain folder that is shown, where there is one: what is to be there is put into it directly. */
  readonly behind?: string;
  /** How long it lets a closed file be before it sends it. */
  readonly settleMs: number;
  /** Milliseconds from the start of its program until it served. */
  readonly startMs: number;
  /** How late its event loop was since this was asked last, where that can be known. */
  loopDelay?(): Promise<LoopDelay>;
  /** Processor time of the mount's process so far. */
  cpuMs(): number;
  /** Anonymous resident memory in MiB. */
  memory(): number;
  /** Everything written is in the cloud. */
  pushed(sim: Sim, files: number, prefix: string): Promise<void>;
  stop(): Promise<void>;
}

export interface LoopDelay {
  readonly p99: number;
  readonly max: number;
}

const CLIENT_ID = "bench";
const SETTLE_MS = 3_000;
/** rclone's default of --vfs-write-back. */
const RCLONE_SETTLE_MS = 5_000;

export type Starter = (sim: Sim) => Promise<Contender>;

/** TLS through the simulator's proxy, for both mounts alike. */
export function proxyEnv(sim: Sim): NodeJS.ProcessEnv {
  const proxy = (sim.ready["proxy"] as string | undefined) ?? sim.url;
  return {
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    NO_PROXY: "",
    NODE_EXTRA_CA_CERTS: String(sim.ready["ca"]),
    SSL_CERT_FILE: String(sim.ready["ca"]),
  };
}

export const ours: Starter = (sim) => startOurs(sim, {});

/** With other options than those of the bench. */
export const oursWith =
  (options: Readonly<Record<string, string>>): Starter =>
  (sim) =>
    startOurs(sim, options);

async function startOurs(sim: Sim, options: Readonly<Record<string, string>>): Promise<Contender> {
  const home = mkdtempSync(join(tmpdir(), "onedrive-bench-ours-"));
  const env = proxyEnv(sim);
  await signIn(home, env);
  const loopFile = join(home, "loop.json");
  const began = performance.now();
  const mount = await startMount(sim, {
    home,
    options: { endpoint: "global", client_id: CLIENT_ID, write_back: String(SETTLE_MS / 1000), poll: "30", ...options },
    env: {
      ...env,
      NODE_OPTIONS: `--require ${join(repository, "test/bench/loop-delay.cjs")}`,
      BENCH_LOOP_FILE: loopFile,
    },
  });
  const startMs = performance.now() - began;
  return {
    name: "ours",
    dir: mount.dir,
    mountpoint: mount.dir,
    own: "ours",
    settleMs: SETTLE_MS,
    startMs,
    loopDelay: () => askLoopDelay(mount.pid, loopFile),
    cpuMs: () => cpuMs(mount.pid),
    memory: () => anonymousMiB(mount.pid),
    pushed: (cloud, files, prefix) => inCloud(cloud, files, prefix),
    stop: () => mount.dispose(),
  };
}

/** By device code, which the simulator approves at once. */
async function signIn(home: string, env: NodeJS.ProcessEnv): Promise<void> {
  const script = join(repository, "dist/bin/onedrivectl.js");
  const args = [script, "login", "default", "--device-code", "--client-id", CLIENT_ID];
  const there = { ...process.env, ...env, HOME: home, XDG_CONFIG_HOME: join(home, "config") };
  const ran = await run(process.execPath, args, there);
  if (ran.code !== 0) throw new Error(`no sign-in: ${ran.err}`);
}

export const plain: Starter = async () => {
  const home = mkdtempSync(join(tmpdir(), "onedrive-bench-plain-"));
  return {
    name: "plain",
    dir: home,
    own: "plain",
    behind: home,
    settleMs: 0,
    startMs: 0,
    cpuMs: () => 0,
    memory: () => 0,
    pushed: async () => undefined,
    stop: async () => rmSync(home, { recursive: true, force: true }),
  };
};

/** `extra` are the flags beside the defaults. */
export function rclone(name: string, ...extra: string[]): Starter {
  return async (sim) => {
    const home = mkdtempSync(join(tmpdir(), "onedrive-bench-rclone-"));
    const dir = join(home, "mnt");
    mkdirSync(dir);
    const lines = [
      "[od]",
      "type = onedrive",
      `token = ${JSON.stringify(await sim.token())}`,
      `drive_id = ${String(sim.ready["driveId"])}`,
      "drive_type = personal",
    ];
    writeFileSync(join(home, "rclone.conf"), `${lines.join("\n")}\n`);
    const args = [
      "mount",
      "od:",
      dir,
      "--config",
      join(home, "rclone.conf"),
      "--cache-dir",
      join(home, "cache"),
      "--ca-cert",
      String(sim.ready["ca"]),
      "--log-file",
      join(home, "rclone.log"),
      ...extra,
    ];
    const began = performance.now();
    const child = spawn("rclone", args, {
      env: { ...process.env, ...proxyEnv(sim), HOME: home },
      stdio: ["ignore", "ignore", "inherit"],
    });
    await mounted(child, dir);
    const startMs = performance.now() - began;
    return {
      name,
      startMs,
      dir,
      mountpoint: dir,
      own: name,
      settleMs: RCLONE_SETTLE_MS,
      cpuMs: () => cpuMs(child.pid!),
      memory: () => anonymousMiB(child.pid!),
      pushed: (cloud, files, prefix) => inCloud(cloud, files, prefix),
      async stop() {
        await run("fusermount", ["-uz", dir]);
        if (child.exitCode === null) {
          const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
          await once(child, "exit");
          clearTimeout(timer);
        }
        rmSync(home, { recursive: true, force: true });
      },
    };
  };
}

const EXAMPLES = "/usr/share/doc/libfuse3-dev/examples";

/** Whether the examples are here to be built: Debian's libfuse3-dev, pkg-config and a compiler. */
export const hasExamples = existsSync(join(EXAMPLES, "passthrough_ll.c"));

/** passthrough_ll keeps a descriptor for every file that was looked at: whether that many can be had. */
export const canOpen = (files: number): boolean =>
  Number(execFileSync("sh", ["-c", "ulimit -H -n"], { encoding: "utf8" }).replace("unlimited", "Infinity")) > files;

/** An example of libfuse 3 over a plain folder, with the timeouts that ours has. `onFolder`: how it is told of the folder. */
export function example(name: string, onFolder: (folder: string) => readonly string[]): Starter {
  return async () => {
    const home = mkdtempSync(join(tmpdir(), `onedrive-bench-${name}-`));
    const [dir, folder, binary] = [join(home, "mnt"), join(home, "folder"), join(home, name)];
    for (const each of [dir, folder]) mkdirSync(each);
    const flags = (await run("pkg-config", ["fuse3", "--cflags", "--libs"])).out.trim().split(/\s+/);
    const built = await run("gcc", ["-O2", "-o", binary, join(EXAMPLES, `${name}.c`), ...flags]);
    if (built.code !== 0) throw new Error(`${name} cannot be built: ${built.err}`);
    const began = performance.now();
    const line = `ulimit -n $(ulimit -H -n) && exec "$0" "$@"`;
    const child = spawn("sh", ["-c", line, binary, "-f", ...onFolder(folder), dir], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    await mounted(child, dir);
    return {
      name,
      startMs: performance.now() - began,
      dir: onFolder(folder).length > 0 ? dir : join(dir, folder),
      mountpoint: dir,
      own: name,
      behind: folder,
      settleMs: 0,
      cpuMs: () => cpuMs(child.pid!),
      memory: () => anonymousMiB(child.pid!),
      pushed: async () => undefined,
      async stop() {
        await run("fusermount", ["-uz", dir]);
        if (child.exitCode === null) await once(child, "exit");
        rmSync(home, { recursive: true, force: true });
      },
    };
  };
}

async function askLoopDelay(pid: number, file: string): Promise<LoopDelay> {
  rmSync(file, { force: true });
  process.kill(pid, "SIGUSR2");
  while (!existsSync(file)) await delay(10);
  return JSON.parse(readFileSync(file, "utf8")) as LoopDelay;
}

async function mounted(child: ChildProcess, dir: string): Promise<void> {
  for (let i = 0; i < 500 && !isMounted(dir); i++) {
    if (child.exitCode !== null) throw new Error("it did not mount");
    await delay(20);
  }
}

async function inCloud(sim: Sim, files: number, prefix: string): Promise<void> {
  for (;;) {
    const there = (await sim.tree()).filter((item) => item.path.startsWith(`${prefix}/`) && !item.folder);
    if (there.length >= files) return;
    await delay(100);
  }
}

function anonymousMiB(pid: number): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
}

/** User and system time; the kernel counts in hundredths of a second. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
