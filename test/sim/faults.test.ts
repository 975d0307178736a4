/** The fault engine: every kind strikes what it should, as often as it should, and does what it says. */
import assert from "node:assert/strict";
import * as fs from "node:fs";
import { test } from "node:test";
import { kinds } from "../../src/sim/fault-kinds.ts";
import { targetOf, testClient, type Client, type Loose } from "./client.ts";

const ITEM = "/v1.0/me/drive/items";
const ROOT = "/v1.0/me/drive/root";
const DELTA = `${ROOT}/delta`;

const fault = (client: Client, json: Loose): Promise<Loose> => client.admin("POST /_sim/faults", { json });

test("status codes, with and without Retry-After, before and after the work", async () => {
  const client = await testClient();
  await fault(client, { kind: "status", status: 503, retryAfter: 2.5, count: 1 });
  assert.equal((await client.want(503, `GET ${ROOT}`)).headers["retry-after"], "2.5");
  await client.want(200, `GET ${ROOT}`);
  await fault(client, { kind: 429, count: 1 });
  assert.equal((await client.want(429, `GET ${ROOT}`)).headers["retry-after"], undefined);
  await fault(client, { kind: "504", count: 1, route: "PUT" });
  await client.want(504, `PUT ${ROOT}:/a:/content`, { body: "1" });
  await client.want(404, `GET ${ROOT}:/a`);
  await fault(client, { kind: "500", when: "after", count: 1, body: "html", route: "PUT" });
  await client.want(500, `PUT ${ROOT}:/a:/content`, { body: "1" });
  await client.want(200, `GET ${ROOT}:/a`);
});

test("answers lost before and after the work", async () => {
  const client = await testClient();
  await fault(client, { kind: "lost-before", count: 1 });
  assert.equal(await client.ask(`PUT ${ROOT}:/a:/content`, { body: "1" }), undefined);
  await client.want(404, `GET ${ROOT}:/a`);
  await fault(client, { kind: "lost", when: "after", count: 1 });
  assert.equal(await client.ask(`PUT ${ROOT}:/a:/content`, { body: "1" }), undefined);
  await client.want(200, `GET ${ROOT}:/a`);
  const rows = await client.admin("GET /_sim/requests");
  assert.deepEqual(
    rows.map((row: Loose) => row.status),
    [0, 404, 0, 200],
  );
});

test("bodies cut both ways, and empty successes", async () => {
  const client = await testClient();
  await fault(client, { kind: "cut", direction: "up", bytes: 2, count: 1, route: "content.put" });
  assert.equal(await client.ask(`PUT ${ROOT}:/a:/content`, { body: "12345" }), undefined);
  await client.want(404, `GET ${ROOT}:/a`);
  const file = await client.put("a", "12345");
  await fault(client, { kind: "cut", bytes: 2, count: 1, route: "download" });
  const part = await client.want(200, `GET ${targetOf(file["@microsoft.graph.downloadUrl"])}`);
  assert.deepEqual([part.bytes.toString(), part.cut], ["12", true]);
  await fault(client, { kind: "empty", count: 1 });
  assert.equal((await client.want(201, `POST ${ROOT}/children`, { json: { name: "d", folder: {} } })).bytes.length, 0);
  await client.want(200, `GET ${ROOT}:/d`);
});

test("404 for what is there: by id, by path, parent, session", async () => {
  const client = await testClient();
  const file = await client.put("a", "1");
  const only = async (by: string, hit: string[], miss: string[]): Promise<void> => {
    await client.admin("DELETE /_sim/faults");
    await fault(client, { kind: "not-found", by });
    for (const line of hit) await client.want(404, line, { json: { name: "d", folder: {} } });
    for (const line of miss)
      assert.ok((await client.ask(line, { json: { name: "e", folder: {} } }))!.status < 400, `${by}: ${line}`);
  };
  await only("id", [`GET ${ITEM}/${file.id}`], [`GET ${ROOT}:/a`, `GET ${DELTA}`]);
  await only("path", [`GET ${ROOT}:/a`], [`GET ${ITEM}/${file.id}`]);
  await only("parent", [`POST ${ROOT}/children`, `POST ${ROOT}:/x:/createUploadSession`], [`GET ${ROOT}/children`]);
  await client.admin("DELETE /_sim/faults");
  const url = targetOf((await client.want(200, `POST ${ROOT}:/y:/createUploadSession`, { json: {} })).json.uploadUrl);
  await only("session", [`GET ${url}`], [`GET ${ROOT}:/a`]);
});

