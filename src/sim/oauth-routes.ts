/**
 * The sign-in service: device code, authorization code with PKCE (query and form_post), refresh with rotation, and the
 * metadata documents client libraries ask for. Public clients only; a secret sent along is ignored.
 */
import { createHash } from "node:crypto";
import { empty, json, text, type Answer, type Plan } from "./exchange.ts";
import { iso } from "./item-json.ts";
import type { Call } from "./service.ts";
import type { AuthCode } from "./sign-in.ts";
import { ACCESS_LIFE_S, type Grant } from "./tokens.ts";
import { unsupported } from "./refusal.ts";

const DEVICE_CODE_LIFE_S = 900;
const AUTH_CODE_LIFE_S = 600;
const POLL_S = 5;
const PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad";
const BUSINESS_TENANT = "0f2a4a1e-98f5-4bb0-8a8d-5f6f0a9c7d11";

/** Undefined when the path is none of the sign-in service's. */
export function planSignIn(call: Call): Plan | undefined {
  const [, tenant, ...rest] = call.path.split("/");
  const what = rest.join("/");
  const plan = (route: string, takes: "nothing" | "bytes", run: (form: URLSearchParams) => Answer): Plan => ({
    route,
    group: "login",
    takes,
    run: (bytes) => run(new URLSearchParams(Buffer.from(bytes).toString("utf8"))),
  });
  if (!tenant) return undefined;
  if (what === "oauth2/v2.0/devicecode" && call.method === "POST")
    return plan("devicecode", "bytes", (form) => deviceCode(call, form));
  if (what === "oauth2/v2.0/token" && call.method === "POST")
    return plan("token", "bytes", (form) => token(call, form));
  if (what === "oauth2/v2.0/authorize" && call.method === "GET")
    return plan("authorize", "nothing", () => authorize(call));
  if (what === "oauth2/v2.0/logout")
    return plan("logout", "nothing", () => text(200, "text/html", "<p>You have signed out.</p>"));
  if (what === "oauth2/v2.0/deviceauth")
    return plan("deviceauth", "nothing", () => text(200, "text/html", "<p>The simulator needs no person.</p>"));
  if (what === "v2.0/.well-known/openid-configuration")
    return plan("metadata", "nothing", () => json(200, metadata(call, tenant)));
  if (what === "discovery/instance") return plan("metadata", "nothing", () => json(200, instances(call)));
  if (what === "discovery/v2.0/keys") return plan("metadata", "nothing", () => json(200, { keys: [] }));
  if (what.startsWith("oauth2/")) throw unsupported(`${call.method} ${call.path}`);
  return undefined;
}

function deviceCode(call: Call, form: URLSearchParams): Answer {
  const { signIn, world, signer } = call.service;
  const app = form.get("client_id");
  if (!app) return refuse(call, 900144, "invalid_request", "The request body must contain the parameter: 'client_id'.");
  const code = signer.sign(`device:${signIn.deviceCodes.size}:${world.clockMs()}`);
  signIn.deviceCodes.set(code, {
    app,
    scope: form.get("scope") ?? "",
    expiresMs: world.clockMs() + DEVICE_CODE_LIFE_S * 1000,
    used: false,
  });
  const userCode = code
    .replace(/[^A-Za-z0-9]/g, "")
    .slice(0, 9)
    .toUpperCase();
  const page = `${call.links.login}/common/oauth2/v2.0/deviceauth`;
  return json(200, {
    device_code: code,
    user_code: userCode,
    verification_uri: page,
    expires_in: DEVICE_CODE_LIFE_S,
    interval: POLL_S,
    message: `To sign in, use a web browser to open the page ${page} and enter the code ${userCode} to authenticate.`,
  });
}

function token(call: Call, form: URLSearchParams): Answer {
  switch (form.get("grant_type") ?? "") {
    case "urn:ietf:params:oauth:grant-type:device_code":
    case "device_code":
      return redeemDevice(call, form);
    case "authorization_code":
      return redeemCode(call, form);
    case "refresh_token":
      return refresh(call, form);
    default:
      return refuse(call, 70003, "unsupported_grant_type", "The app requested an unsupported grant type.");
  }
}

