/**
 * The daemon's end of the control socket. The socket file is 0600 from the moment it can be connected to; a stale one of a killed
 * daemon is replaced. While a call waits for its answer the client gets signs of life. A client that hangs up cancels its call. A handler
 * that throws is a defect: the client gets one line, the daemon is told.
 */
import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { systemClock } from "../base/clock.ts";
import { fault } from "../model/fault.ts";
import { CONTROL_LIFE_SIGN_MS } from "../model/limits.ts";
import type { CallName, Calls, Handlers, Request, Response } from "./control.ts";
import { parseRequest } from "./protocol.ts";
import { readLine } from "./read-line.ts";

export interface ControlServer {
  close(): Promise<void>;
}

/**
 * Listens on `socketPath`; rejects when it cannot. The caller holds the lock of the state folder that the path stands for, so an
 * existing file is stale.
 */
export async function serveControl(
  socketPath: string,
  handlers: Handlers,
  onDefect: (error: unknown) => void,
): Promise<ControlServer> {
  await mkdir(dirname(socketPath), { recursive: true, mode: 0o700 });
  await rm(socketPath, { force: true });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    serveOne(socket, handlers).catch(onDefect);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    const mask = process.umask(0o177);
    server.listen(socketPath, () => resolve());
    process.umask(mask);
  });
  await chmod(socketPath, 0o600);
  return {
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(socketPath, { force: true });
    },
  };
}

async function serveOne(socket: Socket, handlers: Handlers): Promise<void> {
  const gone = new AbortController();
  socket.on("error", () => gone.abort()); // a client that vanished: nobody is left to tell
  socket.on("close", () => gone.abort());
  const line = await readLine(socket);
  if (line === undefined) return void socket.destroy();
  const request = parseRequest(line);
  const answered = signsOfLife(socket, gone.signal);
  let response: Response;
  try {
    response = request.ok ? await dispatch(handlers, request.value, gone.signal) : request;
  } catch (error) {
    socket.end(`${JSON.stringify(fault("io", "the daemon met a defect; its log says more"))}\n`);
    throw error;
  } finally {
    answered();
  }
  if (!gone.signal.aborted) socket.end(`${JSON.stringify(response)}\n`);
}

/** An empty line now and then, until the returned function is called: who waits knows that somebody is at work. */
function signsOfLife(socket: Socket, gone: AbortSignal): () => void {
  let cancel: () => void = () => undefined;
  const next = (): void => {
    cancel = systemClock.after(CONTROL_LIFE_SIGN_MS, () => {
      if (gone.aborted) return;
      socket.write("\n");
      next();
    });
  };
  next();
  return () => cancel();
}

function dispatch(handlers: Handlers, request: Request, signal: AbortSignal): Promise<Response> {
  const handle = handlers[request.call] as (takes: Calls[CallName]["takes"], signal: AbortSignal) => Promise<Response>;
  return handle(request.takes, signal);
}
