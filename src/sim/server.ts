/**
 * The simulator on sockets: one HTTP server for Graph, sign-in, uploads, downloads and admin, and the CONNECT door for
 * clients that must believe they speak to Microsoft. It moves bytes and keeps time (latency, bandwidth, stalls, cuts); every
 * decision is the state machine's.
 *
 * Guarantees: bodies stream both ways and are never held whole, except JSON; a request whose body breaks off changes
 * nothing; `/_sim` is served to loopback only and is free of latency, limits and faults.
 */
import * as http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { sleep, type Clock } from "../base/clock.ts";
import type { Certificates } from "./certificates.ts";
import { openConnectDoor } from "./connect-door.ts";
import type { Answer, Head } from "./exchange.ts";
import type { BodyLimit } from "./faults.ts";
import { Pace } from "./pace.ts";
import type { Flight, Sim } from "./sim.ts";

const COLLECTED_MAX_BYTES = 256 * 1024 * 1024;
const KEEP_ALIVE_MS = 75_000;

export interface ServerOptions {
  readonly sim: Sim;
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  readonly latencyMs: number;
  /** Of all bodies together, each way; Infinity for no limit. */
  readonly bytesPerSecond: number;
  readonly certificates: Certificates | undefined;
  onDefect(error: unknown): void;
}

export interface Server {
  readonly url: string;
  close(): Promise<void>;
}

