/**
 * onedrivectl: finds the daemons a command is meant for, asks them, prints their answers and says with its exit status whether what
 * was printed is what was wanted. Sign-in commands need no daemon (see account-commands.ts).
 */
import { readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Calls, CallName } from "../control/control.ts";
import { call } from "../control/socket-client.ts";
import { mountOf, ourMounts, socketOfSource, type Mount } from "../control/whereabouts.ts";
import type { Fault } from "../model/fault.ts";
import { accountCommand } from "./account-commands.ts";
import type { MountPorts } from "./mount.ts";
import { parseCtlLine, type CtlLine } from "./ctl-line.ts";
import {
  showCheck,
  showConflicts,
  showDownloads,
  showFreed,
  showInfo,
  showOps,
  showPin,
  showStatus,
} from "./ctl-show.ts";
import { ctlHelp } from "./help.ts";
import { runtimeHome, type Environment } from "./places.ts";
import { version } from "./version.ts";

export interface Surroundings {
  readonly env: Environment;
  readonly cwd: string;
  readonly uid: number | undefined;
  print(line: string): void;
  complain(line: string): void;
}

/** Runs one command line; gives the exit status. */
export async function onedrivectl(
  argv: readonly string[],
  around: Surroundings,
  ports: Pick<MountPorts, "openSignIn">,
): Promise<number> {
  const line = parseCtlLine(argv);
  if (!line.ok) return usage(around, line.fault);
  if (line.value === "help") return say(around, ctlHelp().trimEnd());
  if (line.value === "version") return say(around, version());
  if (["login", "logout", "accounts"].includes(line.value.command)) return accountCommand(line.value, around, ports);
  return daemonCommand(line.value, around);
}

function usage(around: Surroundings, why: string): number {
  around.complain(`onedrivectl: ${why}`);
  return 1;
}

function say(around: Surroundings, text: string): number {
  around.print(text);
  return 0;
}

/** What one call to one daemon came to. */
interface Outcome {
  readonly exit: number;
  readonly json: unknown;
  readonly text: string;
  /** Nobody answered at all. */
  readonly isGone?: boolean;
}

async function daemonCommand(line: CtlLine, around: Surroundings): Promise<number> {
  const targets = findTargets(line, around);
  if (typeof targets === "string") return usage(around, targets);
  const outcomes: Outcome[] = [];
  for (const target of targets) outcomes.push(located(await ask(line, target.socket, target.path), target));
  const shown = outcomes.length === 1 ? outcomes[0]!.json : outcomes.map((outcome) => outcome.json);
  if (line.json) around.print(JSON.stringify(shown));
  for (const outcome of outcomes) {
    if (outcome.exit === 1) around.complain(`onedrivectl: ${outcome.text}`);
    else if (!line.json) around.print(outcome.text);
  }
  return Math.max(...outcomes.map((outcome) => outcome.exit));
}

/** Of several mounts, the one whose daemon is gone has to be named. */
function located(outcome: Outcome, { mountpoint }: Target): Outcome {
  return outcome.isGone ? { ...outcome, text: `${mountpoint}: ${outcome.text}` } : outcome;
}

interface Target {
  readonly mountpoint: string;
  readonly socket: string;
  /** The argument, absolute and free of symbolic links, for commands that take paths. */
  readonly path: string;
}

/** The daemons a command speaks to, or why there is none. */
function findTargets(line: CtlLine, around: Surroundings): readonly Target[] | string {
  const mounts = ourMounts();
  const paths = ["retry", "cancel", "undo"].includes(line.command) ? line.args.slice(1) : line.args;
  if (paths.length === 0) {
    const yours = mounts.filter(({ uid }) => uid === undefined || uid === around.uid);
    const each = yours.map((mount) => gather([[mount, mount.mountpoint]], around));
    const known = each.flatMap((found) => (typeof found === "string" ? [] : found));
    // One whose daemon lives in another environment does not keep the others from answering.
    const lost = each.find((found) => typeof found === "string");
    if (known.length === 0 && lost !== undefined) return lost;
    // A mount of the same account with other folders may name the same socket.
    const targets = [...new Map(known.map((target) => [target.socket, target])).values()];
    if (targets.length === 0) return "no OneDrive is mounted";
    if (["retry", "cancel", "undo"].includes(line.command) && targets.length > 1)
      return "several OneDrives are mounted: name a path in the one you mean";
    return targets;
  }
  const found: [Mount, string][] = [];
  for (const given of paths) {
    const path = realPath(resolve(around.cwd, given), mounts);
    const mount = mountOf(path, mounts);
    if (!mount) return `${given} is not in a mounted OneDrive`;
    found.push([mount, path]);
  }
  return gather(found, around);
}

