/**
 * The host on fuse-native (libfuse 2, patched; see native-notes/fuse-native.md). It checks the mountpoint, mounts, turns libfuse's
 * calls by path into calls of the vfs by inode, and says when the mount has gone. It never waits inside a call: the answer follows when
 * the vfs has it. It cannot tell the kernel to forget names; attributes and names are kept for their timeouts only.
 */
import { constants } from "node:fs";
import { access, readFile, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { sleep, systemClock, type Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { UNMOUNT_CUT_INTERVAL_MS, UNMOUNT_CUTS_MAX, UNMOUNT_GRACE_MS } from "../model/limits.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { desk } from "./fuse-desk.ts";
import { byteCalls, folderCalls, openCalls } from "./fuse-handle-calls.ts";
import { attributeCalls, nameCalls, xattrCalls } from "./fuse-name-calls.ts";
import { contextField, fusePackage, type FuseMount, type FuseOps, type FusePackage } from "./fuse-package.ts";
import type { Host, Mounted, MountFault, MountOptions } from "./host.ts";
import { liveness, mountAt, unmount } from "./mount-table.ts";

const TIMEOUT_MS_DEFAULT = 1_000;
const TYPE = "onedrive";
const PATH_BYTES_MAX = 4_000;

export function fuseNativeHost(clock: Clock = systemClock): Host {
  return {
    name: "fuse-native",
    async mount(vfs, options) {
      const loaded = await fusePackage();
      if (!loaded.ok) return loaded;
      const place = await prepare(options, clock);
      if (!place.ok) return place;
      return start(loaded.value, vfs, { ...options, mountpoint: place.value }, clock);
    },
  };
}

async function start(
  Fuse: FusePackage,
  vfs: Vfs,
  options: MountOptions,
  clock: Clock,
): Promise<Result<Mounted, MountFault>> {
  const ending = endOfMount();
  let fuse: FuseMount | undefined;
  const at = desk(vfs, {
    context: (field) => fuse?._context[contextField[field]] ?? 0,
    signal: ending.signal,
    onDefect: options.onDefect,
  });
  const ops: FuseOps = {
    ...attributeCalls(at, Fuse),
    ...nameCalls(at),
    ...xattrCalls(at),
    ...openCalls(at, Fuse),
    ...byteCalls(at),
    ...folderCalls(at),
    gone: ending.reached,
  };
  fuse = new Fuse(options.mountpoint, ops, { options: optionList(options), timeout: false, checked: true });
  const error = await new Promise<Error | null>((done) => fuse.mount(done));
  if (error) return failed({ kind: "failed", why: `cannot mount at ${options.mountpoint}: ${error.message}` });
  return ok({
    gone: ending.gone,
    unmount: (lazy) => end(options.mountpoint, { ...ending, cut: () => fuse.abort() }, { lazy, clock }),
    forgetEntry: () => undefined, // libfuse 2 gives no way to name a node; the timeouts are short
    forgetNode: (node) => at.open.forget(node),
  });
}

interface Ending {
  readonly gone: Promise<void>;
  /** Aborted no later than `gone`. */
  readonly signal: AbortSignal;
  /** Nobody waits for answers any more. */
  giveUp(): void;
  reached(): void;
}

function endOfMount(): Ending {
  const abort = new AbortController();
  let resolve: () => void = () => undefined;
  const gone = new Promise<void>((done) => {
    resolve = done;
  });
  return {
    gone,
    signal: abort.signal,
    giveUp: () => abort.abort(),
    reached() {
      abort.abort();
      resolve();
    },
  };
}

/** Unmounts; after a lazy unmount, what is still open when the grace is over is cut off. */
async function end(
  mountpoint: string,
  ending: Ending & { cut(): void },
  { lazy, clock }: { lazy: boolean; clock: Clock },
): Promise<boolean> {
  const within = (delayMs: number): Promise<boolean> =>
    Promise.race([ending.gone.then(() => true), sleep(clock, delayMs).then(() => false)]);
  const entry = await mountAt(mountpoint);
  if (entry?.type === `fuse.${TYPE}` && !(await unmount(mountpoint, lazy))) return false;
  if (await within(UNMOUNT_GRACE_MS)) return true;
  if (!lazy) return false;
  ending.giveUp();
  for (let tries = 0; tries < UNMOUNT_CUTS_MAX; tries++) {
    ending.cut();
    if (await within(UNMOUNT_CUT_INTERVAL_MS)) return true;
  }
  return false;
}

function optionList(options: MountOptions): readonly string[] {
  const seconds = (ms: number | undefined): number => (ms ?? TIMEOUT_MS_DEFAULT) / 1000;
  return [
    `fsname=${options.source.replace(/[\\,]/g, "\\$&")}`,
    `subtype=${TYPE}`,
    "default_permissions",
    "use_ino",
    "big_writes",
    "atomic_o_trunc",
    `attr_timeout=${seconds(options.attrTimeoutMs)}`,
    `entry_timeout=${seconds(options.entryTimeoutMs)}`,
    ...(options.readOnly ? ["ro"] : []),
    ...(options.allowOther ? ["allow_other"] : []),
  ];
}

/** The mountpoint's real path, when something can be mounted there; cleans up after a daemon that was killed. */
async function prepare({ mountpoint, allowOther }: MountOptions, clock: Clock): Promise<Result<string, MountFault>> {
  const denied = await refusal(allowOther);
  if (denied) return failed(denied);
  const place = await realMountpoint(mountpoint);
  const entry = await mountAt(place);
  if (entry?.type.startsWith("fuse")) {
    const life = await liveness(place, clock);
    if (life !== "stale") {
      const silence = life === "silent" ? " by a process that does not answer" : "";
      return failed({ kind: "busy", why: `${place} is already mounted${silence} (${entry.source})` });
    }
    if (!(await unmount(place, true))) {
      return failed({ kind: "busy", why: `${place} is a stale mount and cannot be unmounted: try fusermount -uz` });
    }
  }
  const bad = await unfit(place);
  return bad ? failed(bad) : ok(place);
}

/** Why this machine or user cannot mount at all. */
async function refusal(allowOther: boolean): Promise<MountFault | undefined> {
  const device = await access("/dev/fuse", constants.R_OK | constants.W_OK).catch(codeOf); // fusermount opens it as the user
  if (device === "ENOENT") {
    return { kind: "noFuse", why: "there is no /dev/fuse: load the fuse module, or give the container the device" };
  }
  if (device) return { kind: "denied", why: `/dev/fuse cannot be opened (${device})` };
  if (!allowOther || process.geteuid?.() === 0) return undefined;
  const settings = await readFile("/etc/fuse.conf", "utf8").catch(() => "");
  if (/^\s*user_allow_other\s*$/m.test(settings)) return undefined;
  return { kind: "denied", why: "allow_other needs the line user_allow_other in /etc/fuse.conf" };
}

async function unfit(place: string): Promise<MountFault | undefined> {
  if (Buffer.byteLength(place) > PATH_BYTES_MAX) return { kind: "failed", why: `${place} is too long a path` };
  try {
    const inside = await readdir(place);
    return inside.length === 0 ? undefined : { kind: "notEmpty", why: `${place} is not empty` };
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return { kind: "missing", why: `${place} does not exist` };
    if (code === "ENOTDIR") return { kind: "notFolder", why: `${place} is not a folder` };
    return { kind: code === "EACCES" ? "denied" : "failed", why: `${place} cannot be read (${code})` };
  }
}

/** The last name may belong to a stale mount, which cannot be looked at: then only what leads to it is resolved. */
async function realMountpoint(mountpoint: string): Promise<string> {
  const whole = resolve(mountpoint);
  return realpath(whole).catch(async () =>
    join(await realpath(dirname(whole)).catch(() => dirname(whole)), basename(whole)),
  );
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
