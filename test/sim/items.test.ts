/** Items as they are read: tags, names, addresses, sizes, pages, and the odd ones. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProfileName } from "../../src/sim/profile.ts";
import { encodePath, targetOf, testClient, type Loose } from "./client.ts";

const ITEM = "/v1.0/me/drive/items";
const ROOT = "/v1.0/me/drive/root";

for (const profile of ["personal", "personal-old", "business", "sharepoint"] satisfies ProfileName[]) {
  test(`sim A3: tags move with the right changes (${profile})`, async () => {
    const { put, mkdir, want, clock } = await testClient(profile);
    const folder = await mkdir("d");
    const file = await put("d/a.txt", "one");
    const renamed = (await want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "b.txt" } })).json;
    assert.notEqual(renamed.eTag, file.eTag);
    assert.equal(renamed.cTag, file.cTag);
    clock.advance(2000);
    const written = (await want(200, `PUT ${ITEM}/${file.id}/content`, { body: "two" })).json;
    assert.notEqual(written.eTag, renamed.eTag);
    assert.notEqual(written.cTag, renamed.cTag);
    assert.equal(written.id, file.id);
    const after = (await want(200, `GET ${ITEM}/${folder.id}`)).json;
    assert.equal(after.eTag, folder.eTag);
    assert.equal("cTag" in after, profile === "personal-old");
    if (profile === "personal-old") assert.notEqual(after.cTag, folder.cTag);
  });
}

test("sim A4: If-Match takes eTag, cTag and star; a mismatch is 412 and changes nothing", async () => {
  const { put, want } = await testClient();
  let file = await put("a.txt", "one");
  for (const tag of ["eTag", "cTag"] as const) {
    file = (await want(200, `PUT ${ITEM}/${file.id}/content`, { body: tag, headers: { "if-match": file[tag] } })).json;
  }
  await want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "b.txt" }, headers: { "if-match": "*" } });
  for (const line of [`PUT ${ITEM}/${file.id}/content`, `PATCH ${ITEM}/${file.id}`, `DELETE ${ITEM}/${file.id}`]) {
    assert.equal(
      (await want(412, line, { json: { name: "x" }, headers: { "if-match": file.eTag } })).json.error.code,
      "resourceModified",
    );
  }
  const now = (await want(200, `GET ${ITEM}/${file.id}`)).json;
  assert.deepEqual([now.name, now.size], ["b.txt", 4]);
  await want(304, `GET ${ITEM}/${file.id}`, { headers: { "if-none-match": now.eTag } });
  await want(304, `GET ${ITEM}/${file.id}/content`, { headers: { "if-none-match": now.cTag } });
  await want(412, `PUT ${ROOT}:/b.txt:/content`, { body: "x", headers: { "if-none-match": "*" } });
  await want(201, `PUT ${ROOT}:/c.txt:/content`, { body: "x", headers: { "if-none-match": "*" } });
  await want(412, `PUT ${ROOT}:/none.txt:/content`, { body: "x", headers: { "if-match": "*" } });
});

test("sim A5: empty files have a hash on personal drives only", async () => {
  assert.equal((await (await testClient()).put("e", "")).file.hashes.quickXorHash, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  assert.equal((await (await testClient("business")).put("e", "")).file.hashes, undefined);
});

test("sim A6: names that the service takes for the same collide, and keep their form", async () => {
  const { put, want } = await testClient();
  const file = await put("Caf\u00e9 \u00c6.txt", "1");
  for (const same of ["caf\u00e9 \u00e6.TXT", "Cafe\u0301 AE.txt"]) {
    assert.equal((await put(same, "2")).id, file.id);
    await want(409, `PUT ${ROOT}:/${encodePath(same)}:/content?@microsoft.graph.conflictBehavior=fail`, { body: "3" });
  }
  assert.equal((await want(200, `GET ${ITEM}/${file.id}`)).json.name, "Caf\u00e9 \u00c6.txt");
  assert.equal(
    (await want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "CAFE\u0301 \u00c6.txt" } })).json.name,
    "CAFE\u0301 \u00c6.txt",
  );
});

test("sim A7: forbidden names and long paths are refused", async () => {
  const { mkdir, want } = await testClient();
  const bad = [
    "a:b",
    "a?b",
    'a"b',
    "a|b",
    "a\\b",
    "a\nb",
    " a",
    "a ",
    "a.",
    "CON",
    "lpt1",
    ".lock",
    "desktop.ini",
    "x_vti_y",
    "~$a",
    "n".repeat(256),
  ];
  for (const name of bad) await want(400, `POST ${ROOT}/children`, { json: { name, folder: {} } });
  const good = ["a#b", "a%b", "console", ".a", "a..b", "~a", "n".repeat(255)];
  for (const name of good) await mkdir(name);
  const deep = await mkdir("d".repeat(200));
  await mkdir("e".repeat(190), deep.id);
  await want(400, `POST ${ITEM}/${deep.id}/children`, { json: { name: "f".repeat(200), folder: {} } });
  const top = await mkdir("t".repeat(20));
  const refused = await want(400, `PATCH ${ITEM}/${deep.id}`, { json: { parentReference: { id: top.id } } });
  assert.equal(refused.json.error.innerError.code, "pathIsTooLong");
  const business = await testClient("business");
  await business.want(400, `POST ${ROOT}/children`, { json: { name: "Forms", folder: {} } });
  await business.want(400, `POST ${ROOT}/children`, { json: { name: "~x", folder: {} } });
});

test("sim A8: every spelling of an address reaches the item", async () => {
  const { put, want, sim } = await testClient();
  const file = await put("A B/n.txt", "x");
  const parent = (await want(200, `GET ${ROOT}:/a%20b`)).json;
  const drive = sim.world.main.ids.driveId;
  const spellings = [
    `${ITEM}/${file.id}`,
    `${ITEM}/${encodeURIComponent(file.id)}`,
    `${ITEM}/${file.id}/`,
    `/v1.0/drives/${drive}/items/${file.id}?select=id,size`,
    `/v1.0/drives/${encodeURIComponent(drive)}/root:/A%20B/n.txt`,
    `${ROOT}:/A%20B/n.txt:`,
    `${ROOT}:/A%20B/n.txt:/`,
    `${ROOT}:%2FA%20B%2Fn.txt`,
    `${ROOT}:%2FA%20B%2Fn.txt:/`,
    `${ROOT}%3A/A%20B/n.txt`,
    `${ROOT}:/.%2FA%20B/./n.txt`,
    `${ROOT}:/A%20B//n.txt`,
    `${ITEM}/root:/A%20B/n.txt`,
    `${ITEM}/${parent.id}:/n.txt:`,
    `${ITEM}/${parent.id}:/N.TXT`,
    `${ITEM}/${encodeURIComponent(parent.id)}:/n.txt:/`,
    `/v1.0/drive/root:/A%20B/n.txt`,
  ];
  for (const each of spellings) assert.equal((await want(200, `GET ${each}`)).json.id, file.id, each);
  for (const each of [`${ROOT}:/`, `${ROOT}:`, `${ROOT}/`, `${ITEM}/root`]) {
    assert.ok("root" in (await want(200, `GET ${each}`)).json, each);
  }
  assert.deepEqual(Object.keys((await want(200, `GET /v1.0/drives/${drive}/?select=id`)).json), ["id"]);
  assert.equal((await want(302, `GET ${ROOT}:%2FA%20B%2Fn.txt:/content`)).bytes.length, 0);
  assert.equal((await want(200, `GET ${ROOT}:/A%20B:/children`)).json.value[0].id, file.id);
  await want(400, `GET ${ROOT}:/a/../b`);
  await want(400, `GET ${ROOT}:/%E0%A4%A`);
  await want(404, `GET ${ROOT}:/A%20B/none`);
});

test("sim A9: sizes, counts and parents are those of the moment", async () => {
  const { put, mkdir, want, admin } = await testClient();
  const a = await mkdir("a");
  await put("a/b/one", "12345");
  const two = await put("a/two", "123");
  const read = async (id: string): Promise<Loose> => (await want(200, `GET ${ITEM}/${id}`)).json;
  assert.deepEqual([(await read(a.id)).size, (await read(a.id)).folder.childCount], [8, 2]);
  await want(200, `PATCH ${ITEM}/${two.id}`, { json: { parentReference: { id: (await mkdir("c")).id } } });
  assert.equal((await read(a.id)).size, 5);
  const moved = await read(two.id);
  assert.deepEqual([moved.parentReference.name, moved.parentReference.path.endsWith("/root:/c")], ["c", true]);
  await want(204, `DELETE ${ITEM}/${a.id}`);
  assert.equal((await read("root")).size, 3);
  assert.equal((await want(200, "GET /v1.0/me/drive")).json.quota.used, 3);
  assert.deepEqual((await admin("GET /_sim/tree")).map((row: Loose) => row.path).sort(), ["c", "c/two"]);
});

test("sim A10: children come in pages whose links keep the options", async () => {
  const { put, want } = await testClient();
  for (let i = 0; i < 7; i++) await put(`f${6 - i}`, "x".repeat(i + 1));
  const names: string[] = [];
  let next: string | undefined = `${ROOT}/children?$top=3&select=name&$orderby=name`;
  let pages = 0;
  while (next !== undefined) {
    const page: Loose = (await want(200, `GET ${targetOf(next)}`)).json;
    pages++;
    for (const item of page.value) {
      assert.deepEqual(Object.keys(item), ["name"]);
      names.push(item.name);
    }
    next = page["@odata.nextLink"];
  }
  assert.deepEqual([pages, names], [3, ["f0", "f1", "f2", "f3", "f4", "f5", "f6"]]);
  const bySize = (await want(200, `GET ${ROOT}/children?$orderby=size%20desc`)).json.value;
  assert.equal(bySize[0].size, 7);
  const expanded = (await want(200, `GET ${ROOT}?$expand=children($select=name)`)).json;
  assert.equal(expanded.children.length, 7);
  assert.deepEqual(Object.keys(expanded.children[0]), ["name"]);
  await want(400, `GET ${ROOT}/children?$top=0`);
  await want(400, `GET ${ROOT}/children?$skiptoken=junk`);
  await want(501, `GET ${ROOT}?$expand=thumbnails`);
  const found = (await want(200, `GET ${ROOT}/search(q='F3')`)).json.value;
  assert.deepEqual(
    found.map((item: Loose) => item.name),
    ["f3"],
  );
});

test("odd items: notebook, malware, a link to another drive", async () => {
  const { admin, want, sim } = await testClient();
  await admin("POST /_sim/add", { json: { kind: "package", name: "Notes" } });
  const { id } = await admin("POST /_sim/add", { json: { kind: "malware", name: "bad.exe", text: "boo" } });
  await admin("POST /_sim/add", { json: { kind: "remote-folder", name: "Shared" } });
  const items: Loose[] = (await want(200, `GET ${ROOT}/children`)).json.value;
  const [notes, bad, shared] = ["Notes", "bad.exe", "Shared"].map((name) => items.find((item) => item.name === name));
  assert.deepEqual([notes.package.type, notes.folder, notes.file], ["oneNote", undefined, undefined]);
  assert.equal(bad["@microsoft.graph.downloadUrl"], undefined);
  assert.equal((await want(403, `GET ${ITEM}/${id}/content`)).headers["x-virus-infected"], "EICAR_Test_File");
  const { driveId } = shared.remoteItem.parentReference;
  assert.equal(driveId, sim.world.drives[1]?.ids.driveId);
  assert.equal(shared.folder, undefined);
  await want(201, `PUT /v1.0/drives/${driveId}/items/${shared.remoteItem.id}:/in.txt:/content`, { body: "x" });
  assert.equal(
    (await want(200, `GET /v1.0/drives/${driveId}/items/${shared.remoteItem.id}/children`)).json.value.length,
    1,
  );
  await want(409, `PUT ${ROOT}:/Notes:/content`, { body: "x" });
});

test("special folders come into being when asked for", async () => {
  const { want } = await testClient();
  const made = (await want(200, "GET /v1.0/me/drive/special/documents")).json;
  assert.deepEqual([made.name, made.specialFolder.name], ["Documents", "documents"]);
  await want(201, "PUT /v1.0/me/drive/special/approot:/s.json:/content", { body: "{}" });
  await want(200, `GET ${ROOT}:/Apps/mount.onedrive/s.json`);
  await want(404, "GET /v1.0/me/drive/special/nonsense");
});
