/** Tokens on disk are enough for a start: what can renew and ask is loaded only when they are not. The file is one that the library wrote. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { parseEndpoint, type Endpoint } from "../../src/http/endpoint.ts";
import type { Http } from "../../src/http/http.ts";
import { undiciHttp } from "../../src/http/undici-http.ts";
import { keptSignIn } from "../../src/signin/kept-sign-in.ts";
import { msalSignIn } from "../../src/signin/msal-sign-in.ts";
import type { SignIn } from "../../src/signin/sign-in.ts";
import { startSourceSim, type Sim } from "../support/sim-process.ts";

let sim: Sim;
let http: Http;
let folder: string;
let written: string;
let token: string;
let loads: number;

before(async () => {
  sim = await startSourceSim();
  http = undiciHttp();
  folder = mkdtempSync(join(tmpdir(), "onedrive-kept-"));
  const full = whole();
  assert.ok((await full.byDeviceCode(() => undefined)).ok);
  token = await tokenOf(full);
  written = readFileSync(join(folder, "tokens.json"), "utf8");
});

beforeEach(() => {
  loads = 0;
  writeFileSync(join(folder, "tokens.json"), written);
});

after(async () => {
  await http?.close();
  await sim?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test("a good token and the name are read from the disk, and nothing is loaded", async () => {
  const session = kept();
  assert.equal(await session.who(), "person@example.com");
  assert.equal(await tokenOf(session), token);
  assert.equal(await tokenOf(session), token);
  assert.equal(session.signedOut, false);
  assert.equal(loads, 0);
});

test("a token that was rejected, runs out, or is of another app, service or scope is not given out", async () => {
  const rejected = await kept().token({ rejected: token });
  assert.ok(rejected.ok && rejected.value !== token);
  for (const change of [
    { expires_on: String(Math.floor(Date.now() / 1000) + 60) },
    { expires_on: "soon" },
    { client_id: "another" },
    { environment: "login.example" },
    { target: "User.Read" },
    { token_type: "pop" },
  ]) {
    loads = 0;
    writeFileSync(join(folder, "tokens.json"), changed(change));
    await kept().token({});
    assert.equal(loads, 1, JSON.stringify(change));
  }
});

test("a file that is no token cache is left to the one that knows", async () => {
  for (const content of ["", "[]", '{"AccessToken":[1],"Account":{"a":1}}']) {
    loads = 0;
    writeFileSync(join(folder, "tokens.json"), content);
    const session = kept();
    assert.equal(await session.who(), undefined);
    const none = await session.token({});
    assert.ok(!none.ok && none.fault.kind === "signedOut", content);
    assert.equal(session.signedOut, true);
    assert.equal(loads, 1, content);
  }
});

function kept(): SignIn {
  const load = (): Promise<SignIn> => {
    loads++;
    return Promise.resolve(whole());
  };
  return keptSignIn({ endpoint: endpoint(), clientId: "mount.onedrive", folder, clock: systemClock, load });
}

function whole(): SignIn {
  const options = { endpoint: endpoint(), clientId: "mount.onedrive", folder, http, clock: systemClock };
  return msalSignIn({ ...options, random: seededRandom("kept") });
}

function endpoint(): Endpoint {
  const parsed = parseEndpoint(sim.url);
  assert.ok(parsed.ok);
  return parsed.value;
}

async function tokenOf(session: SignIn): Promise<string> {
  const given = await session.token({});
  assert.ok(given.ok, JSON.stringify(given));
  return given.value;
}

/** The file with its access token changed. */
function changed(change: object): string {
  const cache = JSON.parse(written) as { AccessToken: Record<string, object> };
  const [[key, entry]] = Object.entries(cache.AccessToken) as [[string, object]];
  return JSON.stringify({ ...cache, AccessToken: { [key]: { ...entry, ...change } } });
}