function gather(found: readonly (readonly [Mount, string])[], around: Surroundings): readonly Target[] | string {
  const targets: Target[] = [];
  for (const [mount, path] of found) {
    const socket = socketOfSource(mount.source, runtimeHome(around.env));
    if (socket === undefined) return `${mount.mountpoint}: set XDG_RUNTIME_DIR to the one its daemon was started with`;
    targets.push({ mountpoint: mount.mountpoint, socket, path });
  }
  return targets;
}

/**
 * Links resolved as far as the path exists: a command may name an item that is gone. Inside a OneDrive there are no links, and nothing is
 * looked at: a daemon that hangs must not keep us from saying so.
 */
function realPath(path: string, mounts: readonly Mount[]): string {
  const left = path.split("/");
  let at = "/";
  for (let links = 0; left.length > 0;) {
    const part = left.shift()!;
    if (part === "" || part === ".") continue;
    const here = part === ".." ? dirname(at) : join(at, part);
    const target = links < LINKS_MAX && !mountOf(here, mounts) ? linkAt(here) : undefined;
    if (target !== undefined) {
      links++;
      left.unshift(...target.split("/"));
    }
    if (target === undefined) at = here;
    else if (target.startsWith("/")) at = "/";
  }
  return at;
}

/** As many as the kernel follows. */
const LINKS_MAX = 40;

/** Where a symbolic link leads; undefined for everything else. */
function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

async function ask(line: CtlLine, socket: string, path: string): Promise<Outcome> {
  switch (line.command) {
    case "status":
      return line.wait ? waitStatus(line, socket) : plain(socket, "status", {}, showStatus);
    case "sync":
      return plain(socket, "sync", {}, showStatus);
    case "ops":
      return line.graph
        ? plain(socket, "graph", {}, (a) => a.mermaid)
        : plain(socket, "ops", {}, (a) => showOps(a.ops));
    case "undo":
      if (line.args[0] === "held")
        return plain(socket, "undoHeld", {}, (a) => `${a.restored} held deletions taken back`);
      return plain(socket, "undo", { op: Number(line.args[0]) }, (a) => `operation ${a.op}: undo done`);
    case "retry":
    case "cancel":
      return plain(
        socket,
        line.command,
        { op: Number(line.args[0]) },
        (a) => `operation ${a.op}: ${line.command} done`,
      );
    case "release":
      return plain(socket, "release", {}, (a) => `${a.released} held operations released`);
    case "conflicts":
      return plain(socket, "conflicts", {}, (a) => showConflicts(a.conflicts));
    case "log":
      return plain(socket, "downloads", { below: path }, (a) => showDownloads(a.downloads));
    case "resolve":
      return plain(socket, "resolve", { path, keep: line.keep! }, (a) => `${a.path}: settled`);
    case "pin":
      return plain(socket, "pin", { path }, (a) => showPin(path, a));
    case "unpin":
      return plain(socket, "unpin", { path }, (a) => `${a.path}: no longer kept`);
    case "free":
      return plain(socket, "free", { path }, (a) => showFreed(path, a));
    case "info":
      return plain(socket, "info", { path }, showInfo);
    case "check":
      return check(line, socket);
    case "rebuild":
      return plain(socket, "rebuild", {}, (a) => `${a.items} items read again`);
    default:
      return { exit: 1, json: { error: line.command }, text: `no such command: ${line.command}` };
  }
}

async function plain<C extends CallName>(
  socket: string,
  name: C,
  takes: Calls[C]["takes"],
  show: (answer: Calls[C]["gives"]) => string,
): Promise<Outcome> {
  const answer = await call(socket, name, takes);
  return answer.ok ? { exit: 0, json: answer.value, text: show(answer.value) } : failure(answer.fault);
}

async function waitStatus(line: CtlLine, socket: string): Promise<Outcome> {
  const answer = await call(socket, "wait", { timeoutSeconds: line.timeoutSeconds });
  if (!answer.ok) return failure(answer.fault);
  const exit = { done: 0, stuck: 3, timeout: 4 }[answer.value.outcome];
  return { exit, json: answer.value.status, text: showStatus(answer.value.status) };
}

async function check(line: CtlLine, socket: string): Promise<Outcome> {
  const answer = await call(socket, "check", { cloud: line.cloud });
  if (!answer.ok) return failure(answer.fault);
  const { problems } = answer.value;
  const text = showCheck(answer.value);
  return { exit: problems.length === 0 ? 0 : 5, json: answer.value, text };
}

function failure(fault: Fault): Outcome {
  const isGone = fault.kind === "unavailable";
  return { exit: 1, json: { error: fault.kind, why: fault.why }, text: fault.why, isGone };
}
