/**
 * mount.onedrive: reads its line, signs in when there are no tokens yet, and runs the daemon: in this process (`--foreground`), or in a
 * child that lives on while this process ends as soon as the tree can be listed. Ends with 0 mounted, 1 wrong usage, 2 sign-in
 * needed, 32 mount failed, always with one line that says why.
 */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { unusable } from "../base/unusable.ts";
import { enableTrace } from "../base/log.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { Config } from "../model/config.ts";
import type { Fault } from "../model/fault.ts";
import { listAccounts } from "../signin/accounts.ts";
import type { SignIn } from "../signin/sign-in.ts";
import { mountHelp } from "./help.ts";
import { parseMountLine, type MountLine } from "./mount-line.ts";
import { configHome, runtimeHome, type Environment } from "./places.ts";
import { settleConfig } from "./settle-config.ts";
import { version } from "./version.ts";

/** A mount that runs in this process. */
export interface Running {
  readonly gone: Promise<void>;
  /** Ends it; how many operations stay queued for the next mount. */
  end(): Promise<number>;
}

export interface MountFailure {
  readonly exit: number;
  readonly why: string;
}

export interface SignInWish {
  readonly endpoint: string;
  readonly clientId: string | undefined;
  readonly accountDir: string;
}

/** What the composition root offers. */
export interface MountPorts {
  start(config: Config, usualRuntimeDir: string | undefined): Promise<Result<Running, MountFailure>>;
  openSignIn(
    wish: SignInWish,
  ): Promise<Result<{ readonly signIn: SignIn; readonly loopback: boolean; close(): Promise<void> }, Fault>>;
}

export interface MountSurroundings {
  readonly env: Environment;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  /** A person can read what is printed and act on it. */
  readonly terminal: boolean;
  /** This program, to be started again in the background. */
  readonly program: {
    readonly path: string;
    readonly script: string;
    readonly execArgv: readonly string[];
    readonly argv: readonly string[];
  };
  print(line: string): void;
  complain(line: string): void;
}

/** Names the descriptor on which a background daemon says that it is ready. */
const READY_FD = "MOUNT_ONEDRIVE_READY_FD";
const LOG_BYTES_MAX = 16 * 1024 * 1024;

export async function mountOneDrive(
  argv: readonly string[],
  around: MountSurroundings,
  ports: MountPorts,
): Promise<number> {
  const line = parseMountLine(argv);
  if (!line.ok) return complain(around, 1, line.fault);
  if (line.value === "help") return print(around, mountHelp().trimEnd());
  if (line.value === "version") return print(around, version());
  const accounts = await onDisk(async () => ok(await listAccounts(configHome(around.env))));
  if (!accounts.ok) return complain(around, accounts.fault.exit, accounts.fault.why);
  const config = settleConfig(line.value, { ...around, accounts: accounts.value });
  if (!config.ok) return complain(around, 1, config.fault);
  if (config.value.verbose) enableTrace();
  const readyFd = around.env[READY_FD];
  if (readyFd !== undefined) return prepareAndServe(config.value, around, ports, tellOn(Number(readyFd)));
  // With tokens there, the daemon finds out the rest by itself: what talks to the cloud is loaded once, in one process.
  const quick = !line.value.fake && !line.value.foreground && accounts.value.includes(config.value.account);
  const ready = quick ? usable(config.value.mountpoint) : await onDisk(() => prepare(config.value, around, ports));
  if (!ready.ok) return complain(around, ready.fault.exit, ready.fault.why);
  if (line.value.fake) return 0;
  if (line.value.foreground)
    return serve(config.value, around, ports, (failure) => (failure ? complain(around, failure.exit, failure.why) : 0));
  return background(config.value, line.value, around);
}

/** What can be found out before the daemon starts: the mountpoint, and that somebody is signed in. */
async function prepare(
  config: Config,
  around: MountSurroundings,
  ports: MountPorts,
): Promise<Result<undefined, MountFailure>> {
  const place = usable(config.mountpoint);
  if (!place.ok) return place;
  const opened = await ports.openSignIn(config);
  if (!opened.ok) return { ok: false, fault: { exit: opened.fault.kind === "invalid" ? 1 : 2, why: opened.fault.why } };
  const { signIn, loopback, close } = opened.value;
  try {
    if ((await signIn.who()) !== undefined) return ok();
    if (!loopback && !around.terminal) {
      return {
        ok: false,
        fault: { exit: 2, why: `account ${config.account} is not signed in: run onedrivectl login ${config.account}` },
      };
    }
    const signedIn = await signIn.byDeviceCode((message) => !loopback && around.complain(message));
    return signedIn.ok ? ok() : { ok: false, fault: { exit: 2, why: `cannot sign in: ${signedIn.fault.why}` } };
  } finally {
    await close();
  }
}

