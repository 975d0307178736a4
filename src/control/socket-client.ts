/**
 * onedrivectl's end of the control socket: one call, one answer. However long the answer takes, a daemon that works gives signs of life
 * meanwhile; one that gives none for CONTROL_SILENCE_MS_MAX is stopped or hangs, and the fault says which and what can be done.
 */
import { createConnection, type Socket } from "node:net";
import { systemClock } from "../base/clock.ts";
import type { Failed } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { CONTROL_LIFE_SIGN_MS, CONTROL_SILENCE_MS_MAX } from "../model/limits.ts";
import type { CallName, Calls, Response } from "./control.ts";
import { listenerOn } from "./listener.ts";
import { readLine } from "./read-line.ts";

const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** Asks the daemon behind `socketPath`. A daemon that is not there, hangs up or is silent for too long is an `unavailable` fault. */
export async function call<C extends CallName>(
  socketPath: string,
  name: C,
  takes: Calls[C]["takes"],
  silenceMsMax = CONTROL_SILENCE_MS_MAX,
): Promise<Response<C>> {
  const socket = createConnection(socketPath);
  try {
    const connected = await new Promise<Error | undefined>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("error", resolve);
    });
    if (connected)
      return fault("unavailable", `no daemon answers (${connected.message}): mount it again, or fusermount -u`);
    socket.write(`${JSON.stringify({ call: name, takes })}\n`);
    const line = await answerOn(socket, silenceMsMax);
    if (line === SILENT) return silent(socketPath, silenceMsMax);
    if (line === undefined) return fault("unavailable", "the daemon hung up without an answer");
    return JSON.parse(line) as Response<C>;
  } finally {
    socket.destroy();
  }
}

const SILENT = Symbol("silent");

/** Silence is counted in ticks of our own: who was stopped itself has not waited meanwhile. */
async function answerOn(socket: Socket, silenceMsMax: number): Promise<string | undefined | typeof SILENT> {
  const tickMs = Math.min(CONTROL_LIFE_SIGN_MS, silenceMsMax / 4);
  let silentMs = 0;
  let cancel: () => void = () => undefined;
  const silence = new Promise<typeof SILENT>((resolve) => {
    const tick = (): void => {
      silentMs += tickMs;
      if (silentMs > silenceMsMax) resolve(SILENT);
      else cancel = systemClock.after(tickMs, tick);
    };
    cancel = systemClock.after(tickMs, tick);
  });
  const line = readLine(socket, { maxBytes: ANSWER_BYTES_MAX, heard: () => (silentMs = 0) });
  try {
    return await Promise.race([line, silence]);
  } finally {
    cancel();
  }
}

/** What has happened to a daemon that took the call and says nothing. */
function silent(socketPath: string, forMs: number): Failed<Fault> {
  const seconds = Math.round(forMs / 1000);
  const process = listenerOn(socketPath);
  if (process?.isStopped)
    return fault(
      "unavailable",
      `the daemon (process ${process.pid}) is stopped and answers nobody: kill -CONT ${process.pid} lets it go on`,
    );
  const who = process === undefined ? "its process" : String(process.pid);
  return fault(
    "unavailable",
    `the daemon${process === undefined ? "" : ` (process ${who})`} has given no sign of life for ${seconds} s: if it stays so, kill -9 ${who} and mount it again; nothing that was saved is lost`,
  );
}
