/**
 * The clouds this product can talk to. `parseEndpoint` takes `global`, `us`, `us-dod`, `china`, or the base URL of both Graph and
 * sign-in (a OneDrive of one's own). Plain http is accepted on loopback only: a bearer token never crosses a network unencrypted.
 */
import { ok, type Result } from "../base/result.ts";
import { fault, type Fault } from "../model/fault.ts";

export interface Endpoint {
  /** What a person calls it. */
  readonly name: string;
  /** Base of Graph, without a trailing slash and without the version. */
  readonly graph: string;
  /** Base of sign-in, without a trailing slash and without the tenant. */
  readonly login: string;
  /** A server on this machine: it needs no registered app. */
  readonly loopback: boolean;
  /** The cloud understands `:/name:` in addresses (China does not). */
  readonly addressesByPath: boolean;
}

const CLOUDS: Readonly<Record<string, readonly [login: string, graph: string]>> = {
  global: ["login.microsoftonline.com", "graph.microsoft.com"],
  us: ["login.microsoftonline.us", "graph.microsoft.us"],
  "us-dod": ["login.microsoftonline.us", "dod-graph.microsoft.us"],
  china: ["login.chinacloudapi.cn", "microsoftgraph.chinacloudapi.cn"],
};

export function parseEndpoint(text: string): Result<Endpoint, Fault> {
  const known = Object.hasOwn(CLOUDS, text) ? CLOUDS[text] : undefined;
  if (known) {
    const [login, graph] = known.map((host) => `https://${host}`) as [string, string];
    return ok({ name: text, login, graph, loopback: false, addressesByPath: text !== "china" });
  }
  if (!URL.canParse(text)) return fault("invalid", `endpoint is global, us, us-dod, china or a URL, not ${text}`);
  const url = new URL(text);
  if (url.search || url.hash || url.username) return fault("invalid", "an endpoint URL has no query, fragment or user");
  const loopback = isLoopback(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    return fault("invalid", "an endpoint URL is https, or http on this machine (127.0.0.1, localhost)");
  }
  const base = `${url.origin}${url.pathname}`.replace(/\/+$/, "");
  return ok({ name: url.host, login: base, graph: base, loopback, addressesByPath: true });
}

/** May the product send a request without a bearer token there: an https address, or one on this machine when the endpoint is. */
export function isTrustedAddress(text: string, endpoint: Endpoint): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return url.protocol === "https:" || (url.protocol === "http:" && endpoint.loopback && isLoopback(url.hostname));
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
