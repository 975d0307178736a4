/**
 * Bytes coming in: simple PUT, and upload sessions with their fragments, status, cancellation and commit. The bytes stream
 * into an inflow; the item changes only when all of them are there, in one step.
 */
import { findAt, itemAt, slotAt, slotMaking, type Address } from "./address.ts";
import { checkPreconditions, conflictOf, isJson, tagMatches, textField, timesOf } from "./ask.ts";
import type { Content, Inflow, InflowMark } from "./content.ts";
import { empty, json, type Answer, type Hits, type Plan } from "./exchange.ts";
import { itemJson, type Json } from "./item-json.ts";
import type { Item } from "./item.ts";
import { checkQuota, checkSlot, createFolder, occupant, writeFile, writeSlot, type Slot } from "./mutate.ts";
import { isMicrosoftHost } from "./links.ts";
import { badRequest, nameTaken, preconditionFailed, quotaReached, Refusal } from "./refusal.ts";
import type { Call, Service, SignedCall } from "./service.ts";
import {
  readFragment,
  sessionStatus,
  type Fragment,
  type UploadSession,
  type UploadTarget,
} from "./upload-sessions.ts";

const SIMPLE_MAX_BYTES = 250 * 1024 * 1024;
const FILE_MAX_BYTES = 268_435_456_000;

/** PUT …/content. */
export function planPutContent(call: SignedCall, address: Address): Plan {
  const { world } = call.service;
  const length = Number(call.head.headers["content-length"] ?? 0);
  if (length > SIMPLE_MAX_BYTES)
    throw new Refusal(413, "invalidRequest", { message: "The content is too large for a simple upload." });
  const inflow = world.blobs.create();
  return {
    route: "content.put",
    group: "graph",
    takes: "content",
    units: 2,
    inflow,
    run: (_bytes, hits) => putContent(call, address, inflow.finish(), hits),
    abandon: () => inflow.abort(),
  };
}

export function putContent(call: SignedCall, address: Address, content: Content, hits: Hits): Answer {
  const { world } = call.service;
  const conflict = conflictOf(call.query, {}, "replace");
  return keepingOrReleasing(call.service, content, () => {
    if (hits.has("quota")) throw quotaReached();
    const there = findAt(world, address);
    checkPreconditions(call.head, there, world);
    const { item, made } =
      address.names === undefined
        ? { item: writeFile(world, itemAt(world, address), content, call), made: false }
        : writeSlot(world, pathSlot(call, address), content, { conflict, by: call.by });
    call.service.faults.afterContent(item, hits);
    return json(made ? 201 : 200, itemJson(item, call.pen));
  });
}

export function createSession(call: SignedCall, address: Address, body: Json): Answer {
  const { world, uploads } = call.service;
  const asked = isJson(body["item"]) ? body["item"] : {};
  const there = findAt(world, address);
  checkPreconditions(call.head, there, world);
  if (address.names === undefined) itemAt(world, address);
  const slot = address.names === undefined ? ownSlot(there) : pathSlot(call, address);
  const name = textField(asked, "name");
  if (name !== undefined && name !== slot.name)
    throw badRequest("invalidRequest", "The name differs from that in the url.");
  const conflict = conflictOf(call.query, body, address.names === undefined ? "replace" : "fail");
  if (there && !there.content) throw nameTaken();
  if (there && conflict === "fail") throw nameTaken();
  checkSlot(world, slot, false);
  const { fileSize } = asked;
  if (typeof fileSize === "number") {
    if (fileSize > FILE_MAX_BYTES) throw new Refusal(413, "invalidRequest", { message: "The file is too large." });
    if (world.profile.quotaCheckAtSession) checkQuota(slot.parent, fileSize - (there?.size ?? 0));
  }
  const session = uploads.open({
    slot,
    item: address.names === undefined ? there : undefined,
    conflict,
    ifMatch: call.head.headers["if-match"],
    ifNoneMatch: call.head.headers["if-none-match"],
    times: timesOf(asked),
    description: textField(asked, "description"),
    deferred: body["deferCommit"] === true,
    by: call.by,
  });
  return json(200, {
    "@odata.context": `${call.links.graph}/$metadata#microsoft.graph.uploadSession`,
    uploadUrl: call.links.upload + session.path,
    ...sessionStatus(session),
  });
}

