/** Asking Graph for things: addresses of items and slots, and answers checked and turned into our words. */
import type { Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import { toCloudName } from "../model/name.ts";
import type { Graph, GraphAsk, GraphReply } from "./graph.ts";
import { refusal } from "./refusal.ts";
import { parseItem, type WireItem } from "./wire.ts";

export interface FoundItem {
  readonly item: CloudItem;
  readonly downloadUrl: string | undefined;
}

export interface Asking {
  /** A success, with any body. */
  ask(ask: GraphAsk): Promise<Result<GraphReply, Fault>>;
  /** A success whose body `parse` understands. */
  read<T>(ask: GraphAsk, parse: (body: unknown) => T | undefined): Promise<Result<T, Fault>>;
  /** A success whose body is an item that can be shown. */
  item(ask: GraphAsk): Promise<Result<FoundItem, Fault>>;
  /** The address a redirect names. */
  redirect(ask: GraphAsk): Promise<Result<string, Fault>>;
  itemPath(id: ItemId, rest?: string): string;
  /** The address of a child by its name; `invalid` when the service has no such name. */
  slotPath(parent: ItemId, name: string, rest?: string): Result<string, Fault>;
}

export function asking(graph: Graph, endpoint: Endpoint, clock: Clock): Asking {
  const ask: Asking["ask"] = async (what) => {
    const reply = await graph.ask(what);
    if (!reply.ok || (reply.value.status >= 200 && reply.value.status < 300)) return reply;
    return failed(refusal({ ...reply.value, changing: what.method !== "GET", nowMs: clock.now() }));
  };
  const read: Asking["read"] = async (what, parse) => {
    const reply = await ask(what);
    if (!reply.ok) return reply;
    const value = parse(reply.value.body);
    return value === undefined ? notUnderstood(what.method, reply.value) : ok(value);
  };
  return {
    ask,
    read,
    async item(what) {
      const found = await read(what, parseItem);
      return found.ok ? shown(found.value, what.method) : found;
    },
    async redirect(what) {
      const reply = await graph.ask(what);
      if (!reply.ok) return reply;
      const to = reply.value.headers["location"];
      if (reply.value.status >= 300 && reply.value.status < 400 && to) return ok(to);
      return failed(refusal({ ...reply.value, changing: false, nowMs: clock.now() }));
    },
    itemPath: (id, rest = "") => `/me/drive/items/${encodeURIComponent(id)}${rest}`,
    slotPath(parent, name, rest = "") {
      const cloud = cloudNameOf(name);
      if (!cloud.ok) return cloud;
      const segment = encodeURIComponent(cloud.value);
      const quoted = segment.replaceAll("'", "''");
      const slot = endpoint.addressesByPath ? `:/${segment}:` : `/children('${quoted}')`;
      return ok(`/me/drive/items/${encodeURIComponent(parent)}${slot}${rest}`);
    },
  };
}

export function cloudNameOf(name: string): Result<string, Fault> {
  const cloud = toCloudName(name);
  return cloud === undefined ? fault("invalid", `the service cannot hold the name ${JSON.stringify(name)}`) : ok(cloud);
}

/** A success that is no answer of this service: a login page of the network, half a document, or nothing. */
function notUnderstood(method: string, reply: GraphReply): Result<never, Fault> {
  const what = reply.garbled
    ? "something that is not JSON"
    : reply.body === undefined
      ? "nothing"
      : "something else than was asked for";
  const unclear = method === "GET" ? {} : { unclear: true };
  return fault("garbled", `the service answered ${reply.status} with ${what}`, { status: reply.status, ...unclear });
}

function shown(wire: WireItem, method: string): Result<FoundItem, Fault> {
  switch (wire.is) {
    case "item":
      return ok({ item: wire.item, downloadUrl: wire.downloadUrl });
    case "gone":
      return fault("notFound", "the item is deleted", { status: 404 });
    case "hidden":
      return fault("invalid", wire.why);
    case "incomplete":
      return fault(
        "garbled",
        `the service described an item badly: ${wire.why}`,
        method === "GET" ? {} : { unclear: true },
      );
  }
}