test("tokens and links that expire early, 412, 423 for a while, a young item, a read-only share", async () => {
  const client = await testClient();
  const file = await client.put("a", "1");
  const once = (json: Loose): Promise<Loose> => fault(client, { count: 1, ...json });
  await once({ kind: "token-expired" });
  assert.equal((await client.want(401, `GET ${ROOT}`)).json.error.code, "InvalidAuthenticationToken");
  await once({ kind: "url-expired" });
  await client.want(401, `GET ${targetOf(file["@microsoft.graph.downloadUrl"])}`);
  await once({ kind: "precondition" });
  await client.want(412, `PATCH ${ITEM}/${file.id}`, { json: { name: "b" }, headers: { "if-match": file.eTag } });
  await fault(client, { kind: "locked", seconds: 30, item: "a" });
  for (let i = 0; i < 2; i++) await client.want(423, `PATCH ${ITEM}/${file.id}`, { json: { name: "b" } });
  await client.want(200, `GET ${ITEM}/${file.id}`);
  client.clock.advance(31_000);
  await client.want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "b" } });
  await client.admin("DELETE /_sim/faults");
  await fault(client, { kind: "young-item" });
  await client.want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "c" } });
  const young = await client.mkdir("y");
  assert.equal(
    (await client.want(409, `PATCH ${ITEM}/${young.id}`, { json: { name: "z" } })).json.error.code,
    "resourceModified",
  );
  await client.admin("DELETE /_sim/faults");
  await fault(client, { kind: "read-only" });
  await client.want(404, `PUT ${ROOT}:/x:/content`, { body: "1" });
  await client.want(403, `POST ${ROOT}:/x:/createUploadSession`, { json: {} });
  await client.want(200, `GET ${ROOT}/children`);
});

test("quota at a fragment, part of a fragment kept, silent success", async () => {
  const client = await testClient();
  const url = targetOf((await client.want(200, `POST ${ROOT}:/f:/createUploadSession`, { json: {} })).json.uploadUrl);
  const unit = 327_680;
  const put = (first: number, last: number): Promise<Loose> =>
    client.ask(`PUT ${url}`, {
      body: Buffer.alloc(last - first + 1, 5),
      headers: { "content-range": `bytes ${first}-${last}/${2 * unit}` },
    });
  await fault(client, { kind: "quota", count: 1 });
  assert.equal((await put(0, unit - 1)).status, 507);
  await fault(client, { kind: "mid-fragment", bytes: 1000, count: 1 });
  assert.deepEqual((await put(0, unit - 1)).json.nextExpectedRanges, [`1000-${2 * unit - 1}`]);
  await fault(client, { kind: "silent-success", count: 1 });
  assert.equal(await put(1000, 1000 + unit - 1), undefined);
  assert.equal((await put(1000, 1000 + unit - 1)).status, 416);
  assert.equal((await put(1000 + unit, 2 * unit - 1)).status, 201);
});

