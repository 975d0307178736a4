/**
 * The simulator without sockets: a state machine that answers requests. `createSim` makes one; the HTTP server drives it
 * with `open` and `finish`, and a test can drive it inside its own process with `handle`, on a manual clock and seeded
 * randomness, with the same answers.
 *
 * Guarantees: a request changes the state in one synchronous step (`finish`), and that step is handed to `persist` whole
 * before the answer exists. Nothing here waits, sets a timer or reads the real time.
 */
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { planAdmin } from "./admin.ts";
import { jsonBody } from "./ask.ts";
import { runBatch } from "./batch.ts";
import { contentReader, type Blobs, type Inflow } from "./content.ts";
import { planDownload } from "./download-routes.ts";
import { empty, json, type Answer, type Head, type Hits, type Plan, type Subject } from "./exchange.ts";
import { makeFaults, type TransportFault } from "./faults.ts";
import { planGraph } from "./graph-routes.ts";
import { iso, type Pen } from "./item-json.ts";
import { makeLater } from "./later.ts";
import { linksFor, makeSigner } from "./links.ts";
import { makeContent } from "./made-content.ts";
import { memoryBlobs } from "./memory-blobs.ts";
import { hex8, mix, seedOf } from "./mix.ts";
import { makeMonitors } from "./monitors.ts";
import { planSignIn } from "./oauth-routes.ts";
import { profiles, type ProfileName } from "./profile.ts";
import { Refusal, unsupported } from "./refusal.ts";
import { RequestLog, type RequestRow } from "./request-log.ts";
import type { Call, Service, SignedCall } from "./service.ts";
import { makeSignIn } from "./sign-in.ts";
import { Throttle } from "./throttle.ts";
import { makeTokens, type TokenState } from "./tokens.ts";
import { makeUploads } from "./upload-sessions.ts";
import { planUpload } from "./upload-routes.ts";
import type { Item } from "./item.ts";
import { World } from "./world.ts";

export interface SimOptions {
  readonly profile: ProfileName;
  readonly clock: Pick<Clock, "now">;
  /** Gives the identity of the simulated cloud: drive ids, item ids, secrets. */
  readonly random: Random;
  readonly blobs?: Blobs;
  readonly persist?: Persist;
  readonly tokens?: TokenState;
}

/** Told of every step, before its answer exists; must make it durable at once. */
export interface Persist {
  items(changed: ReadonlySet<Item>): void;
  note(what: { readonly tokens?: TokenState; readonly advancedMs?: number; readonly quotaBytes?: number }): void;
}

export interface Sim {
  readonly world: World;
  readonly service: Service;
  readonly log: RequestLog;
  readonly throttle: Throttle;
  readonly network: { up: boolean; onChange: (() => void) | undefined };
  /** Service time, in milliseconds. */
  nowMs(): number;
  advance(ms: number): void;
  /** For loading: how far service time was ahead. */
  setAdvance(ms: number): void;
  open(head: Head): Flight;
  /** One whole request, its body in memory. */
  handle(request: Head & { readonly body?: Uint8Array }): Promise<SimResponse>;
  /** Makes the drive's quota durable. */
  keepQuota(): void;
  /** Makes what was changed outside a request durable. */
  commit(): void;
}

/** A request whose head has been read. */
export interface Flight {
  readonly plan: Plan;
  readonly row: RequestRow;
  /** Limits on the body that comes; for bodies that are collected, known only to `finish`. */
  readonly up: NonNullable<TransportFault["up"]>;
  readonly inflow: Inflow | undefined;
  /** Does the work. `bytes` is the body when the plan collects it. */
  finish(bytes: Uint8Array): Departure;
  /** The body broke off. */
  abandon(): void;
}

/** `lost`: the connection is to be destroyed instead. */
export interface Departure {
  readonly answer: Answer;
  readonly lost: boolean;
  readonly transport: TransportFault;
}

export type SimResponse =
  | { readonly lost: true }
  | {
      readonly lost: false;
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Buffer;
      readonly cut: boolean;
    };

