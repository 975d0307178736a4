/**
 * How the descriptor of a new FUSE mount is had: as root by mount(2), else (or where root may not mount) through fusermount, which
 * opens the device, mounts, and passes the descriptor back through a socket. Both mounts look the same in the mount table.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { failed, ok, type Result } from "../../base/result.ts";
import type { MountFault, MountOptions } from "../host.ts";
import type { FuseDevice } from "./fuse-device.ts";

const TYPE = "onedrive";
const NO_SET_USER_ID = 2;
const NO_DEVICES = 4;
const NO_PROGRAMS = 8;
const READ_ONLY = 1;
const { EPERM, EACCES } = constants.errno;

export async function obtainDevice(device: FuseDevice, options: MountOptions): Promise<Result<number, MountFault>> {
  if (process.geteuid?.() === 0) {
    const fd = mountAsRoot(device, options);
    if (fd >= 0) return ok(fd);
    if (fd !== -EPERM && fd !== -EACCES) return failed(cannot(options, errnoName(-fd)));
  }
  return throughFusermount(device, options);
}

function mountAsRoot(device: FuseDevice, options: MountOptions): number {
  const { mountpoint, source, readOnly, noExec, allowOther } = options;
  const flags = NO_SET_USER_ID | NO_DEVICES | (readOnly ? READ_ONLY : 0) | (noExec ? NO_PROGRAMS : 0);
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const words = ["rootmode=40000", `user_id=${uid}`, `group_id=${gid}`, "default_permissions"];
  if (allowOther) words.push("allow_other");
  return device.mountDirectly(mountpoint, source, `fuse.${TYPE}`, words.join(","), flags);
}

async function throughFusermount(device: FuseDevice, options: MountOptions): Promise<Result<number, MountFault>> {
  for (const command of ["fusermount3", "fusermount"]) {
    const got = await ask(device, command, options);
    if (got !== "absent") return got;
  }
  return failed({ kind: "noFuse", why: "there is no fusermount3: install the package fuse3" });
}

async function ask(
  device: FuseDevice,
  command: string,
  options: MountOptions,
): Promise<Result<number, MountFault> | "absent"> {
  const pair = device.socketPair();
  if (typeof pair === "number") return failed(cannot(options, errnoName(-pair)));
  const [ours, theirs] = pair;
  try {
    const said = await run(command, ["-o", optionList(options), "--", options.mountpoint], theirs);
    if (said === undefined) return "absent";
    const fd = device.receive(ours);
    if (fd >= 0) return ok(fd);
    return failed(cannot(options, said.trim().split("\n").at(-1) || errnoName(-fd)));
  } finally {
    device.close(ours);
    device.close(theirs);
  }
}

/** What it printed, when it had ended; undefined when there is no such command. */
function run(command: string, args: readonly string[], socket: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const env = { ...process.env, _FUSE_COMMFD: "3" };
    const child = spawn(command, args, { env, stdio: ["ignore", "ignore", "pipe", socket] });
    let said = "";
    child.stderr!.on("data", (part: Buffer) => (said += part.toString()));
    child.on("error", () => resolve(undefined));
    child.on("close", () => resolve(said));
  });
}

function optionList({ source, readOnly, noExec, allowOther }: MountOptions): string {
  const words = [
    `fsname=${source.replace(/[\\,]/g, "\\$&")}`,
    `subtype=${TYPE}`,
    "default_permissions",
    "nosuid",
    "nodev",
  ];
  if (readOnly) words.push("ro");
  if (noExec) words.push("noexec");
  if (allowOther) words.push("allow_other");
  return words.join(",");
}

function cannot({ mountpoint }: MountOptions, why: string): MountFault {
  return { kind: "failed", why: `cannot mount at ${mountpoint}: ${why}` };
}

function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `error ${errno}`;
}
