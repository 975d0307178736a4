/**
 * The HTTP door on undici: keep-alive pools per origin, through the proxies that the environment names. The only file that
 * imports undici. Whether a request was `sent` is known from undici's own start signal, which comes right before the first
 * byte of the request is written.
 */
import { setMaxListeners } from "node:events";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import type * as Undici from "undici";
import type { Dispatcher } from "undici";
import { systemClock, type Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import {
  BODY_IDLE_TIMEOUT_MS,
  CONNECT_TIMEOUT_MS,
  HTTP_CONNECTIONS_PER_HOST_MAX,
  KEEP_ALIVE_MS,
  REQUEST_HEADERS_TIMEOUT_MS,
} from "../model/limits.ts";
import {
  BodyLost,
  type Http,
  type HttpAnswer,
  type HttpRequest,
  type NetFailure,
  type NetFailureKind,
} from "./http.ts";

// Its main file loads a web client, a cache and mocks beside what is used here: three times the work at every start.
const part = createRequire(import.meta.url);
const { EnvHttpProxyAgent, DecoratorHandler, errors } = {
  EnvHttpProxyAgent: part("undici/lib/dispatcher/env-http-proxy-agent.js"),
  DecoratorHandler: part("undici/lib/handler/decorator-handler.js"),
  errors: part("undici/lib/core/errors.js"),
} as Pick<typeof Undici, "EnvHttpProxyAgent" | "DecoratorHandler" | "errors">;
// Makes `request`, `connect` and the like methods of every dispatcher, as the main file does.
Object.assign(
  (part("undici/lib/dispatcher/dispatcher.js") as typeof Dispatcher).prototype,
  part("undici/lib/api/index.js"),
);

export interface UndiciHttpOptions {
  readonly clock?: Clock;
  readonly connectTimeoutMs?: number;
  readonly headersTimeoutMs?: number;
  readonly bodyIdleMs?: number;
  /** Instead of the environment's. */
  readonly proxies?: Proxies;
}

export interface Proxies {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  readonly noProxy?: string;
}

export function undiciHttp(options: UndiciHttpOptions = {}): Http {
  return new UndiciHttp(options);
}

class UndiciHttp implements Http {
  readonly #agent: Dispatcher;
  readonly #options: Required<Omit<UndiciHttpOptions, "proxies">>;

  constructor(options: UndiciHttpOptions) {
    this.#options = {
      clock: options.clock ?? systemClock,
      connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      headersTimeoutMs: options.headersTimeoutMs ?? REQUEST_HEADERS_TIMEOUT_MS,
      bodyIdleMs: options.bodyIdleMs ?? BODY_IDLE_TIMEOUT_MS,
    };
    const timeout = this.#options.connectTimeoutMs;
    this.#agent = new EnvHttpProxyAgent({
      ...options.proxies,
      connect: { timeout },
      proxyTls: { timeout },
      requestTls: { timeout },
      connections: HTTP_CONNECTIONS_PER_HOST_MAX,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      bodyTimeout: this.#options.bodyIdleMs,
    }).compose(markSent);
  }

  async send(request: HttpRequest): Promise<Result<HttpAnswer, NetFailure>> {
    const flight = new Flight(request.url);
    if (request.signal?.aborted) return failed(flight.failure("interrupted", "cancelled"));
    const given = this.#givenUp(request, flight);
    const first = await Promise.race([this.#request(request, flight), given]);
    if (!first.ok) flight.end();
    return first;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #request(request: HttpRequest, flight: Flight): Promise<Result<HttpAnswer, NetFailure>> {
    try {
      const data = await this.#agent.request({
        ...addressOf(request.url),
        method: request.method as Dispatcher.HttpMethod,
        headers: { ...request.headers },
        ...(request.body === undefined ? {} : { body: bodyOf(request.body) }),
        headersTimeout: request.headersTimeoutMs ?? this.#options.headersTimeoutMs,
        opaque: flight,
        signal: flight.signal,
      });
      return ok(new UndiciAnswer(data, flight));
    } catch (error) {
      return failed(flight.failureOf(error));
    }
  }

  /** Resolves when the caller's signal or the connect deadline ends the wait; undici itself does not look while it connects. */
  #givenUp(request: HttpRequest, flight: Flight): Promise<Result<never, NetFailure>> {
    return new Promise((resolve) => {
      const deadline = this.#options.clock.after(this.#options.connectTimeoutMs * 2, () => {
        if (!flight.sent) resolve(failed(flight.failure("unreachable", "no connection in time")));
      });
      const cancel = (): void => {
        resolve(failed(flight.failure("interrupted", "cancelled")));
        flight.end();
      };
      // Many requests of one round hang on one signal; each takes its listener away when it is over.
      if (request.signal) setMaxListeners(0, request.signal);
      request.signal?.addEventListener("abort", cancel, { once: true });
      flight.ended(() => {
        deadline();
        request.signal?.removeEventListener("abort", cancel);
      });
    });
  }
}

