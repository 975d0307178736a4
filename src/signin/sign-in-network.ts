/**
 * What the sign-in library sends, through our HTTP door. The library locks itself for a minute after one 429 or 5xx and knows only
 * "network error"; so these are thrown, with the fault kept for who asked. While a device code is waited for, what passes (a lost
 * connection, 5xx, `slow_down`) is told to the library as "not yet".
 */
import type { Clock } from "../base/clock.ts";
import { sleep } from "../base/clock.ts";
import { netFault, type Http } from "../http/http.ts";
import { fault, type Fault } from "../model/fault.ts";
import { SIGN_IN_ANSWER_BYTES_MAX, SIGN_IN_SLOW_DOWN_MS } from "../model/limits.ts";

export interface NetworkAnswer<T> {
  readonly headers: Record<string, string>;
  readonly body: T;
  readonly status: number;
}

interface Sent {
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** The shape the library wants. */
export class SignInNetwork {
  readonly #http: Http;
  readonly #clock: Clock;
  #fault: Fault | undefined;
  signal: AbortSignal | undefined;

  constructor(http: Http, clock: Clock) {
    this.#http = http;
    this.#clock = clock;
  }

  /** Why the last call failed; asked for once. */
  takeFault(): Fault | undefined {
    const why = this.#fault;
    this.#fault = undefined;
    return why;
  }

  sendGetRequestAsync<T>(url: string, options?: Sent): Promise<NetworkAnswer<T>> {
    return this.#send<T>("GET", url, options);
  }

  async sendPostRequestAsync<T>(url: string, options?: Sent): Promise<NetworkAnswer<T>> {
    if (!isDevicePoll(options?.body)) return this.#send<T>("POST", url, options);
    const answer = await this.#send<Record<string, unknown>>("POST", url, options).catch((error: unknown) => {
      if (this.signal?.aborted || !passes(this.#fault)) throw error;
      return undefined;
    });
    if (answer && answer.body["error"] !== "slow_down") return answer as NetworkAnswer<T>;
    this.takeFault();
    await sleep(this.#clock, SIGN_IN_SLOW_DOWN_MS, this.signal);
    return { headers: {}, status: 400, body: { error: "authorization_pending" } as T };
  }

  async #send<T>(method: "GET" | "POST", url: string, options?: Sent): Promise<NetworkAnswer<T>> {
    const { signal } = this;
    const { body, headers = {} } = options ?? {};
    const sent = await this.#http.send({ method, url, headers, ...(body === undefined ? {} : { body }), signal });
    if (!sent.ok) return this.#stop(netFault(sent.fault, false));
    const { status } = sent.value;
    const read = await sent.value.read(SIGN_IN_ANSWER_BYTES_MAX);
    if (!read.ok) return this.#stop(netFault(read.fault, false));
    if (status === 429 || status >= 500) return this.#stop(this.#passing(status, sent.value.headers["retry-after"]));
    const json = jsonOf(read.value);
    if (!json)
      return this.#stop(
        fault("garbled", `sign-in answered ${status} with something that is not JSON`, { status }).fault,
      );
    return { headers: { ...sent.value.headers }, body: json as T, status };
  }

  #passing(status: number, retryAfter: string | undefined): Fault {
    const seconds = Number(retryAfter);
    const wait = retryAfter && seconds > 0 ? { retryAfterMs: Math.ceil(seconds * 1000) } : {};
    return fault(status === 429 ? "throttled" : "unavailable", `sign-in answered ${status}`, { status, ...wait }).fault;
  }

  #stop(why: Fault): never {
    this.#fault = why;
    throw new Error(why.why);
  }
}

function isDevicePoll(body: string | undefined): boolean {
  return body !== undefined && /(^|&)device_code=/.test(body);
}

function passes(why: Fault | undefined): boolean {
  return why !== undefined && ["offline", "timedOut", "throttled", "unavailable", "garbled"].includes(why.kind);
}

function jsonOf(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
