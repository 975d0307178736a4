/**
 * The fault engine. A fault strikes a request when its route, item and kind fit, its count is not used up, and its own
 * seeded die says so; the die is thrown only for requests that fit, so a seed gives the same strikes for the same requests.
 * One request can be struck by several faults, but by one of each kind: the oldest.
 */
import { deltaFault } from "./fault-delta.ts";
import { fitting } from "./fault-match.ts";
import { kinds, readFault } from "./fault-kinds.ts";
import { empty, json, text, type Answer, type FaultSpec, type Hits, type Struck } from "./exchange.ts";
import type { Pen } from "./item-json.ts";
import type { Item } from "./item.ts";
import type { Later } from "./later.ts";
import { mix } from "./mix.ts";
import { notFound, preconditionFailed, Refusal } from "./refusal.ts";
import { SERVICE, type World } from "./world.ts";
import { Past } from "./past.ts";
import { writeFile } from "./mutate.ts";

/** What happens to the connection, apart from the answer. */
export interface TransportFault {
  readonly lose?: "before" | "after";
  readonly stallMs?: number;
  readonly up?: BodyLimit;
  readonly down?: BodyLimit;
}

export interface BodyLimit {
  readonly cutAtBytes?: number;
  readonly bytesPerSecond?: number;
}

export interface Faults {
  add(body: unknown): ActiveFault;
  list(): readonly ActiveFault[];
  clear(): void;
  /** Which faults strike this request. */
  strike(request: Struck): Hits;
  transport(hits: Hits): TransportFault;
  /** Throws or gives the answer that comes instead of any work. */
  instead(hits: Hits, request: Struck): Answer | undefined;
  /** The answer as the faults leave it. */
  alter(answer: Answer, hits: Hits): Answer;
  afterContent(item: Item, hits: Hits): void;
}

export interface ActiveFault extends FaultSpec {
  readonly id: number;
  /** How often it struck. */
  hits: number;
  /** For kinds that last: since when, in service time. */
  sinceMs?: number;
}

const NONE: Hits = new Map();

export function makeFaults(pen: Pen, later: Later): Faults {
  const { world } = pen;
  let active: ActiveFault[] = [];
  let last = 0;
  const past = new Past(pen);
  const lastsNow = (fault: ActiveFault): boolean => {
    fault.sinceMs ??= world.clockMs();
    return fault.kind !== "locked" || world.clockMs() < fault.sinceMs + (fault.seconds ?? 60) * 1000;
  };
  return {
    add(body) {
      const fault = { ...readFault(body), id: ++last, hits: 0 };
      active.push(fault);
      if (fault.kind === "delta-stale") past.start();
      return fault;
    },
    list: () => active,
    clear() {
      active = [];
      past.stop();
    },
    strike(request) {
      if (active.length === 0) return NONE;
      const hits = new Map<string, FaultSpec>();
      for (const fault of active) {
        const used = fault.count !== undefined && fault.hits >= fault.count;
        if (used || hits.has(fault.kind) || !fitting(fault, request, world) || !diceSays(fault)) continue;
        if (!lastsNow(fault)) continue;
        fault.hits++;
        hits.set(fault.kind, fault);
      }
      return hits;
    },
    transport: transportOf,
    instead: (hits, request) => (hits.size === 0 ? undefined : instead(hits, request, world)),
    alter: (answer, hits) => (hits.size === 0 ? answer : altered(answer, hits, past)),
    afterContent(item, hits) {
      const bump = hits.get("etag-bump");
      if (bump)
        later.at(world.clockMs() + (bump.seconds ?? 0) * 1000, () => void (item.binned || world.touch(item, SERVICE)));
      const rewrite = hits.get("rewrite");
      if (rewrite) later.at(world.clockMs() + (rewrite.seconds ?? 0) * 1000, () => rewriteContent(world, item));
    },
  };
}

/** Each candidate throws the fault's own die once. */
const throws = new WeakMap<ActiveFault, number>();
function diceSays(fault: ActiveFault): boolean {
  if (fault.probability === undefined) return true;
  const nth = (throws.get(fault) ?? 0) + 1;
  throws.set(fault, nth);
  return mix(fault.seed ?? 1, nth, 61) / 2 ** 32 < fault.probability;
}

