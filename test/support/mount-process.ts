/**
 * A real mount for a test: the daemon runs as a child process in folders of its own, so the test may use the mount without
 * deadlocking. `dispose` always unmounts, kills only what it started, and deletes the folders.
 */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { setTimeout as delay } from "node:timers/promises";
import { call } from "../../src/control/socket-client.ts";
import { socketPathOf } from "../../src/control/whereabouts.ts";
import { programs } from "./repository.ts";
import { WITH_US, type Sim } from "./sim-process.ts";

const execFileAsync = promisify(execFile);

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Mount {
  /** The mountpoint. */
  readonly dir: string;
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  path(...parts: string[]): string;
  /** Runs onedrivectl. */
  ctl(...args: string[]): Promise<Ran>;
  /** Waits until everything is pushed; throws when it is not within the seconds given. */
  settled(seconds?: number): Promise<void>;
  /** fusermount -u, and waits for the daemon's end; gives its exit status. */
  unmount(): Promise<number>;
  /** kill -9. The mountpoint stays stale, as after a real crash. */
  kill(): Promise<void>;
  /** Mounts again on the same state. */
  start(): Promise<void>;
  stderr(): string;
  dispose(): Promise<void>;
}

export interface MountWishes {
  readonly options?: Readonly<Record<string, string>>;
  readonly env?: NodeJS.ProcessEnv;
  /** Reuse the folders of an earlier one. */
  readonly home?: string;
  /** Where to mount; default: a folder in `home`. */
  readonly mountpoint?: string;
}

/** Mounts the simulator's drive. The defaults make a test quick: poll 1 s, settle 0.2 s. */
export async function startMount(sim: Sim | { url: string }, wishes: MountWishes = {}): Promise<Mount> {
  const home = wishes.home ?? mkdtempSync(join(process.env["TEST_MOUNT_ROOT"] ?? tmpdir(), "onedrive-mount-"));
  const dir = wishes.mountpoint ?? join(home, "mnt");
  await mkdir(dir, { recursive: true });
  const env = {
    ...process.env,
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    XDG_STATE_HOME: join(home, "state"),
    XDG_CACHE_HOME: join(home, "cache"),
    XDG_RUNTIME_DIR: join(home, "run"),
    ...wishes.env,
  };
  const options = {
    endpoint: sim.url,
    poll: "1",
    write_back: "0.2",
    cache_free: "0",
    host: process.env["HOST"] ?? "auto",
    ...wishes.options,
  };
  const list = Object.entries(options).map(([name, value]) => (value === "" ? name : `${name}=${value}`));
  const socket = socketPathOf(join(home, "run/mount.onedrive"), "default");
  const errors: string[] = [];
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const script = join(programs, "mount.onedrive.js");
    const started = spawn(
      "setpriv",
      [...WITH_US, process.execPath, script, dir, "--foreground", "-o", list.join(",")],
      {
        env,
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    child = started;
    started.stderr!.on("data", (part: Buffer) => errors.push(part.toString()));
    const deadline = Date.now() + 30_000;
    while (!(await serves(socket, started.pid!))) {
      if (started.exitCode !== null || Date.now() > deadline)
        throw new Error(`no mount (exit ${started.exitCode}): ${errors.join("")}`);
      await delay(20);
    }
  };
  const ended = async (limitMs: number): Promise<number> => {
    const running = child!;
    if (running.exitCode === null && running.signalCode === null) {
      const timer = setTimeout(() => running.kill("SIGKILL"), limitMs);
      await once(running, "exit");
      clearTimeout(timer);
    }
    return running.exitCode ?? 128;
  };
  await start();
  return {
    dir,
    home,
    env,
    get pid() {
      return child!.pid!;
    },
    path: (...parts) => join(dir, ...parts),
    ctl: (...args) => run(process.execPath, [join(programs, "onedrivectl.js"), ...args], env),
    async settled(seconds = 60) {
      const ran = await run(
        process.execPath,
        [join(programs, "onedrivectl.js"), "status", dir, "--wait", "--timeout", String(seconds)],
        env,
      );
      if (ran.code !== 0)
        throw new Error(`not settled (exit ${ran.code}): ${ran.out}${ran.err}${errors.slice(-20).join("")}`);
    },
    async unmount() {
      await execFileAsync("fusermount", ["-u", dir]);
      return ended(30_000);
    },
    async kill() {
      child!.kill("SIGKILL");
      await ended(5_000);
    },
    start,
    stderr: () => errors.join(""),
    async dispose() {
      if (isMounted(dir)) await run("fusermount", ["-uz", dir], env);
      if (child) await ended(10_000);
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Whether this daemon has mounted: its control socket opens after that. (The kernel may answer for a stale mount from its caches.) */
async function serves(socket: string, pid: number): Promise<boolean> {
  const status = await call(socket, "status", {});
  return status.ok && status.value.pid === pid;
}

/** Whether the mount table has it (without touching it, so a stale one answers too). */
export function isMounted(dir: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === dir);
}

/** Runs a program to its end; never throws for an exit status. */
export async function run(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
  cwd?: string,
): Promise<Ran> {
  const options = { env, maxBuffer: 64 * 1024 * 1024, ...(cwd ? { cwd } : {}) };
  try {
    const { stdout, stderr } = await execFileAsync(program, [...args], options);
    return { code: 0, out: stdout, err: stderr };
  } catch (error) {
    const failure = error as { code?: number | string; stdout?: string; stderr?: string; message: string };
    return {
      code: typeof failure.code === "number" ? failure.code : 127,
      out: failure.stdout ?? "",
      err: failure.stderr ?? failure.message,
    };
  }
}

/** Waits until `holds` is true; throws with `what` when it is not in time. */
export async function eventually(
  what: string,
  holds: () => Promise<boolean> | boolean,
  limitMs = 15_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not in ${limitMs} ms: ${what}`);
    await delay(50);
  }
}

export function programExists(name: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((dir) => existsSync(join(dir, name)));
}