const NOTHING = new Uint8Array(0);

export function createSim(options: SimOptions): Sim {
  const seed = seedOf(String(options.random.next()));
  const blobs = options.blobs ?? memoryBlobs();
  let advancedMs = 0;
  const nowMs = (): number => options.clock.now() + advancedMs;
  const world = new World({ profile: profiles[options.profile], seed, blobs, now: nowMs });
  const service = makeService({ world, options, nowMs });
  const { persist } = options;
  const sim: Sim = {
    world,
    service,
    log: new RequestLog(),
    throttle: new Throttle(),
    network: { up: true, onChange: undefined },
    nowMs,
    advance(ms) {
      advancedMs += ms;
      persist?.note({ advancedMs });
    },
    keepQuota: () => persist?.note({ quotaBytes: world.main.quotaBytes }),
    setAdvance: (ms) => void (advancedMs = ms),
    commit() {
      const changed = world.takeChanged();
      if (changed.size > 0) persist?.items(changed);
      world.dropUnused();
    },
    open: (head) => openFlight({ sim, head, at: options.clock.now() }),
    handle: (request) => handleWhole(sim, request),
  };
  return sim;
}

function makeService({ world, options, nowMs }: { world: World; options: SimOptions; nowMs: () => number }): Service {
  const signer = makeSigner(mix(world.seed, 9, 9));
  const reader = contentReader(world.blobs, makeContent(world.seed));
  const later = makeLater();
  const onChange = (tokens: TokenState): void => options.persist?.note({ tokens });
  const pen: Pen = { world, reader, signer, links: linksFor("simulator", world.profile) };
  return {
    world,
    reader,
    signer,
    later,
    tokens: makeTokens({ signer, nowMs, onChange, ...(options.tokens ? { state: options.tokens } : {}) }),
    signIn: makeSignIn(),
    uploads: makeUploads(world, signer),
    monitors: makeMonitors(world, later, signer),
    faults: makeFaults(pen, later),
  };
}

interface Opening {
  readonly sim: Sim;
  readonly head: Head;
  readonly at: number;
}

function openFlight({ sim, head, at }: Opening): Flight {
  const { service, world } = sim;
  service.later.settle(sim.nowMs());
  sim.commit();
  const call = readCall(service, head);
  const plan = planFor(sim, call);
  const row = newRow(head, at);
  if (plan.group !== "admin") sim.log.add(row);
  const subject = remembered((bytes) => plan.subject?.(bytes) ?? {});
  const strike = (bytes: Uint8Array): Hits =>
    service.faults.strike({ plan, method: head.method, target: head.target, subject: () => subject(bytes) });
  let hits = plan.takes === "bytes" ? undefined : strike(NOTHING);
  if (hits) plan.begin?.(hits);
  return {
    plan,
    row,
    up: (hits && service.faults.transport(hits).up) ?? {},
    inflow: plan.inflow,
    abandon: () => plan.abandon?.(),
    finish(bytes) {
      hits ??= strike(bytes);
      row.itemId = subject(bytes).id ?? null;
      const transport = service.faults.transport(hits);
      if (transport.lose === "before") plan.abandon?.();
      const answer = transport.lose === "before" ? empty(500) : answerTo({ sim, call, plan, hits }, bytes);
      sim.commit();
      const made = row.itemId === null || row.itemId === undefined ? idIn(answer, plan) : row.itemId;
      row.itemId = made;
      const lost = transport.lose !== undefined;
      if (!lost) row.status = answer.status;
      return { answer: signed(answer, { call, hits, world }), lost, transport };
    },
  };
}

function newRow(head: Head, at: number): RequestRow {
  return {
    at,
    method: head.method,
    path: head.target,
    status: 0,
    bytes: 0,
    received: 0,
    ifMatch: head.headers["if-match"] ?? null,
    ...(head.batched ? { batched: true } : {}),
    range: head.headers["range"] ?? null,
    itemId: null,
  };
}

interface Answering {
  readonly sim: Sim;
  readonly call: Call;
  readonly plan: Plan;
  readonly hits: Hits;
}

