/**
 * The door to @microsoft/microsoft-graph-client: it builds addresses and bodies, and carries each call through our own chain. Its
 * default middleware is not used (it sends no token to http hosts, retries three times, and reads bodies its own way); answers are
 * taken raw. Only the two files that are used are loaded. See native-notes/graph-client.md.
 */
import { createRequire } from "node:module";
import type * as Package from "@microsoft/microsoft-graph-client";
import type { Context, Middleware, MiddlewareOptions } from "@microsoft/microsoft-graph-client";
import { assert, present } from "../base/assert.ts";
import type { Result } from "../base/result.ts";
import type { Fault } from "../model/fault.ts";
import type { Graph, GraphAsk, GraphCall, GraphReply, Handler, Wrap } from "./graph.ts";

const part = createRequire(import.meta.url);
const { Client } = part("@microsoft/microsoft-graph-client/lib/src/Client.js") as Pick<typeof Package, "Client">;
const { ResponseType } = part("@microsoft/microsoft-graph-client/lib/src/ResponseType.js") as Pick<
  typeof Package,
  "ResponseType"
>;

export interface GraphClientOptions {
  /** Base of Graph, without the version. */
  readonly base: string;
  /** Outermost first. */
  readonly chain: readonly Wrap[];
  readonly last: Handler;
}

export function graphClient(options: GraphClientOptions): Graph {
  const links = [...options.chain.map((wrap) => new Link(wrap)), new Last(options.last)];
  const client = Client.initWithMiddleware({ baseUrl: `${options.base}/`, defaultVersion: "v1.0", middleware: links });
  return { ask: (ask) => send(client, ask) };
}

async function send(client: Package.Client, ask: GraphAsk): Promise<Result<GraphReply, Fault>> {
  const flight = new Flight(ask);
  const request = client
    .api(ask.path ?? "/link")
    .middlewareOptions([flight])
    .responseType(ResponseType.RAW)
    .headers({ ...ask.headers });
  if (ask.query) request.query({ ...ask.query });
  switch (ask.method) {
    case "GET":
      await request.get();
      break;
    case "POST":
      await request.post(ask.json ?? {});
      break;
    case "PATCH":
      await request.patch(ask.json ?? {});
      break;
    case "PUT":
      await request.header("Content-Type", "application/octet-stream").put(undefined);
      break;
    case "DELETE":
      await request.delete();
      break;
  }
  return present(flight.outcome, "outcome of a call");
}

/** Carries a call's own things through the client, which only knows the address, headers and body. */
class Flight implements MiddlewareOptions {
  readonly ask: GraphAsk;
  /** What the next link is to send. */
  call: GraphCall | undefined;
  outcome: Result<GraphReply, Fault> | undefined;
  constructor(ask: GraphAsk) {
    this.ask = ask;
  }
}

class Link implements Middleware {
  readonly #wrap: Wrap;
  #next: Middleware | undefined;
  constructor(wrap: Wrap) {
    this.#wrap = wrap;
  }

  setNext(next: Middleware): void {
    this.#next = next;
  }

  async execute(context: Context): Promise<void> {
    const flight = flightOf(context);
    const handler = this.#wrap(async (call) => {
      flight.call = call;
      await present(this.#next, "next link").execute(context);
      return present(flight.outcome, "outcome of the next link");
    });
    flight.outcome = await handler(flight.call ?? callOf(context, flight.ask));
  }
}

class Last implements Middleware {
  readonly #handler: Handler;
  constructor(handler: Handler) {
    this.#handler = handler;
  }

  async execute(context: Context): Promise<void> {
    const flight = flightOf(context);
    flight.outcome = await this.#handler(flight.call ?? callOf(context, flight.ask));
  }
}

function flightOf(context: Context): Flight {
  const flight = context.middlewareControl?.getMiddlewareOptions(Flight);
  assert(flight instanceof Flight, "a call carries its own things");
  return flight;
}

/** An exact link replaces the address the client made: its query must not be touched. */
function callOf(context: Context, ask: GraphAsk): GraphCall {
  assert(typeof context.request === "string", "the client asks for an address");
  const body: unknown = context.options?.body;
  return {
    method: ask.method,
    url: ask.link ?? context.request,
    headers: inLowerCase(context.options?.headers as Record<string, string> | undefined),
    text: typeof body === "string" ? body : undefined,
    content: ask.content,
    signal: ask.signal,
  };
}

function inLowerCase(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
