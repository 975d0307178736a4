/**
 * An HTTP server on loopback that answers what a test tells it, for answers that no faithful service gives: garbage, cut bodies,
 * foreign links, lost answers. It keeps what it was asked.
 */
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Said {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string | Uint8Array;
  /** The connection ends after this many bytes of the body. */
  readonly cutAfter?: number;
}

export interface Scripted {
  readonly url: string;
  readonly asked: Asked[];
  /** "lost": the request is read to its end, then the connection is destroyed. */
  answer: (asked: Asked) => Said | "lost" | Promise<Said | "lost">;
  close(): Promise<void>;
}

export async function scriptedServer(answer: Scripted["answer"]): Promise<Scripted> {
  const server = http.createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const scripted: Scripted = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    answer,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function handle(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { method = "", url = "", headers } = request;
    const asked = { method, path: url, headers, body: Buffer.concat(parts).toString() };
    scripted.asked.push(asked);
    const said = await scripted.answer(asked);
    if (said === "lost") return void request.socket.destroy();
    say(response, said);
  }
  return scripted;
}

function say(response: http.ServerResponse, said: Said): void {
  const body = Buffer.from(said.json === undefined ? (said.text ?? "") : JSON.stringify(said.json));
  const type = said.json === undefined ? {} : { "content-type": "application/json" };
  response.writeHead(said.status ?? 200, { ...type, "content-length": String(body.length), ...said.headers });
  if (said.cutAfter === undefined) return void response.end(body);
  response.write(body.subarray(0, said.cutAfter));
  setTimeout(() => response.destroy(), 20);
}