/** PUT on a path with `@microsoft.graph.sourceUrl`: commits a finished session, here or under another name. */
export function commitSource(call: SignedCall, address: Address, body: Json, hits: Hits): Answer {
  const { uploads } = call.service;
  const source = textField(body, "@microsoft.graph.sourceUrl");
  if (source === undefined) throw badRequest("invalidRequest", "Only @microsoft.graph.sourceUrl can be PUT here.");
  const session = uploads.find(new URL(source).pathname);
  const parent = itemAt(call.service.world, address);
  const slot = { parent, name: textField(body, "name") ?? session.target.slot.name };
  const conflict = conflictOf(call.query, body, session.target.conflict);
  const target = { ...session.target, item: undefined, slot, conflict, ifMatch: call.head.headers["if-match"] };
  return commit(call, session, { target, hits });
}

/** Requests on a pre-authenticated upload link. */
export function planUpload(call: Call): Plan {
  const session = (): UploadSession => refusingToken(call, () => call.service.uploads.find(call.path));
  const common = { group: "upload", takes: "nothing", subject: () => subjectOf(call) } as const;
  switch (call.method) {
    case "GET":
      return { ...common, route: "session.get", run: () => json(200, sessionStatus(session())) };
    case "DELETE":
      return { ...common, route: "session.delete", run: () => cancel(call, session()) };
    case "POST":
      return { ...common, route: "session.commit", run: (_bytes, hits) => finishDeferred(call, session(), hits) };
    case "PUT":
      return planFragment(call);
    default:
      throw new Refusal(405, "notSupported");
  }
}

/** One fragment under way. `over` when it ended, broke off, or a later request took its place. */
interface Receiving {
  over: boolean;
  readonly session: UploadSession;
  readonly fragment: Fragment;
  readonly mark: InflowMark;
  received: number;
  /** Bytes after this many are lost, as when the service kept only part of a fragment. */
  keeps: number;
  abandon(): void;
}

function planFragment(call: Call): Plan {
  const common = { route: "session.put", group: "upload", subject: () => subjectOf(call) } as const;
  const begun = beginFragment(call);
  if (begun instanceof Refusal) {
    const refuse = (): never => {
      throw begun;
    };
    return { ...common, takes: "nothing", run: refuse };
  }
  return {
    ...common,
    takes: "content",
    inflow: receivingInflow(begun),
    begin(hits) {
      const spec = hits.get("mid-fragment");
      if (spec) begun.keeps = spec.bytes ?? Math.floor((begun.fragment.last - begun.fragment.first + 1) / 2);
    },
    abandon: () => begun.abandon(),
    run: (_bytes, hits) => endFragment(call, begun, hits),
  };
}

