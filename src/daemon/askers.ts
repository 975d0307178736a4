/**
 * Who asks, by the name of its program, and whether its reads may download. The kernel tells the number of a thread; the name of the thread and
 * that of its process both count. Whoever cannot be looked at (it has ended, or lives in another namespace) may download.
 * Command lines are never read: for those the kernel takes a lock that the one who asks may hold while it waits for our answer.
 */
import { readFileSync } from "node:fs";
import { matchesAny } from "../model/name.ts";
import type { Asker } from "../vfs/core.ts";
import type { Caller } from "../vfs/vfs.ts";

/** Names come from `proc`, which a test may lay out by itself. */
export function askers(programs: readonly string[], proc = "/proc"): (caller: Pick<Caller, "pid">) => Asker {
  return ({ pid }) => {
    const { names, process } = pid === 0 ? { names: [], process: 0 } : look(pid, proc);
    return { pid: process, name: names.at(-1), mayDownload: !names.some((name) => matchesAny(name, programs)) };
  };
}

function look(pid: number, proc: string): { readonly names: readonly string[]; readonly process: number } {
  try {
    const own = readFileSync(`${proc}/${pid}/comm`, "utf8").trimEnd();
    const process = Number(/^Tgid:\s+(\d+)$/m.exec(readFileSync(`${proc}/${pid}/status`, "utf8"))?.[1] ?? pid);
    if (process === pid) return { names: [own], process };
    return { names: [own, readFileSync(`${proc}/${process}/comm`, "utf8").trimEnd()], process };
  } catch {
    return { names: [], process: pid };
  }
}
