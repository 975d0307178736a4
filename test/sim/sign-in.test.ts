/** The sign-in service: tokens, device code, authorization code with PKCE, refresh and revocation. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { testClient, type Client, type Loose } from "./client.ts";

const LOGIN = "/common/oauth2/v2.0";
const SCOPE = "Files.ReadWrite.All offline_access openid profile";

function post(client: Client, status: number, path: string, fields: Record<string, string>): Promise<Loose> {
  return client
    .want(status, `POST ${LOGIN}/${path}`, { body: new URLSearchParams(fields).toString() })
    .then((reply) => reply.json);
}

async function deviceCode(client: Client): Promise<string> {
  const begun = await post(client, 200, "devicecode", { client_id: "app", scope: SCOPE });
  assert.deepEqual([begun.expires_in, begun.interval], [900, 5]);
  assert.ok(begun.message.includes(begun.user_code));
  return begun.device_code;
}

const redeem = (client: Client, status: number, code: string): Promise<Loose> =>
  post(client, status, "token", {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    client_id: "app",
    device_code: code,
  });

test("sim A33: a request without a good token is 401; tokens live about an hour", async () => {
  const client = await testClient();
  const refused = await client.want(401, "GET /v1.0/me/drive", { bare: true });
  assert.equal(refused.json.error.code, "InvalidAuthenticationToken");
  assert.match(refused.headers["www-authenticate"] ?? "", /Bearer/);
  await client.want(401, "GET /v1.0/me/drive", { headers: { authorization: "Bearer junk" } });
  await client.want(200, "GET /v1.0/me/drive");
  await client.admin("POST /_sim/clock", { json: { advance: 3600 } });
  await client.want(401, "GET /v1.0/me/drive");
});

test("sim A34: device code follows the scripted mode", async () => {
  const client = await testClient();
  const mode = (body: Loose): Promise<Loose> => client.admin("POST /_sim/login", { json: body });
  await mode({ mode: "pending" });
  const code = await deviceCode(client);
  const pending = await redeem(client, 400, code);
  assert.deepEqual([pending.error, pending.error_codes], ["authorization_pending", [70016]]);
  await mode({ mode: "deny" });
  assert.equal((await redeem(client, 400, code)).error, "authorization_declined");
  await mode({ mode: "auto", slowDowns: 1 });
  assert.equal((await redeem(client, 400, code)).error, "slow_down");
  const tokens = await redeem(client, 200, code);
  assert.deepEqual([tokens.token_type, tokens.expires_in], ["Bearer", 3599]);
  assert.equal((await redeem(client, 400, code)).error, "bad_verification_code");
  await client.want(200, "GET /v1.0/me/drive", { headers: { authorization: `Bearer ${tokens.access_token}` } });
  await mode({ mode: "expire" });
  assert.equal((await redeem(client, 400, await deviceCode(client))).error, "expired_token");
  await mode({ mode: "auto" });
  const old = await deviceCode(client);
  client.clock.advance(901_000);
  assert.equal((await redeem(client, 400, old)).error, "expired_token");
  await client.want(400, "POST /_sim/login", { json: { mode: "maybe" } });
});

const verifier = "a-verifier-that-is-long-enough-for-the-rule-0123456789";
const challenge = createHash("sha256").update(verifier).digest("base64url");
const redirect = "http://localhost:5555/";

function authorize(more: Record<string, string> = {}): string {
  const query = {
    client_id: "app",
    response_type: "code",
    redirect_uri: redirect,
    scope: SCOPE,
    state: "s t",
    code_challenge: challenge,
  };
  return `GET ${LOGIN}/authorize?${new URLSearchParams({ ...query, code_challenge_method: "S256", ...more }).toString()}`;
}

test("sim A35: the authorization code is bound to redirect and PKCE, and good once", async () => {
  const client = await testClient();
  const newCode = async (): Promise<string> => {
    const back = new URL((await client.want(302, authorize())).headers["location"] ?? "");
    assert.equal(back.searchParams.get("state"), "s t");
    return back.searchParams.get("code") ?? "";
  };
  const ask = (status: number, code: string, more: Record<string, string> = {}): Promise<Loose> =>
    post(client, status, "token", {
      grant_type: "authorization_code",
      client_id: "app",
      code,
      redirect_uri: redirect,
      code_verifier: verifier,
      ...more,
    });
  const code = await newCode();
  assert.equal((await ask(400, code, { code_verifier: "wrong" })).error, "invalid_grant");
  assert.equal((await ask(400, code, { redirect_uri: "http://localhost:1/" })).error, "invalid_grant");
  const tokens = await ask(200, code);
  const claims = JSON.parse(Buffer.from(tokens.id_token.split(".")[1], "base64url").toString());
  assert.deepEqual([claims.aud, claims.tid], ["app", "9188040d-6c67-4c5b-b112-36a304b66dad"]);
  assert.equal((await ask(400, code)).error_codes[0], 70000);
  const late = await newCode();
  client.clock.advance(601_000);
  await ask(400, late);
  for (const bad of ["http://127.0.0.1:5555/", "https://evil.example/", "junk"])
    await client.want(400, authorize({ redirect_uri: bad }));
  const page = (await client.want(200, authorize({ response_mode: "form_post", state: '"<x>' }))).bytes.toString();
  assert.match(page, /<form method="post" action="http:\/\/localhost:5555\/">.*name="code"/);
  assert.ok(!page.includes('"<x>'));
  await client.admin("POST /_sim/login", { json: { mode: "deny" } });
  assert.match((await client.want(302, authorize())).headers["location"] ?? "", /error=access_denied/);
});

test("sim A36: refresh rotates, the old stays good, revoke ends all", async () => {
  const client = await testClient();
  const tokens = await redeem(client, 200, await deviceCode(client));
  const refresh = (status: number, token: string): Promise<Loose> =>
    post(client, status, "token", {
      grant_type: "refresh_token",
      client_id: "app",
      refresh_token: token,
      scope: SCOPE,
    });
  const next = await refresh(200, tokens.refresh_token);
  assert.notEqual(next.refresh_token, tokens.refresh_token);
  assert.notEqual(next.access_token, tokens.access_token);
  await refresh(200, tokens.refresh_token);
  await refresh(400, tokens.access_token);
  await client.admin("POST /_sim/login", { json: { mode: "revoke" } });
  assert.equal((await refresh(400, next.refresh_token)).error, "invalid_grant");
  await client.want(401, "GET /v1.0/me/drive", { headers: { authorization: `Bearer ${next.access_token}` } });
  const again = await redeem(client, 200, await deviceCode(client));
  await refresh(200, again.refresh_token);
  client.clock.advance(91 * 24 * 3_600_000);
  assert.equal((await refresh(400, again.refresh_token)).error, "invalid_grant");
  const without = await post(client, 200, "devicecode", { client_id: "app", scope: "Files.Read" });
  assert.equal((await redeem(client, 200, without.device_code)).refresh_token, undefined);
});

test("metadata names this host's endpoints", async () => {
  const { want } = await testClient();
  const { json } = await want(200, "GET /common/v2.0/.well-known/openid-configuration");
  assert.equal(json.token_endpoint, "http://sim.test/common/oauth2/v2.0/token");
  const behind = await want(200, "GET /common/v2.0/.well-known/openid-configuration", {
    host: "login.microsoftonline.com",
  });
  assert.equal(
    behind.json.device_authorization_endpoint,
    "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
  );
});
