/**
 * A world whose cloud is the simulator's state machine in this process: every device has the product's own drive on Microsoft's
 * client, and HTTP without sockets. Answers that are lost, cut or refused come from the simulator's fault engine.
 */
import { sleep } from "../../src/base/clock.ts";
import { ok, type Result } from "../../src/base/result.ts";
import { msgraphDrive } from "../../src/drive/msgraph-drive.ts";
import { parseEndpoint } from "../../src/http/endpoint.ts";
import { BodyLost, type Http, type HttpAnswer, type HttpRequest, type NetFailure } from "../../src/http/http.ts";
import type { ProfileName } from "../../src/sim/profile.ts";
import { createSim, type Sim, type SimResponse } from "../../src/sim/sim.ts";
import { viewOfSim } from "./cloud-view.ts";
import type { Device, DeviceOptions } from "./device.ts";
import { World } from "./world.ts";

const ENDPOINT = parseEndpoint("http://localhost:1");

export class SimWorld extends World {
  readonly sim: Sim;
  readonly online = new Map<string, boolean>();
  /** Of every request, there and back. */
  latencyMs = 0;

  constructor(seed: string | number, profile: ProfileName) {
    super(seed);
    const wholeMs = { now: () => Math.floor(this.clock.now()) };
    this.sim = createSim({ profile, clock: wholeMs, random: this.random.split("sim") });
    this.view = viewOfSim(this.sim);
  }

  override device(name: string, more: Partial<DeviceOptions> = {}): Device {
    const isUp = (): boolean => this.online.get(name) !== false;
    return super.device(name, {
      connect: ({ clock, random }) => {
        if (!ENDPOINT.ok) throw new Error(ENDPOINT.fault.why);
        const endpoint = ENDPOINT.value;
        return msgraphDrive({
          endpoint,
          http: httpTo(this.sim, isUp, () => sleep(clock, this.latencyMs / 2)),
          tokens: tokensFor(this.sim, name),
          clock,
          random,
        });
      },
      ...more,
    });
  }
}

/** A token for as long as the service takes it, then another. */
function tokensFor(sim: Sim, device: string) {
  const issue = (): string => sim.service.tokens.issue({ device, app: "mount", scope: "Files.ReadWrite.All" }).access;
  let token = issue();
  return {
    async token({ rejected }: { readonly rejected?: string }): Promise<Result<string, never>> {
      if (rejected === token) token = issue();
      return ok(token);
    },
  };
}

function httpTo(sim: Sim, isUp: () => boolean, halfWay: () => Promise<void>): Http {
  return {
    async send(request) {
      if (request.signal?.aborted) return failure("interrupted", false);
      if (!isUp()) return failure("unreachable", false);
      const body = await collected(request.body);
      await halfWay();
      const target = request.url.replace(/^[a-z]+:\/\/[^/]*/, "");
      const headers = { host: "localhost:1", "content-length": String(body.length), ...lowered(request) };
      const response = await sim.handle({ method: request.method, target, headers, body });
      await halfWay();
      if (!isUp() || response.lost) return failure("reset", true);
      return ok(answerOf(response));
    },
    close: () => Promise.resolve(),
  };
}

function lowered({ headers = {} }: HttpRequest): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

async function collected(body: HttpRequest["body"]): Promise<Uint8Array> {
  if (body === undefined || typeof body === "string") return Buffer.from(body ?? "");
  if (body instanceof Uint8Array) return body;
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts);
}

function failure(kind: NetFailure["kind"], sent: boolean): { ok: false; fault: NetFailure } {
  return { ok: false, fault: { kind, sent, why: `the simulated network: ${kind}` } };
}

function answerOf(response: SimResponse & { lost: false }): HttpAnswer {
  const lost = failure("reset", true).fault;
  return {
    status: response.status,
    headers: response.headers,
    body: (async function* () {
      yield response.body;
      if (response.cut) throw new BodyLost(lost);
    })(),
    read: async () => (response.cut ? { ok: false, fault: lost } : ok(response.body)),
    discard: () => undefined,
  };
}
