/** The Graph API's route table: method and action to a plan. What is not in it is refused with 501 and named. */
import { findAt, itemAt, readPlace, specialPath, type Address } from "./address.ts";
import { jsonBody, option, pick, selected, textField } from "./ask.ts";
import type { Drive } from "./drive.ts";
import { json, type Answer, type Hits, type Plan, type Subject } from "./exchange.ts";
import { getDelta } from "./graph-delta.ts";
import { getChildren, getContent, getDrive, getItem, getVersionContent, getVersions, search } from "./graph-read.ts";
import {
  deleteItem,
  patchItem,
  permanentDelete,
  postChild,
  postCopy,
  postRestore,
  postRestoreVersion,
} from "./graph-write.ts";
import { driveJson, type Json } from "./item-json.ts";
import { pathOf } from "./item.ts";
import { createFolder, occupant } from "./mutate.ts";
import { badRequest, Refusal, unsupported } from "./refusal.ts";
import type { SignedCall } from "./service.ts";
import { commitSource, createSession, planPutContent } from "./upload-routes.ts";

type Run = (call: SignedCall, address: Address, more: { body: Json; hits: Hits }) => Answer;
interface Route {
  readonly name: string;
  readonly units: number;
  readonly takes: "nothing" | "bytes";
  readonly run: Run;
}

const route = (name: string, units: number, takes: Route["takes"], run: Run): Route => ({ name, units, takes, run }); // prettier-ignore

const routes: Readonly<Record<string, Route>> = {
  "GET ": route("item.get", 1, "nothing", (call, address) => getItem(call, address)),
  "PATCH ": route("item.patch", 2, "bytes", (call, address, { body }) => patchItem(call, address, body)),
  "DELETE ": route("item.delete", 2, "nothing", (call, address) => deleteItem(call, address)),
  "PUT ": route("item.put", 2, "bytes", (call, address, { body, hits }) => commitSource(call, address, body, hits)),
  "GET children": route("children", 2, "nothing", (call, address, { hits }) => getChildren(call, address, hits)),
  "POST children": route("children.create", 2, "bytes", (call, address, { body }) => postChild(call, address, body)),
  "GET content": route("content.get", 1, "nothing", (call, address) => getContent(call, address)),
  "POST createUploadSession": route("session.create", 2, "bytes", (call, address, { body }) =>
    createSession(call, address, body),
  ),
  "GET delta": route("delta", 2, "nothing", (call, address, { hits }) => getDelta(call, address, hits)),
  "POST copy": route("copy", 2, "bytes", (call, address, { body, hits }) => postCopy(call, address, body, hits)),
  "POST restore": route("restore", 2, "bytes", (call, address, { body }) => postRestore(call, address, body)),
  "POST permanentDelete": route("permanent-delete", 2, "bytes", (call, address) => permanentDelete(call, address)),
  "GET versions": route("versions", 2, "nothing", (call, address) => getVersions(call, address)),
  "GET search": route("search", 2, "nothing", (call, address) =>
    search(call, itemAt(call.service.world, address), searchText(address)),
  ),
};

/** A path behind `/v1.0/`, already signed in. */
export function planGraph(call: SignedCall, rawPath: string): Plan {
  const place = readPlace(call.service.world, rawPath);
  if (place.kind === "other") return planOther(call, place.segments);
  if (place.kind === "drive") return planDrive(call, place.drive, place.action);
  return planItem(call, place.address);
}

function planItem(call: SignedCall, address: Address): Plan {
  const [action = "", id, last] = address.action;
  if (call.method === "PUT" && action === "content" && id === undefined) {
    const plan = planPutContent(call, address);
    const run: Plan["run"] = (bytes, hits) => (makeSpecial(call, address), plan.run(bytes, hits));
    return { ...plan, run, subject: () => subjectOf(call, address, {}) };
  }
  const found =
    id === undefined ? routes[`${call.method} ${actionName(action)}`] : versionRoute(call.method, { action, id, last });
  if (!found)
    throw unsupported(`${call.method} ${[actionName(action), last].filter(Boolean).join("/") || "on an item"}`);
  refuseUnknownOptions(call, found.name);
  const cheap = found.name === "delta" && /token=/.test(call.head.target);
  return {
    route: found.name,
    group: "graph",
    takes: found.takes,
    units: cheap ? 1 : found.units,
    subject: (bytes) => subjectOf(call, address, found.takes === "bytes" ? jsonBody(bytes) : {}),
    run(bytes, hits) {
      const body = found.takes === "bytes" ? jsonBody(bytes) : {};
      makeSpecial(call, address);
      return found.run(call, address, { body, hits });
    },
  };
}

