/** onedrivectl's end of the control socket: one call, one answer. */
import { createConnection } from "node:net";
import { fault } from "../model/fault.ts";
import type { CallName, Calls, Response } from "./control.ts";
import { readLine } from "./read-line.ts";

const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** Asks the daemon behind `socketPath`. A daemon that is not there or hangs up is an `unavailable` fault. */
export async function call<C extends CallName>(
  socketPath: string,
  name: C,
  takes: Calls[C]["takes"],
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
    const line = await readLine(socket, ANSWER_BYTES_MAX);
    if (line === undefined) return fault("unavailable", "the daemon hung up without an answer");
    return JSON.parse(line) as Response<C>;
  } finally {
    socket.destroy();
  }
}
