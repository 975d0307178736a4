/** The HTTP door: what each failure says, deadlines, cancellation, connections kept, proxies. */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { BodyLost, netFault, type Http, type HttpAnswer } from "../../src/http/http.ts";
import { undiciHttp, type UndiciHttpOptions } from "../../src/http/undici-http.ts";
import type { Result } from "../../src/base/result.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function door(options: UndiciHttpOptions = {}): Http {
  const made = undiciHttp({ proxies: { httpProxy: "", httpsProxy: "", noProxy: "*" }, ...options });
  closers.push(() => made.close());
  return made;
}

async function serve(handler: http.RequestListener): Promise<{ url: string; server: http.Server }> {
  const server = http.createServer(handler).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** A server that says and does to each connection what it is told. */
async function raw(onData: (socket: net.Socket, data: Buffer) => void): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).on("data", (data) => onData(socket, data));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function text(answer: Result<HttpAnswer, unknown>): Promise<string> {
  assert.ok(answer.ok, JSON.stringify(answer));
  const body = await answer.value.read(1_000_000);
  assert.ok(body.ok);
  return Buffer.from(body.value).toString();
}

async function failure(answer: Promise<Result<HttpAnswer, { kind: string; sent: boolean; why: string }>>) {
  const got = await answer;
  assert.ok(!got.ok, "the call fails");
  return got.fault;
}

async function* parts(...all: string[]): AsyncGenerator<Uint8Array> {
  for (const part of all) yield Buffer.from(part);
}

test("an answer has status, lower-case headers and its body; a streamed body is sent whole", async () => {
  const { url } = await serve((request, response) => {
    void request.toArray().then((sent: Buffer[]) => {
      response.writeHead(201, { "X-Seen": request.headers["content-length"] ?? "none", "Set-Cookie": ["a=1", "b=2"] });
      response.end(Buffer.concat(sent));
    });
  });
  const body = parts("one ", "two");
  const answer = await door().send({ method: "PUT", url, headers: { "content-length": "7" }, body });
  assert.ok(answer.ok);
  assert.equal(answer.value.status, 201);
  assert.equal(answer.value.headers["x-seen"], "7");
  assert.equal(answer.value.headers["set-cookie"], "a=1, b=2");
  assert.equal(await text(answer), "one two");
});

test("a redirect is an answer", async () => {
  let asked = 0;
  const { url } = await serve((_, response) => {
    asked++;
    response.writeHead(302, { location: "/elsewhere" }).end();
  });
  const answer = await door().send({ method: "GET", url });
  assert.ok(answer.ok);
  assert.equal(answer.value.status, 302);
  answer.value.discard();
  assert.equal(asked, 1);
});

test("nobody there: unreachable, not sent, so never unclear", async () => {
  const { url, server } = await serve(() => undefined);
  server.close();
  const refused = await failure(door().send({ method: "POST", url: `${url}/secret?token=t0psecret`, body: "x" }));
  assert.equal(refused.kind, "unreachable");
  assert.equal(refused.sent, false);
  assert.ok(!refused.why.includes("secret"), refused.why);
  assert.deepEqual(netFault({ ...refused, kind: "unreachable" }, true).unclear, undefined);
  const dns = await failure(door().send({ method: "GET", url: "http://no-such-host.invalid/" }));
  assert.deepEqual([dns.kind, dns.sent], ["unreachable", false]);
});

test("a connection that ends before the answer: reset, and sent", async () => {
  const url = await raw((socket) => socket.destroy());
  const lost = await failure(door().send({ method: "POST", url, body: "x" }));
  assert.deepEqual([lost.kind, lost.sent], ["reset", true]);
  assert.equal(netFault({ ...lost, kind: "reset" }, true).unclear, true);
  assert.equal(netFault({ ...lost, kind: "reset" }, false).unclear, undefined);
});

