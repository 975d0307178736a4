/**
 * The place of a mount, before it: whether this user may mount at all, whether something can be mounted there, and what a killed daemon
 * left behind is taken away. Says in one line why not.
 */
import { constants } from "node:fs";
import { access, readFile, readdir, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { MountFault, MountOptions } from "./host.ts";
import { liveness, mountAt, unmount } from "./mount-table.ts";

const PATH_BYTES_MAX = 4_000;

/** The mountpoint's real path, when something can be mounted there; cleans up after a daemon that was killed. */
export async function prepareMountpoint(
  { mountpoint, allowOther }: MountOptions,
  clock: Clock,
): Promise<Result<string, MountFault>> {
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
