/**
 * Who asks, by the name of its program, and whether its reads may download. The kernel tells the number of a thread; the name of the thread and
 * that of its process both count. Whoever cannot be looked at (it has ended, or lives in another namespace) may download.
 * Command lines are never read: for those the kernel takes a lock that the one who asks may hold while it waits for our answer.
 */
import { readFileSync } from "node:fs";
import { matchesAny } from "../model/name.ts";

/** Names come from `proc`, which a test may lay out by itself. */
export function mayDownload(
  programs: readonly string[],
  proc = "/proc",
): (caller: { readonly pid: number }) => boolean {
  return ({ pid }) => pid === 0 || !namesOf(pid, proc).some((name) => matchesAny(name, programs));
}

function namesOf(pid: number, proc: string): string[] {
  try {
    const own = readFileSync(`${proc}/${pid}/comm`, "utf8").trimEnd();
    const process = /^Tgid:\s+(\d+)$/m.exec(readFileSync(`${proc}/${pid}/status`, "utf8"))?.[1];
    if (process === undefined || process === String(pid)) return [own];
    return [own, readFileSync(`${proc}/${process}/comm`, "utf8").trimEnd()];
  } catch {
    return [];
  }
}
