/** A Drive that says what it is asked and what came of it, when tracing is on. Addresses of uploads and downloads are never said. */
import type { Clock } from "../base/clock.ts";
import { log, type Log } from "../base/log.ts";
import type { Drive } from "./drive.ts";
import { wrapCalls } from "./wrap-calls.ts";

export function withLog(drive: Drive, clock: Clock, to: Log = log("drive")): Drive {
  return wrapCalls(drive, async (name, call, args) => {
    const started = clock.now();
    const answer = await call();
    to.trace(name, { about: about(name, args), outcome: outcome(answer), ms: clock.now() - started });
    return answer;
  });
}

const SECRET_FIRST: readonly (keyof Drive)[] = ["sendFragment", "sessionStatus", "cancelSession", "changes", "batch"];

function about(name: keyof Drive, args: readonly unknown[]): string {
  if (SECRET_FIRST.includes(name)) return "";
  return args
    .filter((arg) => typeof arg === "string" || typeof arg === "number")
    .filter((arg) => !/^https?:/.test(String(arg)))
    .join(" ");
}

function outcome(answer: unknown): string {
  if (Array.isArray(answer)) return answer.map(outcome).join(" ");
  const { ok, fault } = answer as { ok: boolean; fault?: { kind: string; why: string } };
  return ok ? "ok" : `${fault?.kind}: ${fault?.why}`;
}