function answerTo({ sim, call, plan, hits }: Answering, bytes: Uint8Array): Answer {
  const { faults } = sim.service;
  try {
    const request = { plan, method: call.method, target: call.head.target, subject: () => plan.subject?.(bytes) ?? {} };
    if (plan.units !== undefined) sim.throttle.spend(plan.units, sim.nowMs());
    const instead = faults.instead(hits, request);
    if (instead) plan.abandon?.();
    return faults.alter(instead ?? plan.run(bytes, hits), hits);
  } catch (error) {
    plan.abandon?.();
    return errorAnswer(error, call);
  }
}

function errorAnswer(error: unknown, call: Call): Answer {
  const refusal =
    error instanceof Refusal
      ? error
      : new Refusal(500, "generalException", {
          message: `Defect of the simulator: ${error instanceof Error ? error.stack : String(error)}`,
        });
  const innerError = {
    ...(refusal.inner === undefined ? {} : { code: refusal.inner }),
    date: iso(call.service.world.now()).slice(0, 19),
    "client-request-id": call.head.headers["client-request-id"],
  };
  return json(
    refusal.status,
    { error: { code: refusal.code, message: refusal.message, innerError } },
    { ...refusal.headers },
  );
}

/** The headers every answer carries. */
function signed(answer: Answer, { call, hits, world }: { call: Call; hits: Hits; world: World }): Answer {
  const skewMs = (hits.get("clock-skew")?.seconds ?? 0) * 1000;
  const theirs = call.head.headers["client-request-id"];
  const headers = {
    ...answer.headers,
    "request-id": requestId(world),
    ...(theirs === undefined ? {} : { "client-request-id": theirs }),
    date: httpDate(world.clockMs() + skewMs),
  };
  return { ...answer, headers };
}

const lastDate = { second: Number.NaN, text: "" };

/** A Date header; most answers of one second share it. */
function httpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (lastDate.second !== second) Object.assign(lastDate, { second, text: new Date(ms).toUTCString() });
  return lastDate.text;
}

/** A GUID for each answer, the same for the same seed and order of requests. */
function requestId(world: World): string {
  const n = world.nextAnswer();
  const [a, b, c, d] = [1, 2, 3, 4].map((part) => hex8(mix(world.seed, n, part)));
  return `${a}-${b?.slice(0, 4)}-4${b?.slice(5)}-8${c?.slice(1, 4)}-${c?.slice(4)}${d}`;
}

function readCall(service: Service, head: Head): Call {
  const target = head.target.startsWith("/") ? head.target : head.target.replace(/^[a-z]+:\/\/[^/]*/i, "");
  const mark = target.indexOf("?");
  const links = linksFor(head.headers["host"] ?? "localhost", service.world.profile);
  return {
    service,
    head,
    method: head.method,
    path: mark < 0 ? target : target.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? "" : target.slice(mark + 1)),
    links,
    pen: { world: service.world, reader: service.reader, signer: service.signer, links },
  };
}

function planFor(sim: Sim, call: Call): Plan {
  try {
    return route(sim, call);
  } catch (error) {
    const group = call.path.startsWith("/_sim") ? "admin" : "graph";
    const refuse = (): never => {
      throw error;
    };
    return { route: "refused", group, takes: "nothing", run: refuse };
  }
}

function route(sim: Sim, call: Call): Plan {
  const { path } = call;
  if (path.startsWith("/_sim/") || path === "/_sim") return planAdmin(sim, call);
  if (path.startsWith("/_up/")) return planUpload(call);
  if (path.startsWith("/_dl/")) return planDownload(call);
  if (path.startsWith("/_op/")) {
    return {
      route: "monitor",
      group: "monitor",
      takes: "nothing",
      run: () => call.service.monitors.answer(path, call.head),
    };
  }
  if (path === "/v1.0" || path.startsWith("/v1.0/")) return planSigned(sim, signedCall(call));
  const plan = planSignIn(call);
  if (plan) return plan;
  throw unsupported(`${call.method} ${path.slice(0, 80)}`);
}