function redeemDevice(call: Call, form: URLSearchParams): Answer {
  const { signIn, world } = call.service;
  const code = signIn.deviceCodes.get(form.get("device_code") ?? form.get("code") ?? "");
  if (!code || code.used) return refuse(call, 70000, "bad_verification_code", "The device code is not known.");
  if (signIn.mode === "expire" || code.expiresMs < world.clockMs()) {
    return refuse(call, 70020, "expired_token", "The device code has expired.");
  }
  if (signIn.mode === "deny") return refuse(call, 70017, "authorization_declined", "The person declined.");
  if (signIn.mode === "pending") {
    return refuse(
      call,
      70016,
      "authorization_pending",
      "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
    );
  }
  if (signIn.slowDowns > 0) {
    signIn.slowDowns--;
    return refuse(call, 70016, "slow_down", "Polling too fast.");
  }
  code.used = true;
  return issue(call, newGrant(call, code.app, code.scope), {});
}

function redeemCode(call: Call, form: URLSearchParams): Answer {
  const { signIn, world } = call.service;
  const code = signIn.authCodes.get(form.get("code") ?? "");
  if (!code || code.used)
    return refuse(call, 70000, "invalid_grant", "The provided value for the 'code' parameter is not valid.");
  if (code.expiresMs < world.clockMs())
    return refuse(call, 70008, "invalid_grant", "The authorization code has expired.");
  if (code.redirectUri !== form.get("redirect_uri"))
    return refuse(call, 70000, "invalid_grant", "The redirect_uri differs.");
  if (!provesChallenge(code, form.get("code_verifier")))
    return refuse(call, 501481, "invalid_grant", "The code_verifier does not match.");
  code.used = true;
  return issue(call, newGrant(call, code.app, code.scope), { nonce: code.nonce });
}

function refresh(call: Call, form: URLSearchParams): Answer {
  const old = call.service.tokens.readRefresh(form.get("refresh_token") ?? "");
  if (!old)
    return refuse(
      call,
      50173,
      "invalid_grant",
      "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
    );
  const scopes = new Set(`${form.get("scope") ?? old.scope} offline_access`.split(/\s+/));
  return issue(call, { ...old, scope: [...scopes].join(" ") }, {});
}

function provesChallenge(code: AuthCode, verifier: string | null): boolean {
  if (code.challenge === undefined) return true;
  if (!verifier) return false;
  return (
    code.challenge === (code.method === "S256" ? createHash("sha256").update(verifier).digest("base64url") : verifier)
  );
}

function newGrant(call: Call, app: string, scope: string): Grant {
  return { app, scope, device: `device-${call.service.tokens.nextDevice()}` };
}

function issue(call: Call, grant: Grant, { nonce }: { nonce?: string | undefined }): Answer {
  const pair = call.service.tokens.issue(grant);
  const scopes = grant.scope.split(/\s+/).filter(Boolean);
  const shown = scopes.filter((scope) => !["offline_access", "openid", "profile"].includes(scope));
  const asksId = scopes.includes("openid");
  return json(
    200,
    {
      token_type: "Bearer",
      scope: shown.join(" "),
      expires_in: ACCESS_LIFE_S,
      ext_expires_in: ACCESS_LIFE_S,
      access_token: pair.access,
      ...(scopes.includes("offline_access") ? { refresh_token: pair.refresh } : {}),
      ...(asksId ? { id_token: idToken(call, grant, nonce) } : {}),
      client_info: base64({ uid: USER_OID, utid: tenantOf(call) }),
    },
    { "cache-control": "no-store" },
  );
}

const USER_OID = "00000000-0000-0000-3a55-2d4c5cd4d788";