function versionRoute(
  method: string,
  { action, id, last }: { action: string; id: string; last: string | undefined },
): Route | undefined {
  if (action !== "versions") return undefined;
  if (method === "GET" && last === "content")
    return route("version.content", 1, "nothing", (call, address) => getVersionContent(call, address, id));
  if (method === "POST" && last === "restoreVersion") {
    return route("version.restore", 2, "bytes", (call, address) => postRestoreVersion(call, address, id));
  }
  return undefined;
}

function planDrive(call: SignedCall, drive: Drive, action: readonly string[]): Plan {
  const [name = ""] = action;
  if (call.method !== "GET" || (name !== "" && !name.startsWith("search(")))
    throw unsupported(`${call.method} on a drive: ${name}`);
  const run = (): Answer => (name === "" ? getDrive(call, drive) : search(call, drive.root, searchText({ action })));
  return { route: name === "" ? "drive" : "search", group: "graph", takes: "nothing", units: 1, run };
}

function planOther(call: SignedCall, segments: readonly string[]): Plan {
  const { world } = call.service;
  const [first = "", second = "", third = ""] = segments;
  const plan = (name: string, run: () => Json): Plan => ({
    route: name,
    group: "graph",
    takes: "nothing",
    units: 1,
    run: () => json(200, pick(run(), selected(call.query))),
  });
  if (call.method === "GET") {
    if (first === "me" && segments.length === 1) return plan("me", me);
    if (first === "drives" && segments.length === 1)
      return plan("drives", () => ({ value: [driveJson(world.main, world)] }));
    if (first === "me" && second === "drives") return plan("drives", () => ({ value: [driveJson(world.main, world)] }));
    if (first === "sites" && third === "drives")
      return plan("drives", () => ({ value: [driveJson(world.main, world)] }));
    if (first === "sites" && segments.length === 2)
      return plan("site", () => ({ id: second, displayName: "Simulated site" }));
  }
  throw unsupported(`${call.method} /${segments.map((part) => (part.length > 40 ? "…" : part)).join("/")}`);
}

function me(): Json {
  return {
    id: "test-person",
    displayName: "Test Person",
    userPrincipalName: "person@example.com",
    mail: "person@example.com",
  };
}

const OPTIONS_MISSING = ["filter", "search", "skip", "count", "format"];

/** An option left unread would give a wrong answer that looks right. */
function refuseUnknownOptions(call: SignedCall, name: string): void {
  const missing = name === "item.get" ? OPTIONS_MISSING : [...OPTIONS_MISSING, "expand"];
  const asked = missing.find((each) => option(call.query, each) !== undefined);
  if (asked !== undefined) throw unsupported(`$${asked} on ${name}`);
}

/** `delta(token='x')`, `view.delta`, `microsoft.graph.copy` and the like. */
function actionName(action: string): string {
  return action.replace(/\(.*\)$/, "").replace(/^(view\.|microsoft\.graph\.|oneDrive\.)/, "");
}

function searchText({ action }: { action: readonly string[] }): string {
  const found = /\(q='(.*)'\)$/.exec(action.join("/"));
  if (!found) throw badRequest("invalidRequest", "search takes (q='text').");
  return (found[1] ?? "").replaceAll("''", "'");
}

/** A special folder comes into being when somebody asks for it. */
function makeSpecial(call: SignedCall, address: Address): void {
  if (address.anchor.kind !== "special") return;
  const { world } = call.service;
  let parent = address.drive.root;
  for (const name of specialPath(address.anchor.name)) {
    parent =
      occupant({ parent, name }) ?? createFolder(world, { parent, name }, { conflict: "fail", by: call.by }).item;
  }
  if (parent.extra?.special) return;
  parent.extra = { ...parent.extra, special: address.anchor.name.toLowerCase() };
  world.note(parent);
}

function subjectOf(call: SignedCall, address: Address, body: Json): Subject {
  try {
    const item = findAt(call.service.world, address);
    const name = address.action[0] === "children" ? textField(body, "name") : undefined;
    if (item && name !== undefined) {
      const child = occupant({ parent: item, name });
      if (child) return { id: address.drive.ids.itemId(child.num) };
      return { path: [pathOf(item), name].filter(Boolean).join("/") };
    }
    if (item) return { id: address.drive.ids.itemId(item.num) };
    if (address.anchor.kind === "id" && address.names === undefined) return { id: address.anchor.id };
    const top = findAt(call.service.world, { ...address, names: [] });
    return { path: [top && pathOf(top), ...(address.names ?? [])].filter(Boolean).join("/") };
  } catch (error) {
    if (error instanceof Refusal) return {};
    throw error;
  }
}
