/**
 * The admin API `/_sim/…`: looks at the cloud from outside, changes it as another device would, and sets faults, network,
 * clock and sign-in. JSON, no tokens. It is free of latency, limits and faults, and its requests are not logged.
 */
import { checkPreconditions, conflictOf, jsonBody, textField } from "./ask.ts";
import { mustBeKept } from "./content.ts";
import { empty, json, type Answer, type Plan } from "./exchange.ts";
import { cTagOf, eTagOf, iso, type Json } from "./item-json.ts";
import { pathOf, type Actor, type Item } from "./item.ts";
import { createFolder, currentVersion, occupant, removeItem, updateItem, writeSlot, type Slot } from "./mutate.ts";
import { badRequest, nameTaken, notFound, Refusal, unsupported } from "./refusal.ts";
import type { Call } from "./service.ts";
import { readMode } from "./sign-in.ts";
import type { Sim } from "./sim.ts";
import { addOddity } from "./oddities.ts";

const DEVICE = "other-device";

export function planAdmin(sim: Sim, call: Call): Plan {
  const [, , what = "", ...rest] = call.path.split("/");
  const rawPath = rest.join("/");
  const by: Actor = { device: call.query.get("device") ?? DEVICE, app: "simulator-admin" };
  const at: At = { sim, call, by, names: namesOf(rawPath) };
  if (what === "files" && call.method === "PUT") return planPutFile(at);
  const handler = handlers[`${call.method} ${what}`];
  if (!handler) throw unsupported(`admin call ${call.method} /_sim/${what}`);
  const takes = call.method === "POST" || call.method === "PUT" ? "bytes" : "nothing";
  return {
    route: `admin.${what}`,
    group: "admin",
    takes,
    run: (bytes) => handler(at, takes === "bytes" ? jsonBody(bytes) : {}),
  };
}

interface At {
  readonly sim: Sim;
  readonly call: Call;
  readonly by: Actor;
  /** The path behind the call's name. */
  readonly names: readonly string[];
}

const handlers: Readonly<Record<string, (at: At, body: Json) => Answer>> = {
  "GET tree": ({ sim }) => json(200, treeRows(sim)),
  "GET files": (at) => getFile(at),
  "DELETE files": (at) => deleteFile(at),
  "POST mkdir": (at, body) => mkdir(at, body),
  "POST move": (at, body) => move(at, body),
  "GET versions": (at) => json(200, versionRows(at)),
  "POST faults": ({ sim }, body) => json(200, sim.service.faults.add(body)),
  "GET faults": ({ sim }) => json(200, sim.service.faults.list()),
  "DELETE faults": ({ sim }) => (sim.service.faults.clear(), empty(204)),
  "POST network": ({ sim }, body) => setNetwork(sim, body),
  "POST clock": ({ sim }, body) => advance(sim, body),
  "GET requests": ({ sim }) => json(200, sim.log.rows()),
  "DELETE requests": ({ sim }) => (sim.log.clear(), empty(204)),
  "POST login": ({ sim }, body) => setLogin(sim, body),
  "POST token": ({ sim }, body) => giveToken(sim, body),
  "POST quota": ({ sim }, body) => setQuota(sim, body),
  "POST throttle": ({ sim }, body) => setThrottle(sim, body),
  "POST add": ({ sim, by }, body) => json(201, { id: addOddity(sim.world, body, by) }),
};

function planPutFile({ sim, call, names, by }: At): Plan {
  const inflow = sim.world.blobs.create();
  return {
    route: "admin.files",
    group: "admin",
    takes: "content",
    inflow,
    abandon: () => inflow.abort(),
    run() {
      const content = inflow.finish();
      sim.world.hold(content);
      try {
        checkPreconditions(call.head, findPath(sim, names), sim.world);
        const { item, made } = writeSlot(sim.world, slotFor(sim, names, by), content, { conflict: "replace", by });
        return json(made ? 201 : 200, row(sim, item));
      } finally {
        sim.world.release(content);
      }
    },
  };
}

function getFile({ sim, names }: At): Answer {
  const item = existing(sim, names);
  if (!item.content) throw badRequest("invalidRequest", "This is a folder.");
  mustBeKept(item.content);
  const body = {
    kind: "content",
    content: item.content,
    from: 0,
    to: item.size,
    type: "application/octet-stream",
  } as const;
  return { status: 200, headers: { etag: eTagOf(item, sim.world) }, body };
}

function deleteFile({ sim, call, names, by }: At): Answer {
  const item = findPath(sim, names);
  if (!item) throw notFound();
  checkPreconditions(call.head, item, sim.world);
  removeItem(sim.world, item, by);
  return empty(204);
}

function mkdir({ sim, by }: At, body: Json): Answer {
  const names = bodyPath(body, "path");
  const there = findPath(sim, names);
  if (there && !there.children) throw nameTaken();
  if (there) return json(200, row(sim, there));
  const slot = slotFor(sim, names, by);
  return json(201, row(sim, createFolder(sim.world, slot, { conflict: "fail", by }).item));
}