test("the service changes an upload by itself: eTag, content", async () => {
  const client = await testClient();
  await fault(client, { kind: "etag-bump", seconds: 5, count: 1 });
  const file = await client.put("a", "1");
  assert.equal((await client.want(200, `GET ${ITEM}/${file.id}`)).json.eTag, file.eTag);
  client.clock.advance(6000);
  const bumped = (await client.want(200, `GET ${ITEM}/${file.id}`)).json;
  assert.notEqual(bumped.eTag, file.eTag);
  assert.equal(bumped.cTag, file.cTag);
  await fault(client, { kind: "rewrite", count: 1 });
  const doc = await client.put("b.docx", "text");
  const now = (await client.want(200, `GET ${ITEM}/${doc.id}`)).json;
  assert.ok(now.size > doc.size && now.file.hashes.quickXorHash !== doc.file.hashes.quickXorHash);
  assert.match(await client.admin("GET /_sim/files/b.docx"), /^text\n<!-- marked/);
});

test("copies that fail, take long, or are called done too early", async () => {
  const client = await testClient();
  const file = await client.put("a", "1");
  const copy = async (name: string): Promise<string> =>
    targetOf((await client.want(202, `POST ${ITEM}/${file.id}/copy`, { json: { name } })).headers["location"] ?? "");
  await fault(client, { kind: "copy-fail", count: 1 });
  assert.equal((await client.want(200, `GET ${await copy("b")}`)).json.status, "failed");
  await fault(client, { kind: "copy-slow", seconds: 10, count: 1 });
  const slow = await copy("c");
  assert.equal((await client.want(202, `GET ${slow}`)).json.status, "inProgress");
  client.clock.advance(11_000);
  assert.equal((await client.want(200, `GET ${slow}`)).json.status, "completed");
  await fault(client, { kind: "copy-early", seconds: 10, count: 1 });
  assert.equal((await client.want(200, `GET ${await copy("d")}`)).json.status, "completed");
  await client.want(404, `GET ${ROOT}:/d`);
  client.clock.advance(11_000);
  await client.want(200, `GET ${ROOT}:/d`);
});

test("delta that lags, resyncs, doubles, reorders, forgets", async () => {
  const client = await testClient();
  await client.put("d/old", "1");
  const start = await client.delta();
  client.clock.advance(60_000);
  const file = await client.put("d/new", "1");
  await client.want(204, `DELETE ${ITEM}/${(await client.want(200, `GET ${ROOT}:/d/old`)).json.id}`);
  const round = async (json: Loose): Promise<Loose[]> => {
    await client.admin("DELETE /_sim/faults");
    await fault(client, json);
    return (await client.delta(start.link)).items;
  };
  const names = (items: Loose[]): string[] => items.map((item) => item.name);
  assert.deepEqual(names(await round({ kind: "delta-lag", seconds: 30 })), []);
  assert.equal((await round({ kind: "delta-duplicate" })).length, 6);
  assert.deepEqual(names(await round({ kind: "delta-child-first" })), ["old", "new", "d", "root"]);
  assert.deepEqual(names(await round({ kind: "delta-create-first" })), ["root", "d", "new", "old"]);
  assert.deepEqual(names(await round({ kind: "lost-tombstone" })), ["root", "d", "new"]);
  assert.deepEqual(names(await round({ kind: "delta-shuffle", seed: 4 })).sort(), ["d", "new", "old", "root"]);
  assert.equal(
    (await round({ kind: "missing-field", fields: ["file.hashes", "fileSystemInfo"] })).at(2).fileSystemInfo,
    undefined,
  );
  assert.match((await round({ kind: "drive-id" }))[0].parentReference.driveId, /^[1-9A-F][0-9A-F]*$/);
  assert.deepEqual(names(await round({ kind: "delta-unknown-parent" })), ["root", "new", "old"]);
  await client.admin("DELETE /_sim/faults");
  await fault(client, { kind: "resync", code: "resyncChangesUploadDifferences", count: 1 });
  const gone = await client.want(410, `GET ${targetOf(start.link)}`);
  assert.equal(gone.json.error.code, "resyncChangesUploadDifferences");
  assert.ok(gone.headers["location"]);
  await fault(client, { kind: "resync-mid-paging" });
  const first = (await client.want(200, `GET ${DELTA}?$top=1`)).json;
  await client.want(410, `GET ${targetOf(first["@odata.nextLink"])}`);
  await client.admin("DELETE /_sim/faults");
  await fault(client, { kind: "encoded-name", count: 1 });
  await client.want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "a b" } });
  assert.equal((await client.want(200, `GET ${ITEM}/${file.id}`)).json.name, "a%20b");
});

