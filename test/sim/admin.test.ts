/** The admin API: the cloud seen and changed from outside. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodePath, targetOf, testClient, type Loose } from "./client.ts";

test("tree, files, mkdir and move, as another device", async () => {
  const { admin, want, put } = await testClient();
  const made = await admin(`PUT /_sim/files/${encodePath("a b/ü#/f.txt")}`, { body: "one" });
  assert.deepEqual(Object.keys(made).sort(), [
    "cTag",
    "createdBy",
    "eTag",
    "folder",
    "id",
    "mtime",
    "path",
    "quickXorHash",
    "size",
  ]);
  const again = await admin(`PUT /_sim/files/${encodePath("A B/ü#/F.TXT")}`, { body: "two" });
  assert.deepEqual([again.id, again.path], [made.id, "a b/ü#/f.txt"]);
  await admin("POST /_sim/mkdir", { json: { path: "x/y/z" } });
  const moved = await admin("POST /_sim/move", { json: { from: "a b/ü#/f.txt", to: "x/new/g.txt" } });
  assert.deepEqual([moved.id, moved.path], [made.id, "x/new/g.txt"]);
  await put("mine", "1");
  const tree: Loose[] = await admin("GET /_sim/tree");
  assert.deepEqual(tree.map((row): string => row.path).sort(), [
    "a b",
    "a b/ü#",
    "mine",
    "x",
    "x/new",
    "x/new/g.txt",
    "x/y",
    "x/y/z",
  ]);
  assert.equal(await admin("GET /_sim/files/x/new/g.txt"), "two");
  await admin("DELETE /_sim/files/x/new/g.txt");
  await want(404, "GET /_sim/files/x/new/g.txt");
  await want(404, "DELETE /_sim/files/x/new/g.txt");
  await want(409, "POST /_sim/mkdir", { json: { path: "mine" } });
});

test("PUT and DELETE honour If-Match and If-None-Match", async () => {
  const { admin, want } = await testClient();
  const one = await admin("PUT /_sim/files/f", { body: "1", headers: { "if-none-match": "*" } });
  await want(412, "PUT /_sim/files/f", { body: "2", headers: { "if-none-match": "*" } });
  const two = await admin("PUT /_sim/files/f", { body: "22", headers: { "if-match": one.eTag } });
  await want(412, "PUT /_sim/files/f", { body: "3", headers: { "if-match": one.eTag } });
  await want(412, "DELETE /_sim/files/f", { headers: { "if-match": one.eTag } });
  assert.equal(await admin("GET /_sim/files/f"), 22);
  await admin("DELETE /_sim/files/f", { headers: { "if-match": two.eTag } });
});

test("the request log has a row per request, without the admin's own", async () => {
  const { admin, want, put } = await testClient();
  await admin("DELETE /_sim/requests");
  const file = await put("d/f", "hello");
  await want(412, `DELETE /v1.0/me/drive/items/${file.id}`, { headers: { "if-match": '"old"' } });
  await want(416, `GET ${targetOf(file["@microsoft.graph.downloadUrl"])}`, { headers: { range: "bytes=9-" } });
  const [put1, del, get] = (await admin("GET /_sim/requests")) as Loose[];
  assert.deepEqual(Object.keys(put1).sort(), [
    "at",
    "bytes",
    "ifMatch",
    "itemId",
    "method",
    "path",
    "range",
    "received",
    "status",
  ]);
  assert.deepEqual(
    [put1.method, put1.path, put1.status, put1.received, put1.itemId],
    ["PUT", "/v1.0/me/drive/root:/d/f:/content", 201, 5, file.id],
  );
  assert.deepEqual([del.method, del.status, del.ifMatch, del.itemId], ["DELETE", 412, '"old"', file.id]);
  assert.deepEqual([get.status, get.range, get.itemId], [416, "bytes=9-", file.id]);
});

test("what the admin API does not have is refused by name", async () => {
  const { want } = await testClient();
  assert.match((await want(501, "GET /_sim/nonsense")).json.error.message, /\/_sim\/nonsense/);
  await want(400, "POST /_sim/clock", { json: { advance: "1" } });
  await want(400, "POST /_sim/network", { json: {} });
  await want(400, "POST /_sim/faults", { json: { kind: "sharks" } });
  await want(400, "POST /_sim/faults", { json: { kind: "status", typo: 1 } });
  await want(400, "PUT /_sim/files/a%2", { body: "" });
});

test("with the network down every request but the admin's is lost", async () => {
  const { admin, ask, want } = await testClient();
  await admin("POST /_sim/network", { json: { up: false } });
  assert.equal(await ask("GET /v1.0/me/drive"), undefined);
  await admin("GET /_sim/tree");
  await admin("POST /_sim/network", { json: { up: true } });
  await want(200, "GET /v1.0/me/drive");
});
