/**
 * Waits on this machine for the browser to come back from the sign-in page with a code. Listens on loopback only, on a port of its
 * own, for one answer: it must be for this host, carry the state that was sent out, and come as a GET of `/`. Everything else is
 * refused and changes nothing. The code never appears in a page, a log or a fault.
 */
import { timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { present } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";
import { SIGN_IN_WAIT_MS } from "../model/limits.ts";

export interface BrowserAnswer {
  /** Where the sign-in page is to send the browser. */
  readonly redirectUri: string;
  /** The code; `denied` when the person or the service said no, `timedOut`, `interrupted`. */
  code(signal?: AbortSignal): Promise<Result<string, Fault>>;
  close(): void;
}

export async function browserAnswer(state: string, clock: Clock): Promise<BrowserAnswer> {
  let settle: (answer: Result<string, Fault>) => void = () => undefined;
  const settled = new Promise<Result<string, Fault>>((resolve) => (settle = resolve));
  const servers = await listen((request, response) => {
    const answer = answerOf(request, state);
    respond(response, answer);
    if (answer) settle(answer);
  });
  const { port } = present(servers[0], "listener").address() as AddressInfo;
  return {
    redirectUri: `http://localhost:${port}`,
    code(signal) {
      const late = clock.after(SIGN_IN_WAIT_MS, () => settle(fault("timedOut", "nobody signed in")));
      const cancel = (): void => settle(fault("interrupted", "signing in was cancelled"));
      if (signal?.aborted) cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      return settled.finally(() => {
        late();
        signal?.removeEventListener("abort", cancel);
      });
    },
    close() {
      for (const server of servers) {
        server.close();
        server.closeIdleConnections();
      }
    },
  };
}

/** `localhost` may be either address family: both, on one port, where the machine has both. */
async function listen(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server[]> {
  const first = createServer(handle).listen(0, "127.0.0.1");
  await once(first, "listening");
  const second = createServer(handle);
  const both = await new Promise<boolean>((resolve) => {
    second.once("error", () => resolve(false));
    second.listen((first.address() as AddressInfo).port, "::1", () => resolve(true));
  });
  return both ? [first, second] : [first];
}

/** Undefined for a request that is not the answer. */
function answerOf(request: IncomingMessage, state: string): Result<string, Fault> | undefined {
  const port = request.socket.localPort;
  const hosts = [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`];
  if (request.method !== "GET" || !hosts.includes(request.headers.host ?? "")) return undefined;
  const url = new URL(request.url ?? "/", "http://localhost");
  if (url.pathname !== "/" || !same(url.searchParams.get("state") ?? "", state)) return undefined;
  const code = url.searchParams.get("code");
  if (code) return ok(code);
  const error = url.searchParams.get("error");
  return error ? fault("denied", `the sign-in was refused: ${error.replace(/[^a-z_]/gi, "").slice(0, 60)}`) : undefined;
}

function same(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function respond(response: ServerResponse, answer: Result<string, Fault> | undefined): void {
  const said = !answer
    ? "This address waits for an answer of the sign-in page only."
    : answer.ok
      ? "You are signed in. You can close this window."
      : "The sign-in was refused. You can close this window.";
  response.writeHead(answer ? 200 : 400, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    connection: "close",
  });
  response.end(`<!doctype html><meta charset="utf-8"><title>mount.onedrive</title><p>${said}</p>`);
}