function planSigned(sim: Sim, call: SignedCall): Plan {
  const rest = call.path.slice("/v1.0/".length);
  if (!/^(\$|%24)batch\/?$/i.test(rest)) return planGraph(call, rest);
  if (call.method !== "POST") throw new Refusal(405, "notSupported");
  return {
    route: "batch",
    group: "graph",
    takes: "bytes",
    run: (bytes) => runBatch(call.head, jsonBody(bytes), (inner) => runInner(sim, inner)),
  };
}

/** One request inside a batch. Lost answers cannot be told apart there, so they become a 504. */
function runInner(sim: Sim, inner: { head: Head; body: Uint8Array }): Answer {
  const flight = sim.open(inner.head);
  if (flight.plan.takes !== "content") {
    const { answer, lost } = flight.finish(inner.body);
    return lost ? json(504, { error: { code: "UnknownError", message: "" } }) : answer;
  }
  flight.abandon();
  flight.row.status = 501;
  return json(501, {
    error: { code: "notSupported", message: "The simulator does not implement: content in a batch" },
  });
}

function signedCall(call: Call): SignedCall {
  const header = call.head.headers["authorization"] ?? "";
  const grant = /^bearer /i.test(header) ? call.service.tokens.readAccess(header.slice(7).trim()) : undefined;
  if (!grant) {
    throw new Refusal(401, "InvalidAuthenticationToken", {
      message: header === "" ? "Access token is empty." : "Lifetime validation failed, the token is expired.",
      headers: { "www-authenticate": 'Bearer realm="", error="invalid_token", error_description="expired_token"' },
    });
  }
  return { ...call, grant, by: { device: grant.device, app: grant.app } };
}

/** The id of the item an answer is about. */
function idIn(answer: Answer, plan: Plan): string | null {
  if (plan.group !== "graph" && plan.group !== "upload") return null;
  const value =
    answer.body.kind === "json" ? (answer.body.value as { id?: unknown; parentReference?: unknown } | null) : null;
  return typeof value?.id === "string" && value.parentReference !== undefined ? value.id : null;
}

function remembered(read: (bytes: Uint8Array) => Subject): (bytes: Uint8Array) => Subject {
  let known: Subject | undefined;
  return (bytes) => (known ??= safely(() => read(bytes)));
}

function safely(read: () => Subject): Subject {
  try {
    return read();
  } catch (error) {
    if (error instanceof Refusal) return {};
    throw error;
  }
}

async function handleWhole(sim: Sim, request: Head & { body?: Uint8Array }): Promise<SimResponse> {
  const flight = sim.open(request);
  if (!sim.network.up && flight.plan.group !== "admin") {
    flight.abandon();
    return { lost: true };
  }
  const body = request.body ?? NOTHING;
  const cutUp = flight.up.cutAtBytes ?? Infinity;
  flight.row.received = Math.min(body.length, cutUp);
  if (flight.inflow) await flight.inflow.write(body.subarray(0, cutUp));
  await flight.inflow?.flush();
  if (body.length > cutUp) {
    flight.abandon();
    return { lost: true };
  }
  const { answer, lost, transport } = flight.finish(flight.plan.takes === "bytes" ? body : NOTHING);
  if (lost) return { lost: true };
  const whole = await bodyBytes(sim, answer);
  const cut = Math.min(whole.length, transport.down?.cutAtBytes ?? Infinity);
  flight.row.bytes = cut;
  return {
    lost: false,
    status: answer.status,
    headers: answer.headers,
    body: whole.subarray(0, cut),
    cut: cut < whole.length,
  };
}

async function bodyBytes(sim: Sim, { body }: Answer): Promise<Buffer> {
  if (body.kind === "none") return Buffer.alloc(0);
  if (body.kind === "json") return Buffer.from(JSON.stringify(body.value));
  if (body.kind === "text") return Buffer.from(body.text);
  const source = sim.service.reader.read(body.content, body.from, body.to);
  if (source instanceof Uint8Array) return Buffer.from(source);
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}
