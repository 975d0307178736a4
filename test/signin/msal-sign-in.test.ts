/** Signing in and staying so, against the simulator's sign-in service; tokens on disk through kills and full disks. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Http } from "../../src/http/http.ts";
import { parseEndpoint, type Endpoint } from "../../src/http/endpoint.ts";
import { undiciHttp } from "../../src/http/undici-http.ts";
import { clientIdFor } from "../../src/signin/client-id.ts";
import { msalSignIn, type MsalSignInOptions } from "../../src/signin/msal-sign-in.ts";
import type { SignIn } from "../../src/signin/sign-in.ts";
import { tokenFile, type TokenFile } from "../../src/signin/token-file.ts";
import { repository } from "../support/repository.ts";
import { startSourceSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let door: Http;
let scratch: string;
let folder: string;

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  assert.ok(parsed.ok);
  return parsed.value;
}

function signIn(more: Partial<MsalSignInOptions> = {}): SignIn {
  return msalSignIn({
    endpoint: endpoint(sim.url),
    clientId: "mount.onedrive",
    folder,
    http: door,
    clock: systemClock,
    random: seededRandom("sign-in"),
    ...more,
  });
}

async function signedIn(more: Partial<MsalSignInOptions> = {}): Promise<{ session: SignIn; token: string }> {
  const session = signIn(more);
  const done = await session.byDeviceCode(() => undefined);
  assert.ok(done.ok, JSON.stringify(done));
  return { session, token: await tokenOf(session) };
}

async function tokenOf(session: SignIn, rejected?: string): Promise<string> {
  const token = await session.token(rejected === undefined ? {} : { rejected });
  assert.ok(token.ok, JSON.stringify(token));
  return token.value;
}

async function renewals(): Promise<number> {
  const rows = await sim.requests();
  return rows.filter((row) => row.path.includes("/oauth2/v2.0/token")).length;
}

const kindOf = (result: { ok: true } | { ok: false; fault: { kind: string } }): string =>
  result.ok ? "ok" : result.fault.kind;

describe("signing in with msal", () => {
  before(async () => {
    sim = await startSourceSim();
    door = undiciHttp({ proxies: { httpProxy: "", httpsProxy: "", noProxy: "*" } });
  });
  after(async () => {
    await door.close();
    await sim.stop();
  });
  beforeEach(() => {
    scratch = mkdtempSync(join(tmpdir(), "sign-in-"));
    folder = join(scratch, "account");
  });
  afterEach(async () => {
    rmSync(scratch, { recursive: true, force: true });
    await sim.clearFaults();
    await sim.login("auto");
    await sim.network(true);
    await sim.clearRequests();
  });

  test("nobody is signed in at first, and nobody is asked", async () => {
    const session = signIn();
    assert.equal(kindOf(await session.token({})), "signedOut");
    assert.equal(await session.who(), undefined);
    assert.equal(await renewals(), 0);
  });

  test("a device code signs in; the tokens are for this person's eyes only, and for the next process", async () => {
    const said: string[] = [];
    const session = signIn();
    const done = await session.byDeviceCode((message) => said.push(message));
    assert.deepEqual(done, { ok: true, value: "person@example.com" });
    assert.match(said.join(), /enter the code [A-Z0-9]{9}/);
    assert.deepEqual(readdirSync(folder), ["tokens.json"]);
    assert.equal(statSync(join(folder, "tokens.json")).mode & 0o777, 0o600);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    const token = await tokenOf(session);
    await sim.clearRequests();
    const next = signIn();
    assert.equal(await next.who(), "person@example.com");
    assert.equal(await tokenOf(next), token);
    assert.equal(await renewals(), 0);
  });

  test("many who find their token rejected cause one renewal, and get the same new token", async () => {
    const { session, token } = await signedIn();
    await sim.clearRequests();
    const tokens = await Promise.all([1, 2, 3, 4].map(() => tokenOf(session, token)));
    assert.equal(new Set(tokens).size, 1);
    assert.notEqual(tokens[0], token);
    assert.equal(await renewals(), 1);
    assert.equal(await tokenOf(session, token), tokens[0], "a late complaint about the old token gets the new one");
    assert.equal(await renewals(), 1);
  });

  test("a renewed token is on disk before anybody gets it", async () => {
    const real = tokenFile(folder, systemClock);
    const order: string[] = [];
    const file: TokenFile = {
      ...real,
      async write(content) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        await real.write(content);
        order.push("written");
      },
    };
    const { session, token } = await signedIn({ file });
    order.length = 0;
    const old = readFileSync(join(folder, "tokens.json"), "utf8");
    const renewed = await tokenOf(session, token).finally(() => order.push("given"));
    assert.deepEqual(order, ["written", "given"]);
    const now = readFileSync(join(folder, "tokens.json"), "utf8");
    assert.notEqual(now, old);
    assert.ok(now.includes(renewed));
  });

  test("a token that cannot be kept is not given; the old tokens stay, and serve again", async () => {
    const real = tokenFile(folder, systemClock);
    let full = false;
    const file: TokenFile = {
      ...real,
      write: (content) =>
        full ? Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" })) : real.write(content),
    };
    const { session, token } = await signedIn({ file });
    const old = readFileSync(join(folder, "tokens.json"), "utf8");
    full = true;
    const refused = await session.token({ rejected: token });
    assert.equal(kindOf(refused), "io");
    assert.equal(readFileSync(join(folder, "tokens.json"), "utf8"), old);
    full = false;
    assert.notEqual(await tokenOf(session, token), token);
  });

  test("killed between writing and renaming, the old tokens are whole and still good", async () => {
    const { token } = await signedIn();
    const old = readFileSync(join(folder, "tokens.json"), "utf8");
    const child = spawn(
      process.execPath,
      ["--import", "tsx", "test/support/renew-and-die.ts", sim.url, folder, token],
      { cwd: repository, stdio: ["ignore", "ignore", "inherit"] },
    );
    const [, signal] = (await once(child, "exit")) as [number | null, string | null];
    assert.equal(signal, "SIGKILL");
    assert.equal(readFileSync(join(folder, "tokens.json"), "utf8"), old);
    assert.ok(
      readdirSync(folder).some((name) => name.endsWith(".tmp")),
      "it was killed while it wrote",
    );
    assert.notEqual(await tokenOf(signIn(), token), token);
  });

  test("invalid_grant means signed out, is not asked again, and ends when somebody signs in", async () => {
    const { session, token } = await signedIn();
    await sim.login("revoke");
    assert.equal(session.signedOut, false);
    assert.equal(kindOf(await session.token({ rejected: token })), "signedOut");
    assert.equal(session.signedOut, true);
    await sim.clearRequests();
    assert.equal(kindOf(await session.token({})), "signedOut");
    assert.equal(await renewals(), 0);
    await sim.login("auto");
    const other = signIn();
    assert.equal(kindOf(await other.byDeviceCode(() => undefined)), "ok");
    assert.notEqual(await tokenOf(session), token);
    assert.equal(session.signedOut, false);
  });

  test("offline is not signed out", async () => {
    const { session, token } = await signedIn();
    await sim.network(false);
    assert.equal(kindOf(await session.token({ rejected: token })), "offline");
    assert.equal(session.signedOut, false);
    await sim.network(true);
    assert.notEqual(await tokenOf(session, token), token);
  });

  test("one 503 of the sign-in service passes; a 429 keeps everybody quiet for as long as it says", async () => {
    const { session, token } = await signedIn();
    await sim.faults({ kind: "status", route: "token", status: 503, count: 1 });
    const second = await tokenOf(session, token);
    assert.notEqual(second, token);
    await sim.faults({ kind: "status", route: "token", status: 429, retryAfter: 0.5, count: 1 });
    assert.equal(kindOf(await session.token({ rejected: second })), "throttled");
    await sim.clearRequests();
    const quiet = await session.token({ rejected: second });
    assert.ok(!quiet.ok && quiet.fault.kind === "throttled" && (quiet.fault.retryAfterMs ?? 0) > 0);
    assert.equal(await renewals(), 0);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.notEqual(await tokenOf(session, second), second);
  });

  test("HTML instead of JSON is garbled, not signed out", async () => {
    const { session, token } = await signedIn();
    await sim.faults({ kind: "status", route: "token", status: 400, body: "html", count: 1 });
    assert.equal(kindOf(await session.token({ rejected: token })), "garbled");
    assert.equal(session.signedOut, false);
  });

  test("a declined sign-in, a code that ran out, and one nobody answers", async () => {
    await sim.login("deny");
    assert.equal(kindOf(await signIn().byDeviceCode(() => undefined)), "denied");
    await sim.login("expire");
    assert.equal(kindOf(await signIn().byDeviceCode(() => undefined)), "timedOut");
    await sim.login("pending");
    const giveUp = new AbortController();
    const pending = signIn().byDeviceCode(() => setTimeout(() => giveUp.abort(), 50), giveUp.signal);
    assert.equal(kindOf(await pending), "interrupted");
    assert.equal(await signIn().who(), undefined);
  });

  test("the browser comes back with a code; strangers do not", async () => {
    const visits: number[] = [];
    const session = signIn({
      openBrowser: (url) => void visit(url, visits),
    });
    const shown: string[] = [];
    const done = await session.byBrowser((message) => shown.push(message));
    assert.deepEqual(done, { ok: true, value: "person@example.com" });
    assert.deepEqual(visits, [400, 400, 400, 400, 200]);
    const asked = new URL(/http\S+/.exec(shown.join())?.[0] ?? "");
    assert.equal(asked.searchParams.get("code_challenge_method"), "S256");
    assert.match(asked.searchParams.get("redirect_uri") ?? "", /^http:\/\/localhost:\d+$/);
    await tokenOf(session);
  });

  test("a refused sign-in in the browser is denied, and a closed one can be cancelled", async () => {
    const refuse = signIn({
      openBrowser: (url) => {
        const { redirect, state } = partsOf(url);
        void fetch(`${redirect}/?error=access_denied&state=${state}`);
      },
    });
    assert.equal(kindOf(await refuse.byBrowser(() => undefined)), "denied");
    const giveUp = new AbortController();
    const waits = signIn({ openBrowser: () => setTimeout(() => giveUp.abort(), 20) });
    assert.equal(kindOf(await waits.byBrowser(() => undefined, giveUp.signal)), "interrupted");
  });

  test("logout forgets everything here; a login by another process is noticed", async () => {
    const { session } = await signedIn();
    assert.equal((await session.logout()).ok, true);
    assert.deepEqual(readdirSync(folder), []);
    assert.equal(kindOf(await session.token({})), "signedOut");
    assert.equal(await session.who(), undefined);
    await signIn().byDeviceCode(() => undefined);
    await tokenOf(session);
  });

  test("tokens of one service are never offered to another", async () => {
    await signedIn();
    let asked = 0;
    const server = http.createServer((_, response) => (asked++, response.writeHead(400).end())).listen(0, "127.0.0.1");
    await once(server, "listening");
    const elsewhere = endpoint(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const session = signIn({ endpoint: elsewhere });
    assert.equal(await session.who(), undefined);
    assert.equal(kindOf(await session.token({})), "signedOut");
    assert.equal(asked, 0);
    server.close();
  });

  test("a token file of nonsense is as good as none", async () => {
    await signedIn();
    writeFileSync(join(folder, "tokens.json"), "{ half a fi");
    assert.equal(kindOf(await signIn().token({})), "signedOut");
    assert.equal(kindOf(await signIn().byDeviceCode(() => undefined)), "ok");
  });
});

test("a real cloud needs a registered app; a server on this machine does not", () => {
  const refused = clientIdFor(endpoint("global"), undefined);
  assert.ok(!refused.ok && /client_id/.test(refused.fault.why));
  assert.deepEqual(clientIdFor(endpoint("global"), "abc"), { ok: true, value: "abc" });
  assert.equal(clientIdFor(endpoint("http://127.0.0.1:1"), undefined).ok, true);
});

function partsOf(url: string): { redirect: string; state: string } {
  const { searchParams } = new URL(url);
  return { redirect: searchParams.get("redirect_uri") ?? "", state: searchParams.get("state") ?? "" };
}

/** A browser at the sign-in page; before it comes back, others try the address. */
async function visit(url: string, statuses: number[]): Promise<void> {
  const { redirect, state } = partsOf(url);
  const strangers: [string, http.RequestOptions][] = [
    [`${redirect}/?code=stolen&state=guess`, {}],
    [`${redirect}/other?code=x&state=${state}`, {}],
    [`${redirect}/?code=x&state=${state}`, { headers: { host: "evil.example" } }],
    [`${redirect}/?code=x&state=${state}`, { method: "POST" }],
  ];
  for (const [address, options] of strangers) statuses.push(await statusOf(address, options));
  const page = await fetch(url, { redirect: "manual" });
  statuses.push(await statusOf(page.headers.get("location") ?? "", {}));
}

async function statusOf(address: string, options: http.RequestOptions): Promise<number> {
  const request = http.request(address, options).end();
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}
