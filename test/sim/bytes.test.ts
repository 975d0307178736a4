/** Bytes in and out: simple PUT, upload sessions, quota, download links and ranges. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { quickXorHash } from "../../src/sim/quick-xor.ts";
import { targetOf, testClient, type Client, type Loose } from "./client.ts";

const ITEM = "/v1.0/me/drive/items";
const ROOT = "/v1.0/me/drive/root";
const UNIT = 327_680;

async function session(
  client: Client,
  path: string,
  body: Loose = {},
  headers: Record<string, string> = {},
): Promise<string> {
  const { json } = await client.want(200, `POST ${ROOT}:/${path}:/createUploadSession`, { json: body, headers });
  assert.deepEqual(json.nextExpectedRanges, ["0-"]);
  return targetOf(json.uploadUrl);
}

function fragment(
  client: Client,
  status: number,
  url: string,
  { at, bytes, total }: { at: number; bytes: Uint8Array; total: number },
): Promise<Loose> {
  const range = `bytes ${at}-${at + bytes.length - 1}/${total}`;
  return client.want(status, `PUT ${url}`, { body: bytes, headers: { "content-range": range } });
}

test("sim A27: a simple PUT replaces or creates, and honours conflict behaviour", async () => {
  const { want, admin, put } = await testClient();
  const made = (await want(201, `PUT ${ROOT}:/p/q/f.txt:/content`, { body: "one" })).json;
  const again = (await want(200, `PUT ${ITEM}/${made.parentReference.id}:/F.TXT:/content`, { body: "two" })).json;
  assert.deepEqual([again.id, again.name], [made.id, "f.txt"]);
  const parent = `${ITEM}/${made.parentReference.id}`;
  await want(409, `PUT ${parent}:/f.txt:/content?@microsoft.graph.conflictBehavior=fail`, { body: "x" });
  const other = (
    await want(201, `PUT ${parent}:/f.txt:/content?@microsoft.graph.conflictBehavior=rename`, { body: "x" })
  ).json;
  assert.equal(other.name, "f 1.txt");
  assert.equal((await put("empty", "")).size, 0);
  assert.equal(await admin("GET /_sim/files/p/q/f.txt"), "two");
  await want(404, `PUT ${ITEM}/none:/f:/content`, { body: "x" });
  await want(409, `PUT ${ROOT}:/p:/content`, { body: "x" });
  await want(413, `PUT ${ROOT}:/huge:/content`, { headers: { "content-length": String(251 * 1024 * 1024) } });
});

test("sim A28: fragments in order, aligned, with one total", async () => {
  const client = await testClient();
  const bytes = Buffer.from(Array.from({ length: 3 * UNIT + 5 }, (_, i) => (i * 7) & 255));
  const total = bytes.length;
  const url = await session(client, "big.bin");
  const part = (from: number, to: number) => ({ at: from, bytes: bytes.subarray(from, to), total });
  await fragment(client, 202, url, part(0, UNIT));
  const overlap = await fragment(client, 416, url, part(0, UNIT));
  assert.equal(overlap.json.error.innerError.code, "fragmentOverlap");
  assert.equal(
    (await fragment(client, 416, url, part(2 * UNIT, total))).json.error.innerError.code,
    "fragmentOutOfOrder",
  );
  await fragment(client, 400, url, { ...part(UNIT, total), total: total + 1 });
  await client.want(400, `PUT ${url}`, { body: bytes, headers: { "content-range": "bytes x" } });
  await client.want(400, `PUT ${url}`, {
    body: bytes.subarray(0, 10),
    headers: { "content-range": `bytes ${UNIT}-${total - 1}/${total}` },
  });
  const item = (await fragment(client, 201, url, part(UNIT, total))).json;
  assert.deepEqual([item.size, item.file.hashes.quickXorHash], [total, quickXorHash(bytes)]);
  await fragment(client, 404, url, part(0, UNIT));
  const small = await session(client, "small");
  await fragment(client, 202, small, { at: 0, bytes: Buffer.from("ab"), total: 8 });
  await fragment(client, 201, small, { at: 2, bytes: Buffer.from("cdefgh"), total: 8 });
  const crooked = await session(client, "crooked");
  const large = Buffer.alloc(11 * 1024 * 1024);
  await fragment(client, 202, crooked, { at: 0, bytes: large.subarray(0, 1000), total: large.length });
  await fragment(client, 400, crooked, { at: 1000, bytes: large.subarray(1000), total: large.length });
  const empty = await session(client, "empty");
  await client.want(400, `PUT ${empty}`, { headers: { "content-range": "bytes 0--1/0" } });
});

test("sim A29: a session tells its status and ends by DELETE, by idling and by age", async () => {
  const client = await testClient("business");
  const url = await session(client, "f");
  await fragment(client, 202, url, { at: 0, bytes: Buffer.alloc(UNIT), total: 2 * UNIT });
  assert.deepEqual((await client.want(200, `GET ${url}`)).json.nextExpectedRanges, [`${UNIT}-${2 * UNIT - 1}`]);
  await client.want(204, `DELETE ${url}`);
  await client.want(404, `GET ${url}`);
  const idle = await session(client, "f");
  client.clock.advance(16 * 60_000);
  await client.want(404, `GET ${idle}`);
  const old = await session(client, "f");
  for (let i = 0; i < 110; i++) {
    client.clock.advance(14 * 60_000);
    if (i < 100) await fragment(client, 202, old, { at: i * UNIT, bytes: Buffer.alloc(UNIT), total: 200 * UNIT });
  }
  assert.equal((await client.want(401, `GET ${old}`)).json.error.innerError.code, "expiredToken");
});

test("sim A29: a fragment that breaks off leaves no bytes", async () => {
  const client = await testClient();
  const url = await session(client, "f");
  const bytes = Buffer.alloc(UNIT, 1);
  await client.admin("POST /_sim/faults", {
    json: { kind: "cut", direction: "up", bytes: 1000, count: 1, route: "session.put" },
  });
  const range = `bytes 0-${UNIT - 1}/${UNIT}`;
  assert.equal(await client.ask(`PUT ${url}`, { body: bytes, headers: { "content-range": range } }), undefined);
  assert.deepEqual((await client.want(200, `GET ${url}`)).json.nextExpectedRanges, [`0-${UNIT - 1}`]);
  assert.equal(
    (await fragment(client, 201, url, { at: 0, bytes, total: UNIT })).json.file.hashes.quickXorHash,
    quickXorHash(bytes),
  );
});

test("sim A30: the commit judges conflict, tag and quota, and the session lives on", async () => {
  const client = await testClient();
  const { want, put, admin } = client;
  const one = { at: 0, bytes: Buffer.from("abc"), total: 3 };
  const times = { lastModifiedDateTime: "2019-01-02T03:04:05Z" };
  const late = await session(client, "f", {
    item: { "@microsoft.graph.conflictBehavior": "fail", name: "f", fileSystemInfo: times },
  });
  const file = await put("f", "there");
  await fragment(client, 409, late, one);
  const source = {
    "@microsoft.graph.sourceUrl": `http://sim.test${late}`,
    name: "g",
    "@microsoft.graph.conflictBehavior": "fail",
  };
  const saved = (await want(201, `PUT ${ROOT}`, { json: source })).json;
  assert.deepEqual(
    [saved.name, saved.size, saved.fileSystemInfo.lastModifiedDateTime],
    ["g", 3, times.lastModifiedDateTime],
  );
  await want(409, `POST ${ROOT}:/f:/createUploadSession`, { json: {} });
  await want(409, `POST ${ROOT}:/f:/createUploadSession`, { json: { "@microsoft.graph.conflictBehavior": "fail" } });
  const tagged = await session(
    client,
    "f",
    { item: { "@microsoft.graph.conflictBehavior": "replace" } },
    { "if-match": file.eTag },
  );
  await put("f", "changed");
  await fragment(client, 412, tagged, one);
  const byId = targetOf((await want(200, `POST ${ITEM}/${file.id}/createUploadSession`, { json: {} })).json.uploadUrl);
  assert.equal((await fragment(client, 200, byId, one)).json.id, file.id);
  await want(400, `POST ${ROOT}:/f:/createUploadSession`, { json: { item: { name: "other" } } });
  await admin("POST /_sim/quota", { json: { total: 10 } });
  const full = await session(client, "h");
  await fragment(client, 507, full, { at: 0, bytes: Buffer.from("too much"), total: 8 });
  await admin("POST /_sim/quota", { json: { total: 1000 } });
  await want(201, `PUT ${ROOT}`, { json: { "@microsoft.graph.sourceUrl": `http://sim.test${full}`, name: "h" } });
  const deferred = await session(client, "z", { deferCommit: true });
  await fragment(client, 202, deferred, one);
  await want(404, `GET ${ROOT}:/z`);
  await want(201, `POST ${deferred}`);
});

test("sim A31: an upload link refuses a token under the simulator's name and ignores it under Microsoft's", async () => {
  const client = await testClient();
  const url = await session(client, "f");
  const headers = { authorization: "Bearer x", "content-range": "bytes 0-2/3" };
  await client.want(401, `GET ${url}`, { headers: { authorization: "Bearer x" } });
  await client.want(401, `PUT ${url}`, { body: "abc", headers });
  await client.want(201, `PUT ${url}`, { body: "abc", headers, host: "my.microsoftpersonalcontent.com" });
});

test("sim A32: what exceeds the quota is 507 and changes nothing", async () => {
  const { want, admin, put } = await testClient();
  await admin("POST /_sim/quota", { json: { total: 10 } });
  await put("f", "12345");
  assert.equal((await want(507, `PUT ${ROOT}:/g:/content`, { body: "123456" })).json.error.code, "quotaLimitReached");
  await want(507, `PUT ${ROOT}:/f:/content`, { body: "12345678901" });
  await want(507, `POST ${ROOT}:/g:/createUploadSession`, { json: { item: { fileSize: 100 } } });
  assert.deepEqual((await admin("GET /_sim/tree")).map((row: Loose) => [row.path, row.size]), [["f", 5]]); // prettier-ignore
  const { quota } = (await want(200, "GET /v1.0/me/drive")).json;
  assert.deepEqual([quota.total, quota.used, quota.remaining, quota.state], [10, 5, 5, "normal"]);
});

test("sim A11: content is reached by a link that needs no token and expires", async () => {
  const { put, want, clock } = await testClient();
  const file = await put("f.txt", "hello");
  const link = targetOf((await want(302, `GET ${ITEM}/${file.id}/content`)).headers["location"] ?? "");
  assert.equal((await want(200, `GET ${link}`)).bytes.toString(), "hello");
  await want(200, `GET ${link}`, { headers: { authorization: "Bearer junk" } });
  await want(401, `GET ${link.replace(/tempauth=./, "tempauth=_")}`);
  const selected = (await want(200, `GET ${ITEM}/${file.id}?select=id,@microsoft.graph.downloadUrl`)).json;
  assert.deepEqual(Object.keys(selected), ["id", "@microsoft.graph.downloadUrl"]);
  clock.advance(3_601_000);
  await want(401, `GET ${link}`);
});

test("sim A12: ranges are clipped, and refused behind the end", async () => {
  const { put, want } = await testClient();
  const file = await put("f", "0123456789");
  const link = targetOf(file["@microsoft.graph.downloadUrl"]);
  const ask = async (range: string, status = 206): Promise<[string, string | undefined]> => {
    const reply = await want(status, `GET ${link}`, { headers: { range } });
    return [reply.bytes.toString(), reply.headers["content-range"]];
  };
  assert.deepEqual(await ask("bytes=2-4"), ["234", "bytes 2-4/10"]);
  assert.deepEqual(await ask("bytes=8-100"), ["89", "bytes 8-9/10"]);
  assert.deepEqual(await ask("bytes=7-"), ["789", "bytes 7-9/10"]);
  assert.deepEqual(await ask("bytes=-3"), ["789", "bytes 7-9/10"]);
  assert.deepEqual(await ask("bytes=0-0,5-6", 200), ["0123456789", undefined]);
  assert.deepEqual(await ask("bytes=10-", 416), ["", "bytes */10"]);
});
