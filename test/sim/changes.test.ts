/** Items as they are changed: create, rename, move, delete, restore, copy, versions; and what stands around every call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { targetOf, testClient, type Loose } from "./client.ts";

const ITEM = "/v1.0/me/drive/items";
const ROOT = "/v1.0/me/drive/root";

test("sim A20: creating a folder: fail by default, rename, replace", async () => {
  const { mkdir, put, want } = await testClient();
  const first = await mkdir("d");
  const taken = await want(409, `POST ${ROOT}/children`, { json: { name: "D", folder: {} } });
  assert.equal(taken.json.error.code, "nameAlreadyExists");
  const create = (status: number, name: string, conflict: string) =>
    want(status, `POST ${ROOT}/children`, {
      json: { name, folder: {}, "@microsoft.graph.conflictBehavior": conflict },
    });
  assert.equal((await create(201, "d", "rename")).json.name, "d 1");
  assert.equal((await create(200, "d", "replace")).json.id, first.id);
  await put("f.txt", "x");
  await create(409, "f.txt", "replace");
  assert.equal((await create(201, "f.txt", "rename")).json.name, "f 1.txt");
  await create(400, "g", "sometimes");
});

test("sim A21: PATCH renames and moves in one step, and clashes as the service does", async () => {
  const { mkdir, put, want, clock, delta } = await testClient();
  const [d, e] = [await mkdir("d"), await mkdir("e")];
  const file = await put("d/a", "1");
  const other = await put("e/b", "22");
  const body = { name: "B", parentReference: { id: e.id } };
  await want(409, `PATCH ${ITEM}/${file.id}`, { json: body });
  await want(409, `PATCH ${ITEM}/${d.id}`, { json: { name: "e", "@microsoft.graph.conflictBehavior": "replace" } });
  const { link } = await delta();
  clock.advance(5000);
  const times = { fileSystemInfo: { lastModifiedDateTime: "2020-02-03T04:05:06.789Z" } };
  const moved = (
    await want(200, `PATCH ${ITEM}/${file.id}`, {
      json: { ...body, ...times, "@microsoft.graph.conflictBehavior": "replace" },
    })
  ).json;
  assert.deepEqual([moved.id, moved.name, moved.parentReference.id], [file.id, "B", e.id]);
  assert.equal(moved.fileSystemInfo.lastModifiedDateTime, "2020-02-03T04:05:06Z");
  await want(404, `GET ${ITEM}/${other.id}`);
  const round = (await delta(link)).items;
  assert.ok(round.some((item) => item.id === other.id && item.deleted));
  await want(400, `PATCH ${ITEM}/${d.id}`, { json: { parentReference: { id: (await mkdir("below", d.id)).id } } });
  const again = (await want(200, `PATCH ${ITEM}/${file.id}`, { json: { name: "c" } })).json;
  assert.notEqual(again.fileSystemInfo.lastModifiedDateTime, moved.fileSystemInfo.lastModifiedDateTime);
  await want(404, `PATCH ${ITEM}/${file.id}`, { json: { parentReference: { id: "root" } } });
});

test("sim A22: DELETE takes all below; a second one is 404", async () => {
  const { mkdir, put, want } = await testClient();
  const d = await mkdir("d");
  const file = await put("d/a", "1");
  await want(204, `DELETE ${ITEM}/${d.id}`);
  await want(404, `DELETE ${ITEM}/${d.id}`);
  await want(404, `GET ${ITEM}/${file.id}`);
  await want(400, `DELETE ${ITEM}/root`);
  assert.notEqual((await mkdir("d")).id, d.id);
});

test("sim A23: restore brings back what went together; permanentDelete is for the others", async () => {
  const { mkdir, put, want, delta } = await testClient();
  const d = await mkdir("d");
  const [a, b] = [await put("d/a", "1"), await put("d/b", "2")];
  await want(204, `DELETE ${ITEM}/${a.id}`);
  await want(204, `DELETE ${ITEM}/${d.id}`);
  const { link } = await delta();
  await want(200, `POST ${ITEM}/${d.id}/restore`, { json: {} });
  await want(200, `GET ${ITEM}/${b.id}`);
  await want(404, `GET ${ITEM}/${a.id}`);
  assert.deepEqual((await delta(link)).items.map((item): string => item.name).sort(), ["b", "d", "root"]);
  await want(405, `POST ${ITEM}/${d.id}/permanentDelete`);
  const business = await testClient("business");
  const file = await business.put("f", "1");
  await business.want(405, `POST ${ITEM}/${file.id}/restore`);
  await business.want(204, `POST ${ITEM}/${file.id}/permanentDelete`);
  await business.want(404, `GET ${ITEM}/${file.id}`);
});

test("sim A24: copy tells by a monitor how it went", async () => {
  const { mkdir, put, want, admin } = await testClient();
  const d = await mkdir("d");
  await put("d/x", "abc");
  const to = await mkdir("to");
  const copy = async (json: unknown): Promise<Loose> => {
    const { headers } = await want(202, `POST ${ITEM}/${d.id}/copy`, { json });
    const monitor = targetOf(headers["location"] ?? "");
    await want(401, `GET ${monitor}`, { headers: { authorization: "Bearer x" } });
    return (await want(200, `GET ${monitor}`)).json;
  };
  const done = await copy({ parentReference: { id: to.id }, name: "e" });
  assert.deepEqual([done.status, done.percentageComplete], ["completed", 100]);
  assert.equal((await want(200, `GET ${ITEM}/${done.resourceId}:/x`)).json.size, 3);
  const failed = await copy({ parentReference: { id: to.id }, name: "E" });
  assert.deepEqual([failed.status, failed.errorCode], ["failed", "nameAlreadyExists"]);
  const beside = await copy({});
  assert.equal((await want(200, `GET ${ITEM}/${beside.resourceId}`)).json.name, "d 1");
  assert.equal(await admin("GET /_sim/files/to/e/x"), "abc");
});

test("sim A25: old content is kept as versions", async () => {
  const { put, want, admin } = await testClient();
  const file = await put("f", "one");
  await put("f", "two2");
  const versions = (await want(200, `GET ${ITEM}/${file.id}/versions`)).json.value;
  assert.deepEqual(versions.map((each: Loose) => [each.id, each.size]), [["2.0", 4], ["1.0", 3]]); // prettier-ignore
  const { headers } = await want(302, `GET ${ITEM}/${file.id}/versions/1.0/content`);
  assert.equal((await want(200, `GET ${targetOf(headers["location"] ?? "")}`)).bytes.toString(), "one");
  await want(204, `POST ${ITEM}/${file.id}/versions/1.0/restoreVersion`);
  assert.equal(await admin("GET /_sim/files/f"), "one");
  assert.equal((await admin("GET /_sim/versions/f")).length, 3);
  const business = await testClient("business");
  const { id } = await business.put("f", "one");
  await business.want(200, `PATCH ${ITEM}/${id}`, {
    json: { fileSystemInfo: { lastModifiedDateTime: "2020-01-01T00:00:00Z" } },
  });
  assert.equal((await business.admin("GET /_sim/versions/f")).length, 2);
});

test("sim A26: items name the application and device that made and changed them", async () => {
  const { put, want, admin } = await testClient();
  const file = await put("f", "1");
  assert.equal(file.createdBy.device.id, "device-1");
  assert.equal(file.createdBy.application.id, "simulator-client");
  await admin("PUT /_sim/files/f", { body: "2" });
  const now = (await want(200, `GET ${ITEM}/${file.id}`)).json;
  assert.deepEqual([now.createdBy.device.id, now.lastModifiedBy.device.id], ["device-1", "other-device"]);
  assert.equal((await admin("GET /_sim/tree"))[0].createdBy, "device-1");
});

test("sim A37: batch runs each request on its own, in order", async () => {
  const { want, admin } = await testClient();
  const requests = [
    {
      id: "1",
      method: "POST",
      url: "/me/drive/root/children",
      headers: { "Content-Type": "application/json" },
      body: { name: "d", folder: {} },
    },
    {
      id: "2",
      method: "POST",
      url: "/me/drive/root/children",
      headers: { "Content-Type": "application/json" },
      body: { name: "d", folder: {} },
    },
    { id: "3", method: "GET", url: "/me/drive/root:/d", dependsOn: ["2"] },
    { id: "4", method: "GET", url: "me/drive/root:/d" },
  ];
  await admin("DELETE /_sim/requests");
  const { responses } = (await want(200, "POST /v1.0/$batch", { json: { requests } })).json;
  assert.deepEqual(
    responses.map((each: Loose) => each.status),
    [201, 409, 424, 200],
  );
  assert.equal(responses[3].body.name, "d");
  const rows = await admin("GET /_sim/requests");
  assert.deepEqual(
    rows.map((row: Loose) => row.path),
    ["/v1.0/$batch", "/v1.0/me/drive/root/children", "/v1.0/me/drive/root/children", "/v1.0/me/drive/root:/d"],
  );
  assert.equal(rows[1].status, 201);
  await want(400, "POST /v1.0/$batch", { json: { requests: [...requests, ...requests] } });
  await want(400, "POST /v1.0/$batch", {
    json: { requests: Array.from({ length: 21 }, (_, i) => ({ id: String(i), method: "GET", url: "/me" })) },
  });
  await admin("POST /_sim/faults", { json: { kind: "status", status: 429, retryAfter: 3, route: "item.get" } });
  const struck = (
    await want(200, "POST /v1.0/$batch", { json: { requests: [{ id: "a", method: "GET", url: "/me/drive/root" }] } })
  ).json.responses[0];
  assert.deepEqual([struck.status, struck.headers["retry-after"]], [429, "3"]);
});

test("sim A38: every answer has a request id and a date; what is missing is 501 and named", async () => {
  const { want } = await testClient();
  const { headers } = await want(200, ROOT.replace("/v1.0", "GET /v1.0"), { headers: { "client-request-id": "mine" } });
  assert.match(headers["request-id"] ?? "", /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(headers["client-request-id"], "mine");
  assert.ok(headers["date"]);
  for (const line of [
    `GET ${ROOT}/children?$filter=file`,
    "POST /v1.0/subscriptions",
    `GET ${ROOT}/thumbnails`,
    `POST ${ROOT}/createLink`,
    "GET /beta/me/drive",
    `GET ${ROOT}/subscriptions/socketIo`,
  ]) {
    const { json } = await want(501, line, { json: {} });
    assert.match(json.error.message, /does not implement/);
  }
  const error = (await want(404, `GET ${ROOT}:/none`)).json.error;
  assert.equal(error.code, "itemNotFound");
  assert.ok(error.innerError.date);
});

test("sim A39: a limit of units per minute gives 429 with Retry-After", async () => {
  const { want, admin, clock } = await testClient();
  await admin("POST /_sim/throttle", { json: { unitsPerMinute: 3 } });
  for (let i = 0; i < 3; i++) await want(200, `GET ${ROOT}`);
  const refused = await want(429, `GET ${ROOT}`);
  const waitS = Number(refused.headers["retry-after"]);
  assert.ok(waitS > 0 && waitS <= 60);
  clock.advance(61_000);
  await want(200, `GET ${ROOT}`);
});

test("sim A41: the same seed, clock and requests give the same answers", async () => {
  const run = async (): Promise<string> => {
    const { put, want, admin } = await testClient("personal", "fixed");
    await put("a", "1");
    const reply = await want(200, `GET ${ROOT}/delta`);
    return JSON.stringify([reply.json, reply.headers, await admin("GET /_sim/tree")]);
  };
  assert.equal(await run(), await run());
});
