/** Which process listens on a socket, and whether it runs: read from /proc, without a word of the process itself. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Listener {
  readonly pid: number;
  /** By a signal or a debugger. */
  readonly isStopped: boolean;
}

/** Undefined when it cannot be told: it is somebody else's, or has ended. */
export function listenerOn(socketPath: string): Listener | undefined {
  const inode = listeningInode(socketPath);
  if (inode === undefined) return undefined;
  const pid = namesIn("/proc").find((name) => /^\d+$/.test(name) && has(name, `socket:[${inode}]`));
  return pid === undefined ? undefined : { pid: Number(pid), isStopped: isStopped(pid) };
}

/** The kernel's table: `Num RefCount Protocol Flags Type St Inode Path`; the flag is that of a socket that listens. */
function listeningInode(socketPath: string): string | undefined {
  const lines = textOf("/proc/net/unix")?.split("\n") ?? [];
  const fields = lines.map((line) => /^\S+ \S+ \S+ 00010000 \S+ \S+ +(\d+) (.*)$/.exec(line));
  return fields.find((found) => found?.[2] === socketPath)?.[1];
}

function has(pid: string, link: string): boolean {
  const folder = `/proc/${pid}/fd`;
  return namesIn(folder).some((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`) === link;
    } catch {
      return false; // closed meanwhile
    }
  });
}

function isStopped(pid: string): boolean {
  return /^State:\s+[Tt]/m.test(textOf(`/proc/${pid}/status`) ?? "");
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // somebody else's, or gone
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
