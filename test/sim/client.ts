/**
 * A client of the simulator for tests: drives the state machine in this process, on a manual clock and a fixed seed, with no
 * sockets. Answers come parsed; bodies that are not JSON come as text.
 */
import assert from "node:assert/strict";
import { manualClock, type ManualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { ProfileName } from "../../src/sim/profile.ts";
import { createSim, type Sim } from "../../src/sim/sim.ts";

// Answers are JSON of any shape; a test that misreads one fails.
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  readonly json: Loose;
  readonly cut: boolean;
}

export interface Ask {
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly body?: string | Uint8Array;
  /** Send no token. */
  readonly bare?: boolean;
  readonly host?: string;
}

export interface Client {
  readonly sim: Sim;
  readonly clock: ManualClock;
  /** The whole answer; undefined when it was lost. */
  ask(line: string, ask?: Ask): Promise<Reply | undefined>;
  /** The answer, with the status it must have. */
  want(status: number, line: string, ask?: Ask): Promise<Reply>;
  /** An admin request that must succeed. */
  admin(line: string, ask?: Ask): Promise<Loose>;
  /** Puts a file by path and gives the item. */
  put(path: string, body: string | Uint8Array): Promise<Loose>;
  /** Makes a folder below the root or the given parent. */
  mkdir(name: string, parentId?: string): Promise<Loose>;
  /** Follows delta from a link (or the start) to its end. */
  delta(link?: string): Promise<{ items: Loose[]; pages: Loose[][]; link: string }>;
}

export const HOST = "sim.test";

export async function testClient(profile: ProfileName = "personal", seed: number | string = 7): Promise<Client> {
  const clock = manualClock();
  const sim = createSim({ profile, clock, random: seededRandom(seed) });
  let token = "";
  const ask: Client["ask"] = async (line, how = {}) => {
    const [method, rest] = splitAtSpace(line);
    const target = targetOf(rest);
    const json = how.json === undefined ? undefined : JSON.stringify(how.json);
    const auth = how.bare || !target.startsWith("/v1.0") ? {} : { authorization: `Bearer ${token}` };
    const body = Buffer.from(json ?? how.body ?? "");
    const headers = { host: how.host ?? HOST, ...auth, "content-length": String(body.length), ...how.headers };
    const response = await sim.handle({ method, target, headers, body });
    if (response.lost) return undefined;
    const { status, cut } = response;
    return { status, headers: response.headers, bytes: response.body, json: parsed(response.body), cut };
  };
  const want: Client["want"] = async (status, line, how) => {
    const reply = await ask(line, how);
    assert.ok(reply, `${line} was lost`);
    assert.equal(reply.status, status, `${line}: ${reply.bytes.toString("utf8").slice(0, 400)}`);
    return reply;
  };
  const admin: Client["admin"] = async (line, how) => {
    const reply = await ask(line, how);
    assert.ok(reply && reply.status < 300, `${line}: ${reply?.status} ${reply?.bytes.toString("utf8").slice(0, 300)}`);
    return reply.json;
  };
  token = (await admin("POST /_sim/token", { json: {} })).access_token;
  return {
    sim,
    clock,
    ask,
    want,
    admin,
    async put(path, body) {
      const reply = await ask(`PUT /v1.0/me/drive/root:/${encodePath(path)}:/content`, { body });
      assert.ok(reply && reply.status < 300, `put ${path}: ${reply?.status}`);
      return reply.json;
    },
    async mkdir(name, parentId = "root") {
      return (await want(201, `POST /v1.0/me/drive/items/${parentId}/children`, { json: { name, folder: {} } })).json;
    },
    delta: (link) => readDelta(want, link),
  };
}

async function readDelta(
  want: Client["want"],
  link = "/v1.0/me/drive/root/delta",
): Promise<{ items: Loose[]; pages: Loose[][]; link: string }> {
  const pages: Loose[][] = [];
  for (let next = link; ;) {
    const { json } = await want(200, `GET ${next}`);
    pages.push(json.value);
    if (json["@odata.deltaLink"]) return { items: pages.flat(), pages, link: json["@odata.deltaLink"] };
    next = json["@odata.nextLink"];
  }
}

export function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** Path and query of an absolute link, or the path itself. */
export function targetOf(link: string): string {
  return link.replace(/^https?:\/\/[^/]*/, "");
}

function splitAtSpace(line: string): [string, string] {
  const at = line.indexOf(" ");
  return [line.slice(0, at), line.slice(at + 1)];
}

function parsed(bytes: Buffer): Loose {
  const text = bytes.toString("utf8");
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
