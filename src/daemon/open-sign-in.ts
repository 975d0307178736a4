/**
 * A sign-in on the real network, for one account: used by the programs before there is a daemon, and by the daemon. The library that
 * signs in and the network are loaded when tokens on disk are not enough.
 */
import { randomUUID } from "node:crypto";
import { systemClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { ok, type Result } from "../base/result.ts";
import { parseEndpoint } from "../http/endpoint.ts";
import type { Http } from "../http/http.ts";
import { deferredHttp } from "../http/deferred-http.ts";
import type { Fault } from "../model/fault.ts";
import { clientIdFor } from "../signin/client-id.ts";
import { keptSignIn } from "../signin/kept-sign-in.ts";
import type { SignIn } from "../signin/sign-in.ts";

export interface AccountWish {
  readonly endpoint: string;
  readonly clientId: string | undefined;
  readonly accountDir: string;
}

export interface OpenedSignIn {
  readonly signIn: SignIn;
  /** The endpoint is on this machine: no person is needed. */
  readonly loopback: boolean;
  close(): Promise<void>;
}

/** `http` is the daemon's; without it the sign-in brings its own and closes it. */
export function openSignIn(wish: AccountWish, http?: Http): Result<OpenedSignIn, Fault> {
  const endpoint = parseEndpoint(wish.endpoint);
  if (!endpoint.ok) return endpoint;
  const clientId = clientIdFor(endpoint.value, wish.clientId);
  if (!clientId.ok) return clientId;
  const own = http ?? networkDoor();
  const options = {
    endpoint: endpoint.value,
    clientId: clientId.value,
    folder: wish.accountDir,
    http: own,
    clock: systemClock,
    random: seededRandom(randomUUID()),
  };
  const load = async (): Promise<SignIn> => (await import("../signin/msal-sign-in.ts")).msalSignIn(options);
  const signIn = keptSignIn({ ...options, load });
  return ok({ signIn, loopback: endpoint.value.loopback, close: async () => (http ? undefined : own.close()) });
}

/** The way to the network, loaded at the first request. */
export function networkDoor(): Http {
  return deferredHttp(async () => (await import("../http/undici-http.ts")).undiciHttp({ clock: systemClock }));
}
