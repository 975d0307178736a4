/** An Http that is loaded at the first request: what never talks to the network loads nothing of it. */
import type { Http } from "./http.ts";

export function deferredHttp(load: () => Promise<Http>): Http {
  let loading: Promise<Http> | undefined;
  return {
    send: async (request) => (await (loading ??= load())).send(request),
    close: async () => (await loading)?.close(),
  };
}
