/** The simulator on sockets: streaming, cuts, lost answers, network down, latency, bandwidth, and who may ask what. */
import assert from "node:assert/strict";
import * as http from "node:http";
import { test, type TestContext } from "node:test";
import { manualClock, systemClock } from "../../src/base/clock.ts";
import { Pace } from "../../src/sim/pace.ts";
import { quickXorHash } from "../../src/sim/quick-xor.ts";
import { defaultSettings, runSim, type RunningSim, type SimSettings } from "../../src/sim/run-sim.ts";
import { targetOf, type Loose } from "./client.ts";

interface Web {
  readonly running: RunningSim;
  readonly agent: http.Agent;
  request(line: string, more?: { headers?: http.OutgoingHttpHeaders; body?: Uint8Array | string }): Promise<Loose>;
}

async function serve(t: TestContext, settings: Partial<SimSettings> = {}): Promise<Web> {
  const defects: unknown[] = [];
  const running = await runSim({ ...defaultSettings, ...settings }, systemClock, (error) => defects.push(error));
  const agent = new http.Agent({ keepAlive: true });
  t.after(async () => {
    agent.destroy();
    await running.close();
    assert.deepEqual(defects, []);
  });
  let token = "";
  const request: Web["request"] = (line, more = {}) => {
    const [method = "", path = ""] = line.split(" ");
    const auth = path.startsWith("/v1.0") ? { authorization: `Bearer ${token}` } : {};
    return new Promise((resolve, reject) => {
      const headers = { ...auth, ...more.headers };
      const req = http.request(running.url + path, { method, agent, headers }, (res) => {
        const chunks: Buffer[] = [];
        res.on("data", (chunk: Buffer) => chunks.push(chunk));
        res.on("error", (error) => reject(Object.assign(error, { got: Buffer.concat(chunks).length })));
        res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) }));
      });
      req.on("error", reject);
      req.end(more.body);
    });
  };
  token = JSON.parse((await request("POST /_sim/token", { body: "{}" })).body).access_token;
  return { running, agent, request };
}

const fault = (web: Web, json: Loose): Promise<Loose> =>
  web.request("POST /_sim/faults", { body: JSON.stringify(json) });

test("a large file streams up and down with its hash, through file and memory", async (t) => {
  const web = await serve(t);
  const bytes = Buffer.alloc(5_000_000);
  for (let i = 0; i < bytes.length; i += 97) bytes[i] = i;
  const item = JSON.parse((await web.request("PUT /v1.0/me/drive/root:/big:/content", { body: bytes })).body);
  assert.equal(item.file.hashes.quickXorHash, quickXorHash(bytes));
  const link = targetOf(item["@microsoft.graph.downloadUrl"]);
  assert.ok((await web.request(`GET ${link}`)).body.equals(bytes));
  const part = await web.request(`GET ${link}`, { headers: { range: "bytes=1000000-2999999" } });
  assert.equal(part.status, 206);
  assert.ok(part.body.equals(bytes.subarray(1_000_000, 3_000_000)));
  assert.ok((await web.request("GET /_sim/files/big")).body.equals(bytes));
});

test("a session takes large fragments, and a broken one leaves nothing", async (t) => {
  const web = await serve(t);
  const unit = 327_680;
  const bytes = Buffer.alloc(8 * unit);
  for (let i = 0; i < bytes.length; i += 31) bytes[i] = i >> 3;
  const url = targetOf(
    JSON.parse((await web.request("POST /v1.0/me/drive/root:/f:/createUploadSession", { body: "{}" })).body).uploadUrl,
  );
  const put = (from: number, to: number): Promise<Loose> =>
    web.request(`PUT ${url}`, {
      body: bytes.subarray(from, to),
      headers: { "content-range": `bytes ${from}-${to - 1}/${bytes.length}` },
    });
  assert.equal((await put(0, 3 * unit)).status, 202);
  await fault(web, { kind: "cut", direction: "up", bytes: unit + 7, count: 1, route: "session.put" });
  await assert.rejects(put(3 * unit, bytes.length));
  assert.deepEqual(JSON.parse((await web.request(`GET ${url}`)).body).nextExpectedRanges, [
    `${3 * unit}-${bytes.length - 1}`,
  ]);
  await fault(web, { kind: "lost-after", count: 1, route: "session.put" });
  await assert.rejects(put(3 * unit, 6 * unit));
  assert.equal((await put(3 * unit, 6 * unit)).status, 416);
  const done = await put(6 * unit, bytes.length);
  assert.equal(done.status, 201);
  assert.equal(JSON.parse(done.body).file.hashes.quickXorHash, quickXorHash(bytes));
});

test("a large upload that is refused leaves nothing and harms nobody", async (t) => {
  const web = await serve(t);
  const put = (headers: Record<string, string>): Promise<Loose> =>
    web.request("PUT /v1.0/me/drive/root:/big:/content", { body: Buffer.alloc(2_000_000, 4), headers });
  assert.equal((await put({})).status, 201);
  for (let i = 0; i < 5; i++) assert.equal((await put({ "if-none-match": "*" })).status, 412);
  await fault(web, { kind: "503", count: 2, route: "content.put" });
  for (let i = 0; i < 2; i++) assert.equal((await put({})).status, 503);
  await fault(web, { kind: "lost-before", count: 1, route: "content.put" });
  await assert.rejects(put({}));
  assert.equal((await web.request("GET /_sim/files/big")).body.length, 2_000_000);
});

