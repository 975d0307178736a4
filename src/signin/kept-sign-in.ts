/**
 * A SignIn that reads what an earlier process left on disk, and loads the one that can do more when that is not enough: a mount that
 * has a good access token needs no sign-in library. The file is that library's (a token cache as all of Microsoft's libraries write
 * it); it is only read here, and whatever of it is not exactly as expected counts as not there, so that the other one decides.
 */
import type { Clock } from "../base/clock.ts";
import { numberOf, objectOf, parseJson, textOf, type JsonObject } from "../base/json.ts";
import { ok } from "../base/result.ts";
import type { Endpoint } from "../http/endpoint.ts";
import { TOKEN_MARGIN_MS } from "../model/limits.ts";
import type { SignIn } from "./sign-in.ts";
import { tokenFile, type TokenFile } from "./token-file.ts";

export interface KeptSignInOptions {
  readonly endpoint: Endpoint;
  readonly clientId: string;
  /** The account's folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** The sign-in that can renew and ask a person. Called once at most. */
  load(): Promise<SignIn>;
}

export function keptSignIn(options: KeptSignInOptions): SignIn {
  const file = tokenFile(options.folder, options.clock);
  let loading: Promise<SignIn> | undefined;
  let full: SignIn | undefined;
  let kept: Token | undefined;
  const whole = (): Promise<SignIn> => (loading ??= options.load().then((loaded) => (full = loaded)));
  return {
    get signedOut() {
      return full?.signedOut ?? false;
    },
    async token(wish) {
      if (loading || wish.rejected !== undefined) return (await whole()).token(wish);
      kept = isGood(kept, options.clock) ? kept : await readToken(file, options);
      return isGood(kept, options.clock) ? ok(kept.secret) : (await whole()).token(wish);
    },
    async who() {
      return (loading ? undefined : await readName(file, options.endpoint)) ?? (await whole()).who();
    },
    byDeviceCode: async (...args) => (await whole()).byDeviceCode(...args),
    byBrowser: async (...args) => (await whole()).byBrowser(...args),
    logout: async () => (await whole()).logout(),
  };
}

interface Token {
  readonly secret: string;
  readonly expiresAt: number;
}

function isGood(token: Token | undefined, clock: Clock): token is Token {
  return token !== undefined && token.expiresAt - clock.now() > TOKEN_MARGIN_MS;
}

/** The access token of this app for this service's files, when the file holds exactly one. */
async function readToken(
  file: TokenFile,
  { endpoint, clientId }: Pick<KeptSignInOptions, "endpoint" | "clientId">,
): Promise<Token | undefined> {
  const own = (await entriesOf(file, "AccessToken", endpoint)).filter(
    (entry) => entry["client_id"] === clientId && /\bfiles\.readwrite\.all\b/i.test(textOf(entry["target"]) ?? ""),
  );
  const [entry] = own;
  if (!entry || own.length > 1 || entry["token_type"] !== "Bearer") return undefined;
  const secret = textOf(entry["secret"]);
  const expiresAt = (numberOf(entry["expires_on"]) ?? 0) * 1000;
  return secret !== undefined && expiresAt > 0 ? { secret, expiresAt } : undefined;
}

async function readName(file: TokenFile, endpoint: Endpoint): Promise<string | undefined> {
  const [account] = await entriesOf(file, "Account", endpoint);
  return textOf(account?.["username"]) ?? textOf(account?.["name"]);
}

/** What the file has of one kind for this service. */
async function entriesOf(file: TokenFile, kind: string, endpoint: Endpoint): Promise<readonly JsonObject[]> {
  const cache = objectOf(parseJson((await file.read()) ?? ""));
  const { host } = new URL(endpoint.login);
  return Object.values(objectOf(cache?.[kind]) ?? {})
    .map(objectOf)
    .filter((entry) => entry !== undefined && entry["environment"] === host) as JsonObject[];
}
