/**
 * What the kernel says about mountpoints (/proc/self/mountinfo), and the commands that change it. Commands are run with argument
 * vectors, never through a shell. Nothing here looks *into* a mount, except `liveness`, which asks for its root with a deadline.
 */
import { execFile } from "node:child_process";
import { readFile, statfs } from "node:fs/promises";
import { sleep, type Clock } from "../base/clock.ts";
import { MOUNT_ANSWER_WAIT_MS } from "../model/limits.ts";

export interface MountEntry {
  readonly mountpoint: string;
  /** As the kernel names it: `fuse.onedrive`, `ext4`. */
  readonly type: string;
  readonly source: string;
  /** Minor device number; for FUSE the number of the connection. */
  readonly minor: number;
}

/** What is mounted at a path right now (the topmost), or undefined. */
export async function mountAt(mountpoint: string): Promise<MountEntry | undefined> {
  return parseMountinfo(await readFile("/proc/self/mountinfo", "utf8")).findLast(
    (entry) => entry.mountpoint === mountpoint,
  );
}

/** Lines are: id parent major:minor root mountpoint options [optional fields] - type source options. */
export function parseMountinfo(text: string): readonly MountEntry[] {
  return text.split("\n").flatMap((line) => {
    const [before, after] = line.split(" - ");
    const [, , device, , mountpoint] = before?.split(" ") ?? [];
    const [type, source] = after?.split(" ") ?? [];
    if (!device || !mountpoint || !type || source === undefined) return [];
    const minor = Number(device.split(":")[1]);
    return [{ mountpoint: unescapeOctal(mountpoint), type, source: unescapeOctal(source), minor }];
  });
}

export type Liveness = "answers" | "stale" | "silent";

/**
 * Whether the process behind a FUSE mount still answers. Asked by statfs, which the kernel never answers from its caches: attributes of
 * the root it knows for a second (or an hour) after that process has died.
 */
export async function liveness(mountpoint: string, clock: Clock): Promise<Liveness> {
  const asked = statfs(mountpoint).then(
    (): Liveness => "answers",
    (error: NodeJS.ErrnoException): Liveness => (gone.has(error.code ?? "") ? "stale" : "answers"),
  );
  return Promise.race([asked, sleep(clock, MOUNT_ANSWER_WAIT_MS).then((): Liveness => "silent")]);
}

const gone = new Set(["ENOTCONN", "ECONNABORTED"]);

/** Takes a FUSE mount away; false when it cannot be done now (busy without `lazy`, or not ours to end). */
export async function unmount(mountpoint: string, lazy: boolean): Promise<boolean> {
  for (const command of ["fusermount", "fusermount3"]) {
    const ended = await run(command, ["-u", ...(lazy ? ["-z"] : []), "--", mountpoint]);
    if (ended !== "absent") return ended === "done";
  }
  return false;
}

function run(command: string, args: readonly string[]): Promise<"done" | "failed" | "absent"> {
  return new Promise((resolve) => {
    execFile(command, args, (error) => {
      if (!error) resolve("done");
      else resolve(error.code === "ENOENT" ? "absent" : "failed");
    });
  });
}

const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