export async function startServer(options: ServerOptions): Promise<Server> {
  const { sim, clock } = options;
  const sockets = new Set<Socket>();
  const adminSockets = new Set<Socket>();
  const now = (): number => clock.now();
  const door: Door = {
    options,
    adminSockets,
    up: new Pace(options.bytesPerSecond, now),
    down: new Pace(options.bytesPerSecond, now),
  };
  const server = http.createServer(
    { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: KEEP_ALIVE_MS },
    (req, res) => {
      const { socket } = req;
      serve(door, { req, res, socket, head: headOf(req) }).catch((error: unknown) => {
        socket.destroy();
        if (!isBrokenConnection(error)) options.onDefect(error);
      });
    },
  );
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  };
  server.on("connection", track);
  if (options.certificates)
    openConnectDoor({ server, certificates: options.certificates, network: sim.network, track });
  sim.network.onChange = () => {
    if (!sim.network.up) for (const socket of sockets) if (!adminSockets.has(socket)) socket.destroy();
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const shown = options.host.includes(":")
    ? `[${options.host}]`
    : options.host === "0.0.0.0"
      ? "127.0.0.1"
      : options.host;
  return {
    url: `http://${shown}:${port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

interface Door {
  readonly options: ServerOptions;
  readonly adminSockets: Set<Socket>;
  readonly up: Pace;
  readonly down: Pace;
}

function headOf(req: http.IncomingMessage): Head {
  return { method: req.method ?? "GET", target: req.url ?? "/", headers: req.headers as Head["headers"] };
}

async function serve(door: Door, incoming: Incoming): Promise<void> {
  const { sim, clock, latencyMs } = door.options;
  const { socket } = incoming;
  if (isAdmin(incoming.head.target)) return serveAdmin(door, incoming);
  if (!sim.network.up) return void socket.destroy();
  if (latencyMs > 0) await sleep(clock, latencyMs);
  if (socket.destroyed) return undefined;
  return exchange(door, incoming);
}

async function serveAdmin(door: Door, incoming: Incoming): Promise<void> {
  const { socket, res } = incoming;
  if (!isLoopback(socket.remoteAddress)) {
    res.writeHead(403).end();
    return;
  }
  door.adminSockets.add(socket);
  try {
    await exchange(door, incoming);
  } finally {
    door.adminSockets.delete(socket);
  }
}

interface Incoming {
  readonly req: http.IncomingMessage;
  readonly res: http.ServerResponse;
  /** Kept apart: a request forgets its socket once it is destroyed. */
  readonly socket: Socket;
  readonly head: Head;
}

async function exchange(door: Door, { req, res, socket, head }: Incoming): Promise<void> {
  const { sim, clock } = door.options;
  const flight = sim.open(head);
  const bytes = await receive(door, flight, req);
  if (bytes === undefined) return void socket.destroy();
  const { answer, lost, transport } = flight.finish(bytes);
  if (lost) return void socket.destroy();
  if (transport.stallMs !== undefined) await sleep(clock, transport.stallMs);
  if (socket.destroyed) return undefined;
  return send(door, { flight, res, answer, limit: transport.down ?? {} });
}

/** The collected body; undefined when it broke off, and then the request is abandoned. */
async function receive(door: Door, flight: Flight, req: http.IncomingMessage): Promise<Uint8Array | undefined> {
  const { plan, inflow } = flight;
  if (plan.takes === "nothing") {
    req.on("data", (chunk: Buffer) => void (flight.row.received += chunk.length));
    return new Uint8Array(0);
  }
  const chunks: Buffer[] = [];
  try {
    for await (const piece of paced(door, flight, req)) {
      if (!inflow) {
        chunks.push(piece);
        if (flight.row.received > COLLECTED_MAX_BYTES) throw brokenOff();
        continue;
      }
      const wait = inflow.write(piece);
      if (wait) await wait;
    }
    if (!req.complete) throw brokenOff();
    await inflow?.flush();
  } catch (error) {
    flight.abandon();
    if (isBrokenConnection(error)) return undefined;
    throw error;
  }
  return Buffer.concat(chunks);
}

/** The request's body at the pace allowed; throws where a fault cuts it. */
async function* paced(door: Door, flight: Flight, req: http.IncomingMessage): AsyncIterable<Buffer> {
  const { clock } = door.options;
  const admin = flight.plan.group === "admin";
  const slow = new Pace(flight.up.bytesPerSecond ?? Infinity, () => clock.now());
  const cutAt = flight.up.cutAtBytes ?? Infinity;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    const room = cutAt - flight.row.received;
    const piece = room < chunk.length ? chunk.subarray(0, room) : chunk;
    flight.row.received += piece.length;
    yield piece;
    if (flight.row.received >= cutAt) throw brokenOff();
    const waitMs = Math.max(admin ? 0 : door.up.waitMs(piece.length), slow.waitMs(piece.length));
    if (waitMs > 1) await sleep(clock, waitMs);
  }
}

interface Outgoing {
  readonly flight: Flight;
  readonly res: http.ServerResponse;
  readonly answer: Answer;
  readonly limit: BodyLimit;
}

async function send(door: Door, out: Outgoing): Promise<void> {
  const { flight, res, answer, limit } = out;
  const body = source(door.options.sim, answer);
  const headers: Record<string, string> = { ...answer.headers };
  if (body.type !== undefined) headers["content-type"] = body.type;
  if (answer.status !== 204 && answer.status !== 304) headers["content-length"] = String(body.length);
  res.writeHead(answer.status, headers);
  const unlimited = limit.cutAtBytes === undefined && limit.bytesPerSecond === undefined;
  const free = flight.plan.group === "admin" || door.options.bytesPerSecond === Infinity;
  if (flight.row.method === "HEAD" || body.length === 0) return void res.end();
  if ((typeof body.bytes === "string" || body.bytes instanceof Uint8Array) && unlimited && free) {
    flight.row.bytes = body.length;
    res.end(body.bytes);
    return;
  }
  await pump(door, out, typeof body.bytes === "string" ? Buffer.from(body.bytes) : body.bytes);
}

type Pieces = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** Text stays a string: it then leaves in one write with the headers. */
function source(sim: Sim, { body }: Answer): { bytes: Pieces | string; length: number; type: string | undefined } {
  switch (body.kind) {
    case "none":
      return { bytes: new Uint8Array(0), length: 0, type: undefined };
    case "json": {
      const bytes = JSON.stringify(body.value);
      return {
        bytes,
        length: Buffer.byteLength(bytes),
        type: "application/json; odata.metadata=minimal; charset=utf-8",
      };
    }
    case "text":
      return { bytes: body.text, length: Buffer.byteLength(body.text), type: `${body.type}; charset=utf-8` };
    case "content":
      return {
        bytes: sim.service.reader.read(body.content, body.from, body.to),
        length: body.to - body.from,
        type: body.type,
      };
  }
}

/** Sends piece by piece, no faster than allowed and no further than a fault lets it. */
async function pump(door: Door, { flight, res, limit }: Outgoing, bytes: Pieces): Promise<void> {
  const { clock } = door.options;
  const admin = flight.plan.group === "admin";
  const slow = new Pace(limit.bytesPerSecond ?? Infinity, () => clock.now());
  const most = Math.min(slow.pieceBytes, admin ? Infinity : door.down.pieceBytes);
  const cutAt = limit.cutAtBytes ?? Infinity;
  for await (const large of bytes instanceof Uint8Array ? [bytes] : bytes) {
    for (const piece of slices(large, most)) {
      const room = cutAt - flight.row.bytes;
      await written(res, room < piece.length ? piece.subarray(0, room) : piece);
      flight.row.bytes += Math.min(room, piece.length);
      if (flight.row.bytes >= cutAt) return cutOff(res);
      const waitMs = Math.max(admin ? 0 : door.down.waitMs(piece.length), slow.waitMs(piece.length));
      if (waitMs > 1) await sleep(clock, waitMs);
    }
  }
  res.end();
}

function* slices(bytes: Uint8Array, most: number): Iterable<Uint8Array> {
  if (bytes.length <= most) return yield bytes;
  for (let at = 0; at < bytes.length; at += most) yield bytes.subarray(at, at + most);
}

function written(res: http.ServerResponse, piece: Uint8Array): Promise<void> | undefined {
  if (res.destroyed || res.socket?.destroyed) throw brokenOff();
  if (res.write(piece)) return undefined;
  return new Promise((resolve, reject) => {
    const done = (): void => {
      res.off("drain", done);
      res.off("close", gone);
      resolve();
    };
    const gone = (): void => {
      res.off("drain", done);
      reject(brokenOff());
    };
    res.once("drain", done);
    res.once("close", gone);
  });
}

/** Lets what was written go out, then breaks the connection. */
function cutOff(res: http.ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    res.write("", () => {
      res.socket?.destroy();
      resolve();
    });
    if (res.socket?.destroyed ?? true) resolve();
  });
}

function isAdmin(target: string): boolean {
  return target.startsWith("/_sim/") || target === "/_sim";
}

function isLoopback(address: string | undefined): boolean {
  return (
    address !== undefined && (address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127."))
  );
}

class BrokenOff extends Error {
  readonly code = "ECONNRESET";
}

function brokenOff(): Error {
  return new BrokenOff("the connection broke off");
}

function isBrokenConnection(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return (
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    code === "ERR_STREAM_PREMATURE_CLOSE" ||
    code === "ERR_STREAM_DESTROYED"
  );
}