function move({ sim, by }: At, body: Json): Answer {
  const item = existing(sim, bodyPath(body, "from"));
  const slot = slotFor(sim, bodyPath(body, "to"), by);
  const conflict = conflictOf(new URLSearchParams(), body, "fail");
  const times = { modified: item.clientModified };
  updateItem(sim.world, item, { parent: slot.parent, name: slot.name, times }, { conflict, by });
  return json(200, row(sim, item));
}

function versionRows({ sim, names }: At): Json[] {
  const item = existing(sim, names);
  if (!item.content) throw badRequest("invalidRequest", "This is a folder.");
  const current = { label: currentVersion(item), content: item.content, modified: item.modified, by: item.modifiedBy };
  return [...(item.extra?.versions ?? []), current].reverse().map((version) => ({
    id: `${version.label}.0`,
    size: version.content.size,
    quickXorHash: sim.service.reader.hash(version.content),
    modified: iso(version.modified),
    modifiedBy: version.by.device,
    current: version === current,
  }));
}

function treeRows(sim: Sim): Json[] {
  const rows: Json[] = [];
  const add = (folder: Item, prefix: string): void => {
    for (const item of folder.children!.values()) {
      const path = prefix + item.name;
      rows.push(row(sim, item, path));
      if (item.children) add(item, `${path}/`);
    }
  };
  add(sim.world.main.root, "");
  return rows;
}

function row(sim: Sim, item: Item, path = pathOf(item)): Json {
  return {
    path,
    id: item.drive.ids.itemId(item.num),
    eTag: eTagOf(item, sim.world),
    cTag: cTagOf(item, sim.world) ?? null,
    folder: item.content === null,
    size: item.size,
    quickXorHash: item.content ? sim.service.reader.hash(item.content) : null,
    mtime: iso(item.clientModified),
    createdBy: item.createdBy.device,
  };
}

function setNetwork(sim: Sim, body: Json): Answer {
  const { up } = body;
  if (typeof up !== "boolean") throw badRequest("invalidRequest", "up must be true or false.");
  sim.network.up = up;
  sim.network.onChange?.();
  return json(200, { up });
}

function advance(sim: Sim, body: Json): Answer {
  sim.advance(numberField(body, "advance") * 1000);
  return json(200, { now: iso(sim.nowMs()) });
}

function setLogin(sim: Sim, body: Json): Answer {
  const { signIn, tokens } = sim.service;
  const mode = readMode(body["mode"]);
  if (mode === "revoke") tokens.revokeAll();
  signIn.mode = mode;
  signIn.slowDowns = body["slowDowns"] === undefined ? 0 : numberField(body, "slowDowns");
  return json(200, { mode });
}

/** Tokens without the sign-in dance, for tests of other parts. */
function giveToken(sim: Sim, body: Json): Answer {
  const device = textField(body, "device") ?? `device-${sim.service.tokens.nextDevice()}`;
  const app = textField(body, "client_id") ?? "simulator-client";
  const pair = sim.service.tokens.issue({ device, app, scope: "Files.ReadWrite.All offline_access" });
  return json(200, {
    token_type: "Bearer",
    access_token: pair.access,
    refresh_token: pair.refresh,
    expires_in: 3599,
    device,
  });
}

function setQuota(sim: Sim, body: Json): Answer {
  sim.world.main.quotaBytes = numberField(body, "total");
  sim.keepQuota();
  return json(200, { total: sim.world.main.quotaBytes });
}

function setThrottle(sim: Sim, body: Json): Answer {
  sim.throttle.unitsPerMinute = body["unitsPerMinute"] === null ? Infinity : numberField(body, "unitsPerMinute");
  return json(200, { unitsPerMinute: body["unitsPerMinute"] });
}

function numberField(body: Json, name: string): number {
  const value = body[name];
  if (typeof value !== "number" || !Number.isFinite(value))
    throw badRequest("invalidRequest", `${name} must be a number.`);
  return value;
}

function bodyPath(body: Json, name: string): string[] {
  const path = textField(body, name);
  if (!path) throw badRequest("invalidRequest", `${name} must be a path.`);
  return path.split("/").filter(Boolean);
}

function namesOf(rawPath: string): string[] {
  try {
    return rawPath.split("/").map(decodeURIComponent).filter(Boolean);
  } catch {
    throw badRequest("invalidRequest", "The path is not valid percent-encoded UTF-8.");
  }
}

function findPath(sim: Sim, names: readonly string[]): Item | undefined {
  let item: Item | undefined = sim.world.main.root;
  for (const name of names) item = item && occupant({ parent: item, name });
  return item;
}

function existing(sim: Sim, names: readonly string[]): Item {
  const item = findPath(sim, names);
  if (!item) throw notFound();
  return item;
}

/** The place of a path; folders above are made. */
function slotFor(sim: Sim, names: readonly string[], by: Actor): Slot {
  const name = names.at(-1);
  if (name === undefined) throw badRequest("invalidRequest", "The path is empty.");
  let parent = sim.world.main.root;
  for (const each of names.slice(0, -1)) {
    parent =
      occupant({ parent, name: each }) ??
      createFolder(sim.world, { parent, name: each }, { conflict: "fail", by }).item;
    if (!parent.children)
      throw new Refusal(409, "nameAlreadyExists", { message: "A file stands where a folder is needed." });
  }
  return { parent, name };
}
