/**
 * Signing in with @azure/msal-node, the only file that imports it: authorization code with PKCE in a browser, device code, and
 * renewal. What the library does otherwise than its documentation says is in native-notes/msal.md.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  AuthError,
  CryptoProvider,
  PublicClientApplication,
  type AccountInfo,
  type AuthenticationResult,
  type ICachePlugin,
} from "@azure/msal-node";
import { sleep, type Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { Http } from "../http/http.ts";
import { fault, type Fault } from "../model/fault.ts";
import { BACKOFF_FIRST_MS, REQUEST_TRIES_MAX, TOKEN_MARGIN_MS } from "../model/limits.ts";
import { browserAnswer } from "./browser-answer.ts";
import type { SignIn } from "./sign-in.ts";
import { SignInNetwork } from "./sign-in-network.ts";
import { tokenFile, type TokenFile } from "./token-file.ts";

export interface MsalSignInOptions {
  readonly endpoint: Endpoint;
  readonly clientId: string;
  /** The account's folder. */
  readonly folder: string;
  readonly http: Http;
  readonly clock: Clock;
  readonly random: Random;
  /** Instead of the real file, for tests. */
  readonly file?: TokenFile;
  /** Instead of xdg-open, for tests. */
  readonly openBrowser?: (url: string) => void;
}

export function msalSignIn(options: MsalSignInOptions): SignIn {
  return new MsalSignIn(options);
}

interface Kept {
  readonly token: string;
  readonly expiresAt: number;
}

type Acquire = (app: PublicClientApplication) => Promise<AuthenticationResult | null>;

class MsalSignIn implements SignIn {
  readonly #options: MsalSignInOptions;
  readonly #file: TokenFile;
  readonly #network: SignInNetwork;
  readonly #app: PublicClientApplication;
  #kept: Kept | undefined;
  #renewing: Promise<Result<string, Fault>> | undefined;
  /** The token file's stamp when the service said that its grant is worth nothing. */
  #deadStamp: string | undefined;
  #quietUntil = 0;

  constructor(options: MsalSignInOptions) {
    this.#options = options;
    this.#file = options.file ?? tokenFile(options.folder, options.clock);
    this.#network = new SignInNetwork(options.http, options.clock);
    this.#app = appFor(options, this.#network, persisted(this.#file, true));
  }

  get signedOut(): boolean {
    return this.#deadStamp !== undefined;
  }