test("a stale entry is told rightly in the next round", async () => {
  const client = await testClient();
  const file = await client.put("a", "1");
  await fault(client, { kind: "delta-stale", count: 1 });
  const { link } = await client.delta(`${DELTA}?token=latest`);
  await client.want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "b" } });
  await client.want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "c" } });
  await client.admin("DELETE /_sim/faults");
  await fault(client, { kind: "delta-stale", count: 1 });
  await client.want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "d" } });
  await client.want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "e" } });
  const one = await client.delta(link);
  assert.equal(one.items.at(-1).name, "d");
  assert.equal((await client.delta(one.link)).items.at(-1).name, "e");
});

test("clock skew shows in the Date header; short pages are shorter", async () => {
  const client = await testClient();
  await fault(client, { kind: "clock-skew", seconds: 7200, count: 1 });
  const { headers } = await client.want(200, `GET ${ROOT}`);
  assert.equal(Date.parse(headers["date"] ?? ""), client.clock.now() + 7_200_000);
  for (let i = 0; i < 5; i++) await client.put(`f${i}`, "");
  await fault(client, { kind: "short-page" });
  const page = (await client.want(200, `GET ${ROOT}/children?$top=3`)).json;
  assert.equal(page.value.length, 1);
  assert.ok(page["@odata.nextLink"]);
});

test("faults strike by route, item, count, and the same for the same seed", async () => {
  const client = await testClient();
  const file = await client.put("d/a", "1");
  await fault(client, { kind: "503", item: "d/a" });
  await client.want(503, `GET ${ITEM}/${file.id}`);
  await client.want(503, `PUT ${ROOT}:/D/A:/content`, { body: "2" });
  await client.want(200, `GET ${ROOT}:/d`);
  await client.admin("DELETE /_sim/faults");
  await fault(client, { kind: "503", item: "new" });
  await client.want(503, `POST ${ROOT}/children`, { json: { name: "new", folder: {} } });
  for (const route of ["delta", "GET delta", "graph", "GET", "/v1.0/me/drive/*/delta", "root/delta"]) {
    await client.admin("DELETE /_sim/faults");
    await fault(client, { kind: "503", route });
    await client.want(503, `GET ${DELTA}`);
  }
  await client.admin("DELETE /_sim/faults");
  const pattern = async (): Promise<string> => {
    await fault(client, { kind: "503", probability: 0.5, seed: 11 });
    let seen = "";
    for (let i = 0; i < 40; i++) seen += (await client.ask(`GET ${ROOT}`))!.status === 503 ? "x" : ".";
    await client.admin("DELETE /_sim/faults");
    return seen;
  };
  const seen = await pattern();
  assert.equal(await pattern(), seen);
  assert.match(seen, /x.*\..*x/);
  await fault(client, { kind: "503", route: "token", count: 1 });
  await client.want(503, "POST /common/oauth2/v2.0/token", { body: "grant_type=refresh_token" });
  assert.equal((await client.admin("GET /_sim/faults"))[0].hits, 1);
});

test("every kind can be asked for by its name, and stands in SPEC.md", async () => {
  const client = await testClient();
  const spec = fs.readFileSync(new URL("../../src/sim/SPEC.md", import.meta.url), "utf8");
  const listed = [...spec.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap((row) =>
    [...row[1]!.matchAll(/`([^`]+)`/g)].map((name) => name[1]!),
  );
  assert.deepEqual(listed.toSorted(), Object.keys(kinds).toSorted());
  for (const kind of Object.keys(kinds)) assert.equal((await fault(client, { kind })).kind, kind);
});