test("a body that ends early changes nothing, and Expect: 100-continue is answered", async (t) => {
  const web = await serve(t);
  const body = Buffer.alloc(100_000, 1);
  await assert.rejects(
    new Promise((resolve, reject) => {
      const req = http.request(
        `${web.running.url}/_sim/files/half`,
        { method: "PUT", headers: { "content-length": 200_000 } },
        resolve,
      );
      req.on("error", reject);
      req.write(body, () => setTimeout(() => req.destroy(new Error("gone")), 20));
    }),
  );
  assert.deepEqual(JSON.parse((await web.request("GET /_sim/tree")).body), []);
  const status = await new Promise((resolve, reject) => {
    const req = http.request(
      `${web.running.url}/_sim/files/whole`,
      { method: "PUT", headers: { expect: "100-continue" } },
      (res) => {
        res.resume();
        resolve(res.statusCode);
      },
    );
    req.on("continue", () => req.end(body));
    req.on("error", reject);
    req.flushHeaders();
  });
  assert.equal(status, 201);
});

test("downloads are cut, slowed and stalled as asked", async (t) => {
  const web = await serve(t);
  const item = JSON.parse(
    (await web.request("PUT /v1.0/me/drive/root:/f:/content", { body: Buffer.alloc(300_000, 3) })).body,
  );
  const link = targetOf(item["@microsoft.graph.downloadUrl"]);
  await fault(web, { kind: "cut", bytes: 100_000, count: 1, route: "download" });
  await assert.rejects(web.request(`GET ${link}`), (error: Loose) => error.got === 100_000);
  const cut = JSON.parse((await web.request("GET /_sim/requests")).body).at(-1);
  assert.deepEqual([cut.status, cut.bytes], [200, 100_000]);
  const timed = async (json: Loose): Promise<number> => {
    await fault(web, { count: 1, route: "download", ...json });
    const from = performance.now();
    assert.equal((await web.request(`GET ${link}`)).body.length, 300_000);
    return performance.now() - from;
  };
  assert.ok((await timed({ kind: "slow", bytesPerSecond: 1_000_000 })) > 200);
  assert.ok((await timed({ kind: "stall", ms: 150 })) > 140);
});

test("network down cuts what is under way and refuses what comes; admin goes on", async (t) => {
  const web = await serve(t);
  const item = JSON.parse(
    (await web.request("PUT /v1.0/me/drive/root:/f:/content", { body: Buffer.alloc(100_000, 3) })).body,
  );
  await fault(web, { kind: "slow", bytesPerSecond: 10_000, count: 1, route: "download" });
  const under = web.request(`GET ${targetOf(item["@microsoft.graph.downloadUrl"])}`);
  const cut = assert.rejects(under);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await web.request("POST /_sim/network", { body: '{"up":false}' });
  await cut;
  await assert.rejects(web.request("GET /v1.0/me/drive"));
  assert.equal(JSON.parse((await web.request("GET /_sim/tree")).body).length, 1);
  await web.request("POST /_sim/network", { body: '{"up":true}' });
  assert.equal((await web.request("GET /v1.0/me/drive")).status, 200);
});

test("latency and bandwidth hold for Graph, not for admin", async (t) => {
  const web = await serve(t, { latencyMs: 120, bytesPerSecond: 1_000_000 });
  const timed = async (line: string, body?: Uint8Array): Promise<number> => {
    const from = performance.now();
    assert.ok((await web.request(line, body ? { body } : {})).status < 300);
    return performance.now() - from;
  };
  assert.ok((await timed("GET /v1.0/me/drive")) >= 115);
  assert.ok((await timed("PUT /_sim/files/f", Buffer.alloc(400_000))) < 115);
  assert.ok((await timed("PUT /v1.0/me/drive/root:/g:/content", Buffer.alloc(300_000))) > 350);
});

test("a line carries what it is said to carry, both ways, in however small pieces", async () => {
  const clock = manualClock();
  const pace = new Pace(100_000_000, () => clock.now());
  let moved = 0;
  // Every timer wakes 3 ms late.
  for (const from = clock.now(); clock.now() - from < 1_000; moved += 65_536) {
    const waitMs = pace.waitMs(65_536);
    if (waitMs > 1) clock.advance(Math.ceil(waitMs) + 3);
  }
  assert.ok(moved > 98_000_000 && moved < 102_000_000, `${moved}`);
  clock.advance(10_000);
  assert.ok(pace.waitMs(10_000_000) > 99, "a pause saves nothing up");
});

test("made content of a populated drive is served with its hash", async (t) => {
  const web = await serve(t, { populate: { dirs: 2, files: 3, bytes: 70_000 }, profile: "business" });
  const { value } = JSON.parse((await web.request("GET /v1.0/me/drive/root:/dir-0001:/children")).body);
  assert.equal(value.length, 3);
  const { body } = await web.request(`GET ${targetOf(value[1]["@microsoft.graph.downloadUrl"])}`);
  assert.equal(value[1].file.hashes.quickXorHash, quickXorHash(body));
  assert.equal(body.length, 70_000);
});

test("discarded content keeps its hash and refuses to be read", async (t) => {
  const web = await serve(t, { discardContent: true });
  const bytes = Buffer.alloc(3_000_000, 9);
  const item = JSON.parse((await web.request("PUT /v1.0/me/drive/root:/f:/content", { body: bytes })).body);
  assert.equal(item.file.hashes.quickXorHash, quickXorHash(bytes));
  assert.equal((await web.request(`GET ${targetOf(item["@microsoft.graph.downloadUrl"])}`)).status, 501);
});
