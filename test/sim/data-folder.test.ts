/** Persistence: what was answered survives kill -9, what was torn is cut off, and a rewritten folder says the same. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../src/base/clock.ts";
import { defaultSettings, runSim, type RunningSim, type SimSettings } from "../../src/sim/run-sim.ts";
import type { Loose } from "./client.ts";

function folder(t: TestContext): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sim-data-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const fail = (error: unknown): never => {
  throw error;
};
const start = (data: string, more: Partial<SimSettings> = {}): Promise<RunningSim> =>
  runSim({ ...defaultSettings, data, ...more }, systemClock, fail);

async function call(
  running: { url: string },
  line: string,
  more: { token?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Loose> {
  const [method = "", target = ""] = line.split(" ");
  const headers = { ...(more.token ? { authorization: `Bearer ${more.token}` } : {}), ...more.headers };
  const response = await fetch(running.url + target, {
    method,
    headers,
    ...(more.body === undefined ? {} : { body: more.body }),
  });
  const text = await response.text();
  assert.ok(response.status < 300, `${line}: ${response.status} ${text}`);
  return text.startsWith("{") || text.startsWith("[") ? JSON.parse(text) : text;
}

const tree = (running: { url: string }): Promise<Loose[]> => call(running, "GET /_sim/tree");

test("sim A40: every answered change survives kill -9, and a torn step is cut off", async (t) => {
  const data = folder(t);
  const bin = fileURLToPath(new URL("../../src/bin/onedrive-sim.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", bin, "--data", data], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const process1 = { url: JSON.parse(line).url as string };
  await call(process1, "PUT /_sim/files/d/e/big", { body: "x".repeat(100_000) });
  await call(process1, "PUT /_sim/files/d/gone", { body: "1" });
  await call(process1, "PUT /_sim/files/d/e/big", { body: "y".repeat(90_000) });
  await call(process1, "DELETE /_sim/files/d/gone");
  await call(process1, "POST /_sim/move", { body: '{"from":"d/e","to":"f"}' });
  const { access_token: token } = await call(process1, "POST /_sim/token", { body: "{}" });
  const { "@odata.deltaLink": link } = await call(process1, "GET /v1.0/me/drive/root/delta", { token });
  await call(process1, "PUT /_sim/files/late", { body: "z" });
  const before = await tree(process1);
  child.kill("SIGKILL");
  await once(child, "exit");
  const state = path.join(data, "state-1.ndjson");
  fs.appendFileSync(state, '{"items":[{"i":99');
  const running = await start(data);
  t.after(() => running.close());
  assert.deepEqual(await tree(running), before);
  assert.equal(await call(running, "GET /_sim/files/f/big"), "y".repeat(90_000));
  assert.equal((await call(running, "GET /_sim/versions/f/big")).length, 2);
  const round = await call(running, `GET ${link.replace(/^http:\/\/[^/]*/, "")}`, { token });
  assert.deepEqual(round.value.map((item: Loose) => item.name), ["root", "late"]); // prettier-ignore
  await call(running, "PUT /_sim/files/more", { body: "1" });
  assert.ok(!fs.readFileSync(state, "utf8").includes('"i":99'));
});

test("sim A17: links, tokens, clock, quota and the recycle bin survive a restart", async (t) => {
  const data = folder(t);
  const one = await start(data);
  await call(one, "POST /_sim/clock", { body: '{"advance":86400}' });
  await call(one, "POST /_sim/quota", { body: '{"total":12345}' });
  const { access_token: token } = await call(one, "POST /_sim/token", { body: "{}" });
  const file = await call(one, "PUT /_sim/files/d/a", { body: "12" });
  await call(one, "PUT /_sim/files/d/b", { body: "34" });
  const all = await call(one, "GET /v1.0/me/drive/root/delta?$top=1", { token });
  await call(one, "DELETE /_sim/files/d");
  await one.close();
  const two = await start(data);
  t.after(() => two.close());
  assert.deepEqual(await tree(two), []);
  assert.equal((await call(two, "GET /v1.0/me/drive", { token })).quota.total, 12345);
  assert.ok(two.sim.nowMs() > Date.now() + 86_000_000);
  const next = await call(two, `GET ${all["@odata.nextLink"].replace(/^http:\/\/[^/]*/, "")}`, { token });
  assert.ok(next.value.length > 0);
  const parent = two.sim.world.byId(two.sim.world.main, file.id)!.parent!;
  const id = two.sim.world.main.ids.itemId(parent.num);
  const back = await call(two, `POST /v1.0/me/drive/items/${id}/restore`, { token, body: "{}" });
  assert.deepEqual([back.name, back.size, back.folder.childCount], ["d", 4, 2]);
  assert.equal(await call(two, "GET /_sim/files/d/a"), "12");
});

test("a populated drive comes back with what was changed in it", async (t) => {
  const data = folder(t);
  const one = await start(data, { populate: { dirs: 2, files: 3, bytes: 1000 }, profile: "business" });
  await call(one, "PUT /_sim/files/dir-0000/file-0001.bin", { body: "mine" });
  await call(one, "DELETE /_sim/files/dir-0001/file-0002.bin");
  await call(one, "POST /_sim/move", { body: '{"from":"dir-0000/file-0000.bin","to":"dir-0001/moved.bin"}' });
  const before = await tree(one);
  await one.close();
  const two = await start(data);
  t.after(() => two.close());
  const byPath = (rows: Loose[]): Loose[] => rows.sort((a, b) => (a.path < b.path ? -1 : 1));
  assert.deepEqual(byPath(await tree(two)), byPath(before));
  await assert.rejects(start(data, { profile: "personal" }), /holds a business drive/);
});

test("a long state file is rewritten and says the same; unused content is swept", async (t) => {
  const data = folder(t);
  const one = await start(data);
  await call(one, "PUT /_sim/files/f", { body: "f".repeat(70_000) });
  const before = await tree(one);
  await one.close();
  const state = path.join(data, "state-1.ndjson");
  const filler = `{"advancedMs":0,"x":"${"x".repeat(1_000_000)}"}\n`;
  for (let i = 0; i < 17; i++) fs.appendFileSync(state, filler);
  fs.mkdirSync(path.join(data, "content", "7"), { recursive: true });
  fs.writeFileSync(path.join(data, "content", "7", "107"), "left over");
  const two = await start(data);
  t.after(() => two.close());
  assert.deepEqual(fs.readdirSync(data).filter((name) => name.startsWith("state-")), ["state-2.ndjson"]); // prettier-ignore
  assert.ok(fs.statSync(path.join(data, "state-2.ndjson")).size < 10_000);
  assert.deepEqual(await tree(two), before);
  assert.ok(!fs.existsSync(path.join(data, "content", "7", "107")));
  await call(two, "PUT /_sim/files/g", { body: "g".repeat(70_000) });
  assert.equal(await call(two, "GET /_sim/files/f"), "f".repeat(70_000));
});

test("a damaged or newer folder is refused with one line", async (t) => {
  const data = folder(t);
  await (await start(data)).close();
  const state = path.join(data, "state-1.ndjson");
  const good = fs.readFileSync(state, "utf8");
  fs.writeFileSync(state, good.replace('"format":1', '"format":9'));
  await assert.rejects(start(data), /has format 9/);
  fs.writeFileSync(state, `junk\n${good}`);
  await assert.rejects(start(data), /damaged at byte 0/);
});