function beginFragment(call: Call): Receiving | Refusal {
  try {
    const length = call.head.headers["content-length"];
    const range = call.head.headers["content-range"];
    const fragment = readFragment(range, length === undefined ? undefined : Number(length));
    const session = refusingToken(call, () => call.service.uploads.find(call.path));
    session.receiving?.abandon();
    call.service.uploads.expect(session, fragment);
    return receive(session, fragment);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

function receive(session: UploadSession, fragment: Fragment): Receiving {
  const mine: Receiving = {
    over: false,
    session,
    fragment,
    mark: session.inflow.mark(),
    received: 0,
    keeps: Infinity,
    abandon() {
      if (mine.over) return;
      mine.over = true;
      session.inflow.rewind(mine.mark);
      if (session.receiving === mine) session.receiving = undefined;
    },
  };
  session.receiving = mine;
  return mine;
}

/** The session's inflow for one request; what a superseded request still sends goes nowhere. */
function receivingInflow(mine: Receiving): Inflow {
  const { inflow } = mine.session;
  return {
    get length() {
      return inflow.length;
    },
    write(chunk) {
      const room = mine.keeps - mine.received;
      mine.received += chunk.length;
      if (mine.over || room <= 0) return undefined;
      return inflow.write(room < chunk.length ? chunk.subarray(0, room) : chunk);
    },
    flush: () => inflow.flush(),
    mark: () => inflow.mark(),
    rewind: (mark) => inflow.rewind(mark),
    finish: () => inflow.finish(),
    abort: () => mine.abandon(),
  };
}

function endFragment(call: Call, mine: Receiving, hits: Hits): Answer {
  const { session, fragment } = mine;
  if (mine.over) throw new Refusal(409, "conflict", { message: "Another request took over this session." });
  const final = fragment.last === fragment.total - 1;
  const refused =
    mine.received !== fragment.last - fragment.first + 1
      ? badRequest("invalidRequest", "The body's length does not agree with Content-Range.")
      : hits.has("quota") && !final
        ? quotaReached()
        : undefined;
  if (refused) {
    mine.abandon();
    throw refused;
  }
  mine.over = true;
  session.receiving = undefined;
  call.service.uploads.touch(session);
  if (session.target.deferred || session.inflow.length !== session.total) return json(202, sessionStatus(session));
  return commit(call, session, { target: session.target, hits });
}

function finishDeferred(call: Call, session: UploadSession, hits: Hits): Answer {
  if (!session.target.deferred || session.inflow.length !== session.total) {
    throw badRequest("invalidRequest", "The session is not ready to be committed.");
  }
  return commit(call, session, { target: session.target, hits });
}

/** The bytes become the file. A refusal leaves the session as it is, with its bytes. */
function commit(call: Call, session: UploadSession, { target, hits }: { target: UploadTarget; hits: Hits }): Answer {
  const { world, uploads } = call.service;
  if (session.total === undefined || session.inflow.length !== session.total) {
    throw badRequest("invalidRequest", "The session has not received all its bytes.");
  }
  if (!session.content) {
    session.content = session.inflow.finish();
    world.hold(session.content);
  }
  if (hits.has("quota")) throw quotaReached();
  const { item, made } = placeContent(call.service, target, session.content);
  uploads.drop(session);
  call.service.faults.afterContent(item, hits);
  return json(made ? 201 : 200, itemJson(item, call.pen));
}

function placeContent(service: Service, target: UploadTarget, content: Content): { item: Item; made: boolean } {
  const { world } = service;
  const there = target.item && !target.item.binned ? target.item : occupant(target.slot);
  if (target.ifMatch !== undefined && (!there || !tagMatches(target.ifMatch, there, world))) throw preconditionFailed();
  if (target.ifNoneMatch !== undefined && there && tagMatches(target.ifNoneMatch, there, world))
    throw preconditionFailed();
  if (target.item && !target.item.binned) return { item: writeFile(world, target.item, content, target), made: false };
  return writeSlot(world, target.slot, content, target);
}

function cancel(call: Call, session: UploadSession): Answer {
  call.service.uploads.drop(session);
  return empty(204);
}

/**
 * A token on an upload link is refused under the simulator's own name, so that a client that leaks it is caught. Under
 * Microsoft's names it is ignored, as the service's own upload hosts mostly do; older clients send it there.
 */
function refusingToken<T>(call: Call, then: () => T): T {
  if (call.head.headers["authorization"] === undefined || isMicrosoftHost(call.head.headers["host"] ?? ""))
    return then();
  throw new Refusal(401, "unauthenticated", { message: "Upload links take no Authorization header." });
}

function subjectOf(call: Call): { id?: string; path?: string } {
  try {
    const { target } = call.service.uploads.find(call.path);
    const item = target.item ?? occupant(target.slot);
    return item ? { id: item.drive.ids.itemId(item.num) } : {};
  } catch (error) {
    if (error instanceof Refusal) return {};
    throw error;
  }
}

function ownSlot(item: Item | undefined): Slot {
  if (!item?.parent) throw badRequest("invalidRequest", "File name not provided in url");
  return { parent: item.parent, name: item.name };
}

function pathSlot(call: SignedCall, address: Address): Slot {
  const { world } = call.service;
  if ((address.names?.length ?? 0) < 2) return slotAt(world, address);
  return slotMaking(world, address, (slot) => createFolder(world, slot, { conflict: "fail", by: call.by }).item);
}

/** Content that no item took must not stay behind. */
function keepingOrReleasing(service: Service, content: Content, then: () => Answer): Answer {
  service.world.hold(content);
  try {
    return then();
  } finally {
    service.world.release(content);
  }
}