async function prepareAndServe(
  config: Config,
  around: MountSurroundings,
  ports: MountPorts,
  tell: Tell,
): Promise<number> {
  const ready = await onDisk(() => prepare(config, around, ports));
  return ready.ok ? serve(config, around, ports, tell) : tell(ready.fault);
}

function usable(mountpoint: string): Result<undefined, MountFailure> {
  const why = mountpointFault(mountpoint);
  return why === undefined ? ok() : { ok: false, fault: { exit: 32, why } };
}

/** A stale mountpoint (a daemon was killed) is fine here: the host repairs it. */
function mountpointFault(mountpoint: string): string | undefined {
  try {
    return statSync(mountpoint).isDirectory() ? undefined : `${mountpoint} is a file; a mountpoint is an empty folder`;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "ENOTCONN" || code === "ECONNABORTED") return undefined;
    return code === "ENOENT"
      ? `the mountpoint ${mountpoint} does not exist: mkdir ${mountpoint}`
      : `the mountpoint ${mountpoint} cannot be used: ${code}`;
  }
}

type Tell = (failure: MountFailure | undefined) => number;

/** Runs the daemon in this process, until the mount goes or a signal ends it. */
async function serve(config: Config, around: MountSurroundings, ports: MountPorts, tell: Tell): Promise<number> {
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  let onSignal: () => void = () => undefined;
  const signalled = new Promise<void>((resolve) => (onSignal = () => resolve()));
  for (const signal of signals) process.on(signal, onSignal);
  try {
    const started = await ports.start(config, runtimeHome(around.env));
    if (!started.ok) return tell(started.fault);
    tell(undefined);
    await Promise.race([started.value.gone, signalled]);
    const left = await started.value.end();
    if (left > 0)
      around.complain(`mount.onedrive: ${left} operations stay queued and go to the cloud at the next mount`);
    return 0;
  } finally {
    for (const signal of signals) process.removeListener(signal, onSignal);
  }
}

/** Starts the daemon as a process of its own and waits for its word. */
async function background(config: Config, line: MountLine, around: MountSurroundings): Promise<number> {
  const logFile = join(config.stateDir, "daemon.log");
  const opened = await onDisk(async () => ok(openLog(config.stateDir, logFile)));
  if (!opened.ok) return complain(around, opened.fault.exit, opened.fault.why);
  const log = opened.value;
  const { program } = around;
  const argv = [
    ...program.execArgv,
    program.script,
    ...withoutForeground(program.argv),
    ...(line.foreground ? [] : ["--foreground"]),
  ];
  const child = spawn(program.path, argv, {
    cwd: around.cwd,
    detached: true,
    env: { ...around.env, [READY_FD]: "3" },
    stdio: ["ignore", log, log, "pipe"],
  });
  closeSync(log);
  const word = await firstWord(child.stdio[3] as Readable);
  child.unref();
  (child.stdio[3] as Readable).destroy();
  if (word === undefined)
    return complain(around, 32, `the daemon ended before the mount was ready; ${logFile} says more`);
  return word.exit === 0 ? 0 : complain(around, word.exit, word.why);
}

const withoutForeground = (argv: readonly string[]): readonly string[] => argv.filter((arg) => arg !== "--foreground");

function openLog(folder: string, file: string): number {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return openSync(file, logFlags(file), 0o600);
}

/** A file or folder that cannot be used is a failure in one line; every other error is a defect. */
async function onDisk<T>(task: () => Promise<Result<T, MountFailure>>): Promise<Result<T, MountFailure>> {
  try {
    return await task();
  } catch (error) {
    const why = unusable(error);
    if (why === undefined) throw error;
    return failed({ exit: 32, why });
  }
}

function logFlags(file: string): string {
  try {
    return statSync(file).size > LOG_BYTES_MAX ? "w" : "a";
  } catch {
    return "a"; // not there yet
  }
}

/** The daemon's end of the ready descriptor. */
function tellOn(fd: number): Tell {
  return (failure) => {
    writeSync(fd, `${JSON.stringify(failure ?? { exit: 0, why: "" })}\n`);
    closeSync(fd);
    return failure?.exit ?? 0;
  };
}

async function firstWord(from: Readable): Promise<MountFailure | undefined> {
  let text = "";
  for await (const part of from) {
    text += String(part);
    if (text.includes("\n")) return JSON.parse(text) as MountFailure;
  }
  return undefined;
}

function complain(around: MountSurroundings, exit: number, why: string): number {
  around.complain(`mount.onedrive: ${why}`);
  return exit;
}

function print(around: MountSurroundings, text: string): number {
  around.print(text);
  return 0;
}