/** One request from its start to the end of its answer's body. */
class Flight {
  sent = false;
  readonly #host: string;
  readonly #ending = new AbortController();
  #tidy: () => void = () => undefined;

  constructor(url: string) {
    this.#host = URL.canParse(url) ? new URL(url).host : "a malformed address";
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** What to do when it is over. */
  ended(tidy: () => void): void {
    this.#tidy = tidy;
  }

  /** The body came to its end, or nobody wants it. */
  over(): void {
    this.#tidy();
  }

  /** Breaks it off. */
  end(): void {
    this.#tidy();
    this.#ending.abort();
  }

  failure(kind: NetFailureKind, why: string): NetFailure {
    return { kind, sent: this.sent, why: `${this.#host}: ${why}` };
  }

  failureOf(error: unknown): NetFailure {
    const code = codeOf(error);
    if (this.signal.aborted) return this.failure("interrupted", "cancelled");
    if (code === "UND_ERR_HEADERS_TIMEOUT") return this.failure("timeout", "no answer in time");
    if (code === "UND_ERR_BODY_TIMEOUT") return this.failure("timeout", "the answer stopped");
    if (error instanceof errors.HTTPParserError || code === "UND_ERR_HEADERS_OVERFLOW")
      return this.failure("malformed", "not an HTTP answer");
    if (code === "UND_ERR_INVALID_ARG") throw error;
    return this.sent
      ? this.failure("reset", `the connection was lost (${code})`)
      : this.failure("unreachable", `no connection (${code})`);
  }
}

class UndiciAnswer implements HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #body: Dispatcher.ResponseData["body"];
  readonly #flight: Flight;

  constructor(data: Dispatcher.ResponseData<Flight>, flight: Flight) {
    this.status = data.statusCode;
    this.headers = Object.fromEntries(
      Object.entries(data.headers).map(([name, value]) => [name, [value].flat().join(", ")]),
    );
    this.#body = data.body;
    this.#flight = flight;
    // A body that fails while nobody reads it must not become an uncaught error; readers get it from the iteration.
    this.#body.on("error", () => undefined);
    this.#body.once("close", () => flight.over());
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#chunks();
  }

  async read(mostBytes: number): Promise<Result<Uint8Array, NetFailure>> {
    const parts: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const part of this.#chunks()) {
        size += part.length;
        if (size > mostBytes) return failed(this.#flight.failure("malformed", `an answer of over ${mostBytes} bytes`));
        parts.push(part);
      }
      return ok(Buffer.concat(parts));
    } catch (error) {
      if (error instanceof BodyLost) return failed(error.failure);
      throw error;
    }
  }

  discard(): void {
    this.#body.dump({ limit: 64 * 1024 }).catch(() => undefined);
  }

  async *#chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#body) yield chunk as Uint8Array;
    } catch (error) {
      throw new BodyLost(this.#flight.failureOf(error));
    }
  }
}

type Handler = Dispatcher.DispatchHandler;
/** undici's own type leaves the methods out. */
interface Started {
  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void;
}
const Decorator = DecoratorHandler as new (next: Handler) => Started;

/** undici calls `onRequestStart` on a connected socket, before it writes. */
class SentMark extends Decorator {
  readonly #flight: unknown;
  constructor(next: Handler, flight: unknown) {
    super(next);
    this.#flight = flight;
  }
  override onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    if (this.#flight instanceof Flight) this.#flight.sent = true;
    super.onRequestStart(controller, context);
  }
}

function markSent(dispatch: Dispatcher.Dispatch): Dispatcher.Dispatch {
  return (options, handler) => {
    const opaque = "opaque" in options ? options.opaque : undefined;
    return dispatch(options, new SentMark(handler, opaque) as Handler);
  };
}

/** The path exactly as given: parsing would re-encode some characters, and signed addresses do not survive that. */
function addressOf(address: string): { origin: string; path: string } {
  const url = new URL(address);
  const [, given = ""] = /^[a-z]+:\/\/[^/?#]+([^#]*)/i.exec(address) ?? [];
  const plain = given.startsWith("/") && /^[\x21-\x7e]*$/.test(given);
  return { origin: url.origin, path: plain ? given : url.pathname + url.search };
}

function bodyOf(body: NonNullable<HttpRequest["body"]>): string | Uint8Array | Readable {
  return typeof body === "string" || body instanceof Uint8Array ? body : Readable.from(body, { objectMode: false });
}

function codeOf(error: unknown): string {
  const cause = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
  const code = (cause as { code?: unknown } | undefined)?.code;
  return typeof code === "string" ? code : "unknown";
}
