/**
 * Where the daemons are: a mount's source in the mount table is `onedrive:ACCOUNT` when its control socket is at the usual place of
 * that account, else `onedrive:/path/of/the/socket`, so onedrivectl finds any daemon from the mount table alone.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

const PREFIX = "onedrive:";
/** sun_path holds 108 bytes with its NUL. */
const SOCKET_PATH_BYTES_MAX = 107;

export interface Mount {
  readonly mountpoint: string;
  readonly source: string;
  /** Whose it is. */
  readonly uid: number | undefined;
}

/** The control socket of an account: in `runtimeDir`, or a short stand-in when that path is too long for a socket. */
export function socketPathOf(runtimeDir: string, account: string): string {
  const usual = join(runtimeDir, `${account}.sock`);
  if (Buffer.byteLength(usual) <= SOCKET_PATH_BYTES_MAX) return usual;
  const tag = createHash("sha256").update(usual).digest("hex").slice(0, 16);
  return join(tmpdir(), `mount.onedrive-${userInfo().uid}`, `${tag}.sock`);
}

/** What the mount table shows as the mount's source. `usualDir` is where onedrivectl looks for an account by itself. */
export function sourceOf(account: string, socketPath: string, usualDir: string | undefined): string {
  const usual = usualDir !== undefined && socketPathOf(usualDir, account) === socketPath;
  return PREFIX + (usual ? account : socketPath);
}

/** The control socket behind a mount's source; undefined when the account's usual place is not known here. */
export function socketOfSource(source: string, usualDir: string | undefined): string | undefined {
  const rest = source.slice(PREFIX.length);
  if (rest.startsWith("/")) return rest;
  return usualDir === undefined ? undefined : socketPathOf(usualDir, rest);
}

/** Our mounts, from the kernel's table. */
export function ourMounts(mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): readonly Mount[] {
  return mountinfo
    .split("\n")
    .filter((line) => / - fuse(\.\S+)? onedrive:/.test(line))
    .map((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const uid = /(?:^|,)user_id=(\d+)/.exec(after.split(" ")[2] ?? "")?.[1];
      return {
        mountpoint: unescape(before.split(" ")[4] ?? ""),
        source: unescape(after.split(" ")[1] ?? ""),
        uid: uid === undefined ? undefined : Number(uid),
      };
    });
}

/** The mount that `path` (absolute) lies on. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts
    .filter(
      (mount) => path === mount.mountpoint || path.startsWith(mount.mountpoint === "/" ? "/" : `${mount.mountpoint}/`),
    )
    .sort((a, b) => b.mountpoint.length - a.mountpoint.length)[0];
}

/** The table writes space, tab, newline, backslash and `#` as octal. */
function unescape(field: string): string {
  const bytes = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return bytes;
}