  async token(...[{ signal, rejected }]: Parameters<SignIn["token"]>): Promise<Result<string, Fault>> {
    if (this.#kept?.token === rejected) this.#kept = undefined;
    const kept = this.#kept;
    const now = this.#options.clock.now();
    if (kept && kept.expiresAt - now > TOKEN_MARGIN_MS) return ok(kept.token);
    this.#renewing ??= this.#renew(rejected).finally(() => (this.#renewing = undefined));
    const renewed = await untilAborted(this.#renewing, signal);
    // A renewal ahead of time that failed is no reason to stop: what we have is good for some minutes more.
    const usable = kept && kept.expiresAt > this.#options.clock.now();
    return renewed.ok || !usable || renewed.fault.kind === "signedOut" ? renewed : ok(kept.token);
  }

  async who(): Promise<string | undefined> {
    const account = await this.#account();
    return account && nameOf(account);
  }

  byDeviceCode(show: (message: string) => void, signal?: AbortSignal): Promise<Result<string, Fault>> {
    return this.#signIn(signal, (app) => {
      const request = {
        scopes: scopesOf(this.#options.endpoint),
        deviceCodeCallback: (code: { message: string }) => show(code.message),
        cancel: false,
      };
      signal?.addEventListener("abort", () => (request.cancel = true), { once: true });
      return app.acquireTokenByDeviceCode(request);
    });
  }

  async byBrowser(show: (message: string) => void, signal?: AbortSignal): Promise<Result<string, Fault>> {
    const crypto = new CryptoProvider();
    const { verifier, challenge } = await crypto.generatePkceCodes();
    const state = randomBytes(24).toString("base64url");
    const answer = await browserAnswer(state, this.#options.clock);
    const shared = { scopes: scopesOf(this.#options.endpoint), redirectUri: answer.redirectUri };
    try {
      const app = this.#freshApp();
      const pkce = { codeChallenge: challenge, codeChallengeMethod: "S256", responseMode: "query", state } as const;
      const url = await app.getAuthCodeUrl({ ...shared, ...pkce, prompt: "select_account" });
      show(`To sign in, open this address in a browser on this machine:\n${url}`);
      (this.#options.openBrowser ?? openBrowser)(url);
      const code = await answer.code(signal);
      if (!code.ok) return code;
      return await this.#signIn(signal, (fresh) =>
        fresh.acquireTokenByCode({ ...shared, code: code.value, codeVerifier: verifier }),
      );
    } finally {
      answer.close();
    }
  }

  async logout(): Promise<Result<undefined, Fault>> {
    this.#kept = undefined;
    this.#app.clearCache();
    try {
      await this.#file.remove();
    } catch (error) {
      return fault("io", `the tokens could not be removed: ${codeOf(error)}`);
    }
    this.#deadStamp = await this.#file.stamp();
    return ok();
  }

  async #renew(rejected: string | undefined): Promise<Result<string, Fault>> {
    if (this.#deadStamp !== undefined && this.#deadStamp === (await this.#file.stamp())) return signedOut();
    const { clock, random } = this.#options;
    for (let tries = 1; ; tries++) {
      const quietMs = this.#quietUntil - clock.now();
      if (quietMs > 0) return fault("throttled", "sign-in asks to wait", { retryAfterMs: quietMs });
      const renewed = await this.#silently(rejected);
      if (renewed.ok) return this.#remember(renewed.value);
      const { kind, retryAfterMs } = renewed.fault;
      if (retryAfterMs !== undefined) this.#quietUntil = clock.now() + retryAfterMs;
      if (kind === "signedOut") this.#deadStamp = await this.#file.stamp();
      if (kind !== "unavailable" || retryAfterMs !== undefined || tries === REQUEST_TRIES_MAX) return renewed;
      await sleep(clock, BACKOFF_FIRST_MS * 2 ** tries * (0.5 + random.next() / 2));
    }
  }

  /** What the cache holds, unless that is old or was rejected; then a new one from the service. */
  async #silently(rejected: string | undefined): Promise<Result<AuthenticationResult, Fault>> {
    const account = await this.#account();
    if (!account) return signedOut();
    const scopes = scopesOf(this.#options.endpoint);
    const cached = await this.#acquire(this.#app, (app) => app.acquireTokenSilent({ account, scopes }));
    if (!cached.ok || cached.value.accessToken !== rejected) return cached;
    return this.#acquire(this.#app, (app) => app.acquireTokenSilent({ account, scopes, forceRefresh: true }));
  }

  async #signIn(signal: AbortSignal | undefined, acquire: Acquire): Promise<Result<string, Fault>> {
    this.#network.signal = signal;
    try {
      const signed = await untilAborted(this.#acquire(this.#freshApp(), acquire), signal);
      if (!signed.ok) return signed;
      this.#app.clearCache();
      this.#remember(signed.value);
      return ok(signed.value.account ? nameOf(signed.value.account) : "");
    } finally {
      this.#network.signal = undefined;
    }
  }

  /** Starts from nothing and replaces the file: one folder holds one person's tokens. */
  #freshApp(): PublicClientApplication {
    return appFor(this.#options, this.#network, persisted(this.#file, false));
  }

  async #acquire(app: PublicClientApplication, acquire: Acquire): Promise<Result<AuthenticationResult, Fault>> {
    this.#network.takeFault();
    try {
      const result = await acquire(app);
      return result ? ok(result) : fault("garbled", "sign-in gave no token");
    } catch (error) {
      return failed(this.#network.takeFault() ?? faultOf(error));
    }
  }

  #remember(result: AuthenticationResult): Result<string, Fault> {
    this.#kept = { token: result.accessToken, expiresAt: result.expiresOn?.getTime() ?? 0 };
    this.#deadStamp = undefined;
    return ok(result.accessToken);
  }

  async #account(): Promise<AccountInfo | undefined> {
    const { host } = new URL(this.#options.endpoint.login);
    const all = await this.#app.getAllAccounts();
    return all.find((account) => account.environment === host);
  }
}

/** The cache on disk: read before every use (another process may have signed in), written before anybody sees what changed. */
function persisted(file: TokenFile, load: boolean): ICachePlugin {
  return {
    async beforeCacheAccess(context) {
      const content = load ? await file.read() : undefined;
      if (content !== undefined && isJson(content)) context.tokenCache.deserialize(content);
    },
    async afterCacheAccess(context) {
      if (!context.cacheHasChanged) return;
      try {
        await file.write(context.tokenCache.serialize());
      } catch (error) {
        throw new NotKept(codeOf(error));
      }
    },
  };
}

class NotKept extends Error {
  override readonly name = "NotKept";
}

/** An https authority in name; the metadata says where it really is, so that a server on this machine can be one, and nothing is looked up. */
function appFor(
  options: MsalSignInOptions,
  network: SignInNetwork,
  cachePlugin: ICachePlugin,
): PublicClientApplication {
  const { login } = options.endpoint;
  const { host, pathname } = new URL(login);
  const base = `${login}/common`;
  const named = `https://${host}${pathname === "/" ? "" : pathname}/common`;
  const metadata = {
    issuer: `https://${host}/{tenantid}/v2.0`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
  };
  return new PublicClientApplication({
    auth: {
      clientId: options.clientId,
      authority: named,
      knownAuthorities: [host],
      authorityMetadata: JSON.stringify(metadata),
    },
    cache: { cachePlugin },
    system: { networkClient: network, loggerOptions: { loggerCallback: () => undefined, piiLoggingEnabled: false } },
  });
}

/** The national clouds want to hear whose Files are meant. */
function scopesOf(endpoint: Endpoint): string[] {
  const names = ["Files.ReadWrite.All", "User.Read"];
  return endpoint.name === "global" || endpoint.loopback ? names : names.map((name) => `${endpoint.graph}/${name}`);
}

const NEEDS_PERSON: readonly string[] = [
  "invalid_grant",
  "interaction_required",
  "consent_required",
  "login_required",
  "no_tokens_found",
];

function faultOf(error: unknown): Fault {
  if (error instanceof NotKept) return fault("io", `the tokens could not be written: ${error.message}`).fault;
  if (!(error instanceof AuthError)) throw error;
  const code = error.errorCode;
  if (NEEDS_PERSON.includes(code)) return signedOut(code).fault;
  const said = `${code} ${error.errorMessage}`;
  if (/authorization_declined|access_denied/.test(said)) return fault("denied", "the sign-in was declined").fault;
  if (/expired_token|bad_verification_code|device_code_expired|user_timeout_reached/.test(said)) {
    return fault("timedOut", "the code ran out before anybody signed in").fault;
  }
  if (code === "device_code_polling_cancelled") return fault("interrupted", "signing in was cancelled").fault;
  return fault("unavailable", `sign-in failed: ${code.slice(0, 60)} ${aadCode(error.errorMessage)}`.trim()).fault;
}

/** The service's own number for what happened; the rest of its message may hold anything. */
function aadCode(message: string): string {
  return /AADSTS\d+/.exec(message)?.[0] ?? "";
}

function signedOut(code?: string) {
  return fault("signedOut", code ? `sign-in needed (${code})` : "sign-in needed");
}

function nameOf(account: AccountInfo): string {
  return account.username || account.name || account.localAccountId;
}

/** The work goes on for the others who wait for it. */
function untilAborted<T>(work: Promise<Result<T, Fault>>, signal: AbortSignal | undefined): Promise<Result<T, Fault>> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const cancel = (): void => resolve(fault("interrupted", "the call was cancelled"));
    if (signal.aborted) return cancel();
    signal.addEventListener("abort", cancel, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", cancel));
  });
}

function openBrowser(url: string): void {
  spawn("xdg-open", [url], { stdio: "ignore", detached: true })
    .on("error", () => undefined)
    .unref();
}

function isJson(content: string): boolean {
  try {
    JSON.parse(content);
    return true;
  } catch {
    return false;
  }
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? "unknown";
}