function transportOf(hits: Hits): TransportFault {
  if (hits.size === 0) return {};
  const lost = hits.get("lost");
  const stall = hits.get("stall");
  const [cut, slow] = [hits.get("cut"), hits.get("slow")];
  const limit = (direction: "up" | "down"): BodyLimit => ({
    ...(cut && (cut.direction ?? "down") === direction ? { cutAtBytes: cut.bytes ?? 1024 } : {}),
    ...(slow && (slow.direction ?? "down") === direction ? { bytesPerSecond: slow.bytesPerSecond ?? 1024 } : {}),
  });
  return {
    ...(lost ? { lose: lost.when ?? "before" } : {}),
    ...(stall ? { stallMs: (stall.seconds ?? 60) * 1000 } : {}),
    up: limit("up"),
    down: limit("down"),
  };
}

function instead(hits: Hits, request: Struck, world: World): Answer | undefined {
  const status = hits.get("status");
  if (status && status.when !== "after") return statusAnswer(status);
  if (hits.has("token-expired"))
    throw new Refusal(401, "InvalidAuthenticationToken", {
      message: "Lifetime validation failed, the token is expired.",
    });
  const url = hits.get("url-expired");
  if (url)
    throw new Refusal(url.status ?? 401, "unauthenticated", {
      message: "The link has expired.",
      inner: "expiredToken",
    });
  if (hits.has("not-found")) throw notFound();
  if (hits.has("precondition")) throw preconditionFailed();
  if (hits.has("locked"))
    throw new Refusal(423, "resourceLocked", { message: "The resource you are attempting to access is locked." });
  if (hits.has("young-item") && isYoung(request, world, hits.get("young-item")?.seconds ?? 1)) {
    throw new Refusal(409, "resourceModified", { message: "The resource has changed since the caller last read it." });
  }
  if (!hits.has("read-only")) return undefined;
  if (request.plan.route === "content.put") throw notFound();
  throw new Refusal(403, "accessDenied", { message: "The caller does not have permission to perform the action." });
}

function isYoung(request: Struck, world: World, seconds: number): boolean {
  const { id } = request.subject();
  const item = id === undefined ? undefined : world.drives.map((drive) => world.byId(drive, id)).find(Boolean);
  return item !== undefined && world.clockMs() - item.created < seconds * 1000;
}

function statusAnswer(fault: FaultSpec): Answer {
  const status = fault.status ?? 503;
  const headers: Record<string, string> =
    fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) };
  if (fault.body === "empty") return empty(status, headers);
  if (fault.body === "html")
    return { ...text(status, "text/html", "<html><body><h1>Service unavailable</h1></body></html>"), headers };
  const code = fault.code ?? codes[status] ?? "generalException";
  return json(status, { error: { code, message: "An injected fault.", innerError: { code } } }, headers);
}

const codes: Readonly<Record<number, string>> = {
  401: "InvalidAuthenticationToken",
  403: "accessDenied",
  404: "itemNotFound",
  409: "nameAlreadyExists",
  410: "resyncRequired",
  412: "resourceModified",
  423: "resourceLocked",
  429: "activityLimitReached",
  503: "serviceNotAvailable",
  504: "UnknownError",
  507: "quotaLimitReached",
};

function altered(answer: Answer, hits: Hits, past: Past): Answer {
  let out = answer;
  for (const [kind, spec] of hits) if (kinds[kind]?.acts === "delta") out = deltaFault(kind, out, { spec, past });
  const status = hits.get("status");
  if (status?.when === "after") out = statusAnswer(status);
  if (hits.has("empty") && out.status < 300) out = { ...out, body: { kind: "none" } };
  return out;
}

/** The service adds its own marks to the file, as it does to documents. */
function rewriteContent(world: World, item: Item): void {
  const old = item.content;
  if (item.binned || !old) return;
  const bytes = old.kind === "stored" && old.blob > 0 ? world.blobs.bytes(old.blob) : new Uint8Array(0);
  const marks = Buffer.from(`\n<!-- marked by the service: ${item.changes} -->\n`);
  const marked = world.blobs.store(Buffer.concat([bytes, marks]));
  writeFile(world, item, marked, { by: SERVICE, times: { modified: item.clientModified } });
}