test("no headers in time: timeout; what is no HTTP: malformed", async () => {
  const silent = await raw(() => undefined);
  const late = await failure(door({ headersTimeoutMs: 50 }).send({ method: "GET", url: silent }));
  assert.deepEqual([late.kind, late.sent], ["timeout", true]);
  const noise = await raw((socket) => socket.end("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
  assert.equal((await failure(door().send({ method: "GET", url: noise }))).kind, "malformed");
});

test("a body cut short or gone silent throws BodyLost from the iteration", async () => {
  const cut = await raw((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"));
  const answer = await door().send({ method: "GET", url: cut });
  assert.ok(answer.ok);
  const got: Uint8Array[] = [];
  await assert.rejects(
    async () => {
      for await (const part of answer.value.body) got.push(part);
    },
    (error) => error instanceof BodyLost && error.failure.kind === "reset",
  );
  assert.equal(Buffer.concat(got).toString(), "abc");
  const stalls = await raw((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"));
  const stalled = await door({ bodyIdleMs: 50 }).send({ method: "GET", url: stalls });
  assert.ok(stalled.ok);
  const read = await stalled.value.read(100);
  assert.equal(read.ok ? "" : read.fault.kind, "timeout");
});

test("an answer longer than allowed is malformed", async () => {
  const { url } = await serve((_, response) => response.end("x".repeat(5_000)));
  const answer = await door().send({ method: "GET", url });
  assert.ok(answer.ok);
  const read = await answer.value.read(1_000);
  assert.equal(read.ok ? "" : read.fault.kind, "malformed");
});

test("a signal ends the wait at once: while connecting, while waiting, in the body", async () => {
  const http_ = door();
  const before = await failure(http_.send({ method: "GET", url: "http://127.0.0.1:1/", signal: AbortSignal.abort() }));
  assert.deepEqual([before.kind, before.sent], ["interrupted", false]);
  const silent = await raw(() => undefined);
  const waiting = new AbortController();
  const pending = failure(http_.send({ method: "GET", url: silent, signal: waiting.signal }));
  setTimeout(() => waiting.abort(), 30);
  assert.deepEqual(await pending.then((f) => [f.kind, f.sent]), ["interrupted", true]);
  const stalls = await raw((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"));
  const reading = new AbortController();
  const answer = await http_.send({ method: "GET", url: stalls, signal: reading.signal });
  assert.ok(answer.ok);
  setTimeout(() => reading.abort(), 30);
  const read = await answer.value.read(100);
  assert.equal(read.ok ? "" : read.fault.kind, "interrupted");
});

test("connections are kept and used again; a signal does not collect listeners", async () => {
  const ports = new Set<number | undefined>();
  const { url } = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    response.end("ok");
  });
  const door_ = door();
  const life = new AbortController();
  let added = 0;
  const add = life.signal.addEventListener.bind(life.signal);
  const remove = life.signal.removeEventListener.bind(life.signal);
  life.signal.addEventListener = (...args: Parameters<typeof add>) => (added++, add(...args));
  life.signal.removeEventListener = (...args: Parameters<typeof remove>) => (added--, remove(...args));
  for (let i = 0; i < 5; i++)
    assert.equal(await text(await door_.send({ method: "GET", url, signal: life.signal })), "ok");
  await new Promise(setImmediate);
  assert.ok(ports.size <= 2, `${ports.size} connections for 5 calls`);
  assert.equal(added, 0);
});

test("a body of another length than announced is never an answer", async () => {
  const { url } = await serve((request, response) => void request.resume().on("end", () => response.end("ok")));
  const short = await failure(
    door().send({ method: "PUT", url, headers: { "content-length": "10" }, body: parts("only five") }),
  );
  assert.equal(short.kind, "reset");
});

test("http and https go through the proxy that is named, hosts of NO_PROXY do not", async () => {
  const asked: string[] = [];
  const { url: target } = await serve((_, response) => response.end("direct"));
  const { url: proxy, server } = await serve((_, response) => response.writeHead(400).end());
  server.on("connect", (request: http.IncomingMessage, socket: net.Socket) => {
    asked.push(request.url ?? "");
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nproxied"));
  });
  const through = door({ proxies: { httpProxy: proxy, httpsProxy: proxy, noProxy: "127.0.0.1" } });
  assert.equal(await text(await through.send({ method: "GET", url: "http://graph.example.invalid/" })), "proxied");
  assert.equal(await text(await through.send({ method: "GET", url: target })), "direct");
  const tls = await failure(through.send({ method: "GET", url: "https://graph.example.invalid/" }));
  assert.deepEqual([tls.kind, tls.sent], ["unreachable", false]);
  assert.deepEqual(asked, ["graph.example.invalid:80", "graph.example.invalid:443"]);
});

test("a proxy that refuses is unreachable", async () => {
  const { url: proxy, server } = await serve((_, response) => response.writeHead(400).end());
  server.on("connect", (_: unknown, socket: net.Socket) =>
    socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
  );
  const through = door({ proxies: { httpProxy: proxy, noProxy: "" } });
  const refused = await failure(through.send({ method: "GET", url: "http://graph.example.invalid/" }));
  assert.deepEqual([refused.kind, refused.sent], ["unreachable", false]);
});

test("many requests at once under one signal: no warning of a leak, and all end with it", async () => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  closers.push(() => process.off("warning", note));
  const { url } = await serve(() => undefined);
  const abort = new AbortController();
  const asked = Array.from({ length: 30 }, () =>
    failure(door().send({ method: "GET", url, headers: {}, signal: abort.signal })),
  );
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort();
  assert.deepEqual(new Set((await Promise.all(asked)).map(({ kind }) => kind)), new Set(["interrupted"]));
  assert.deepEqual(warnings, []);
});
