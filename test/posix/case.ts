/** One expectation of POSIX or Linux. It runs in a folder of its own. */
import type { Calls } from "./calls.ts";

export interface Case {
  readonly name: string;
  run(calls: Calls): Promise<void>;
}

/** Collects cases: `posix(name, run)` adds one. */
export function collector(): { readonly cases: Case[]; posix(name: string, run: Case["run"]): void } {
  const cases: Case[] = [];
  return { cases, posix: (name, run) => void cases.push({ name, run }) };
}