function idToken(call: Call, grant: Grant, nonce: string | undefined): string {
  const now = Math.floor(call.service.world.clockMs() / 1000);
  const tenant = tenantOf(call);
  const claims = {
    ver: "2.0",
    iss: `${call.links.login}/${tenant}/v2.0`,
    sub: "simulated-person",
    aud: grant.app,
    exp: now + 24 * 3600,
    iat: now,
    nbf: now,
    name: "Test Person",
    preferred_username: "person@example.com",
    oid: USER_OID,
    tid: tenant,
    ...(nonce === undefined ? {} : { nonce }),
  };
  const payload = `${base64({ typ: "JWT", alg: "RS256", kid: "simulator" })}.${base64(claims)}`;
  return `${payload}.${call.service.signer.sign(payload)}`;
}

function tenantOf(call: Call): string {
  return call.service.world.profile.driveType === "personal" ? PERSONAL_TENANT : BUSINESS_TENANT;
}

/** The person's browser arrives here. */
function authorize(call: Call): Answer {
  const { query, service } = call;
  const redirectUri = query.get("redirect_uri") ?? "";
  const app = query.get("client_id");
  if (!app || query.get("response_type") !== "code")
    return text(400, "text/html", "<p>client_id and response_type=code are needed.</p>");
  if (!isLoopback(redirectUri))
    return text(400, "text/html", "<p>AADSTS50011: the redirect URI is not registered.</p>");
  const { mode } = service.signIn;
  if (mode === "pending") return text(200, "text/html", "<p>Waiting for the person to agree.</p>");
  if (mode === "deny")
    return sendBack(call, redirectUri, { error: "access_denied", error_description: "The person declined." });
  const code = service.signer.sign(`code:${service.signIn.authCodes.size}:${service.world.clockMs()}`);
  service.signIn.authCodes.set(code, {
    app,
    redirectUri,
    scope: query.get("scope") ?? "",
    challenge: query.get("code_challenge") ?? undefined,
    method: query.get("code_challenge_method") ?? "plain",
    nonce: query.get("nonce") ?? undefined,
    expiresMs: service.world.clockMs() + (mode === "expire" ? -1 : AUTH_CODE_LIFE_S * 1000),
    used: false,
  });
  return sendBack(call, redirectUri, { code });
}

function sendBack(call: Call, redirectUri: string, fields: Record<string, string>): Answer {
  const state = call.query.get("state");
  const all = { ...fields, ...(state === null ? {} : { state }) };
  if (call.query.get("response_mode") === "form_post") return text(200, "text/html", postingPage(redirectUri, all));
  const to = new URL(redirectUri);
  for (const [name, value] of Object.entries(all)) to.searchParams.set(name, value);
  return empty(302, { location: to.toString() });
}

function postingPage(action: string, fields: Record<string, string>): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`,
  );
  return `<html><body onload="document.forms[0].submit()"><form method="post" action="${escape(action)}">${inputs.join("")}</form></body></html>`;
}

function escape(value: string): string {
  return value.replace(/[&"<>]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

function isLoopback(uri: string): boolean {
  if (/^https:\/\/login\.[^/]+\/common\/oauth2\/nativeclient$/.test(uri)) return true;
  return URL.canParse(uri) && new URL(uri).protocol === "http:" && new URL(uri).hostname === "localhost";
}

function metadata(call: Call, tenant: string): Record<string, unknown> {
  const base = `${call.links.login}/${tenant}`;
  return {
    issuer: `${base}/v2.0`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    device_authorization_endpoint: `${base}/oauth2/v2.0/devicecode`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
    response_types_supported: ["code"],
    response_modes_supported: ["query", "form_post"],
  };
}

function instances(call: Call): Record<string, unknown> {
  const host = new URL(call.links.login).host;
  return {
    tenant_discovery_endpoint: `${call.links.login}/common/v2.0/.well-known/openid-configuration`,
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  };
}

function refuse(call: Call, number: number, error: string, description: string): Answer {
  const trace = call.service.signer.sign(`trace:${call.service.world.clockMs()}`);
  return json(400, {
    error,
    error_description: `AADSTS${number}: ${description}`,
    error_codes: [number],
    timestamp: iso(call.service.world.clockMs()).replace("T", " "),
    trace_id: trace,
    correlation_id: call.query.get("client-request-id") ?? trace,
  });
}

function base64(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
