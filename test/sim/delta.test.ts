/** Delta: what a round tells, what it leaves out, and how long its links hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { targetOf, testClient, type Loose } from "./client.ts";

const ITEM = "/v1.0/me/drive/items";
const DELTA = "/v1.0/me/drive/root/delta";
const names = (items: readonly Loose[]): string[] => items.map((item): string => item.name ?? "").sort();

test("sim A13: a full enumeration tells all live items, and no old tombstone", async () => {
  const { put, want, delta } = await testClient();
  await put("d/a", "1");
  await want(204, `DELETE ${ITEM}/${(await put("d/gone", "1")).id}`);
  const { items } = await delta();
  assert.deepEqual(names(items), ["a", "d", "root"]);
  assert.ok(items.find((item) => item.name === "root").root);
});

test("sim A13: what changes between the pages is told before the end", async () => {
  const { put, want, delta } = await testClient();
  for (let i = 0; i < 10; i++) await put(`f${i}`, "x");
  const first = (await want(200, `GET ${DELTA}?$top=4`)).json;
  const told = first.value.find((item: Loose) => item.file);
  await want(204, `DELETE ${ITEM}/${told.id}`);
  await put("late", "x");
  const rest = (await delta(first["@odata.nextLink"])).items;
  const last = new Map([...first.value, ...rest].map((item: Loose) => [item.id, item]));
  assert.equal(last.get(told.id).deleted.state, "deleted");
  assert.equal([...last.values()].filter((item) => item.file && !item.deleted).length, 10);
});

test("sim A14: a round tells the latest state once, with ancestors before it on every page", async () => {
  const { put, want, delta } = await testClient();
  for (let i = 0; i < 6; i++) await put(`d/e/f${i}`, "1");
  const { link } = await delta(`${DELTA}?$top=2`);
  for (let i = 0; i < 5; i++) await put(`d/e/f${i}`, "22");
  await put("d/e/f0", "333");
  const round = await delta(link);
  const files = round.items.filter((item) => item.file);
  assert.deepEqual(files.map((item) => [item.name, item.size]), [["f1", 2], ["f2", 2], ["f3", 2], ["f4", 2], ["f0", 3]]); // prettier-ignore
  assert.equal(round.pages.length, 3);
  for (const page of round.pages)
    assert.deepEqual(
      page.slice(0, 3).map((item) => item.name),
      ["root", "d", "e"],
    );
  assert.deepEqual((await delta(round.link)).items, []);
  const bare = await want(200, `GET ${targetOf(link)}`, { headers: { prefer: "deltaExcludeParent" } });
  assert.deepEqual(names(bare.json.value), ["f1", "f2"]);
});

test("sim A15: a renamed or moved folder is told alone, and items have no path", async () => {
  const { put, want, delta } = await testClient();
  await put("d/e/f", "1");
  const { link } = await delta();
  const d = (await want(200, "GET /v1.0/me/drive/root:/d")).json;
  await want(200, `PATCH ${ITEM}/${d.id}`, { json: { name: "x" } });
  const { items } = await delta(link);
  assert.deepEqual(names(items), ["root", "x"]);
  for (const item of items) assert.equal(item.parentReference.path, undefined);
});

test("sim A16: a deletion is told once, for each item that went", async () => {
  const { put, want, delta } = await testClient();
  const f = await put("d/e/f", "1");
  const start = await delta();
  await want(204, `DELETE ${ITEM}/${f.parentReference.id}`);
  const round = await delta(start.link);
  const gone = round.items.filter((item) => item.deleted);
  assert.deepEqual(names(gone), ["e", "f"]);
  assert.equal(gone.find((item) => item.name === "f").file.hashes.quickXorHash, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  assert.deepEqual((await delta(round.link)).items, []);
  assert.ok(!(await delta()).items.some((item) => item.deleted));
});

test("sim A17: links can be followed again, and keep select and top", async () => {
  const { put, delta } = await testClient();
  const { link } = await delta(`${DELTA}?$top=2&$select=id,name`);
  for (let i = 0; i < 5; i++) await put(`f${i}`, "1");
  const [one, two] = [await delta(link), await delta(link)];
  assert.deepEqual(one.items, two.items);
  assert.equal(one.pages.length, 3);
  assert.deepEqual(Object.keys(one.items[1]), ["id", "name"]);
});

test("sim A18: tokens: latest, times, malformed, too old, of another cloud", async () => {
  const { put, want, delta, clock } = await testClient();
  await put("a", "1");
  const latest = (await want(200, `GET ${DELTA}?token=latest`)).json;
  assert.deepEqual(latest.value, []);
  await put("b", "1");
  assert.deepEqual(names((await delta(latest["@odata.deltaLink"])).items), ["b", "root"]);
  assert.deepEqual((await want(200, `GET ${DELTA}(token='latest')`)).json.value, []);
  await want(400, `GET ${DELTA}?token=nonsense`);
  await want(400, `GET ${DELTA}?token=2020-01-01T00:00:00Z`);
  const foreign = await testClient("personal", "another");
  const gone = await want(410, `GET ${targetOf((await foreign.delta()).link)}`.replace(/drives\/[^/]+/, "me/drive"));
  assert.equal(gone.json.error.code, "resyncChangesApplyDifferences");
  assert.deepEqual(names((await delta(gone.headers["location"])).items), ["a", "b", "root"]);
  clock.advance(31 * 24 * 3_600_000);
  await want(401, `GET ${latest["@odata.deltaLink"]}`);
});

test("sim A18: on business a time is a token, and an old link is 410", async () => {
  const { put, want, admin, clock, sim } = await testClient("business");
  await put("a", "1");
  clock.advance(10_000);
  const time = new Date(clock.now()).toISOString();
  clock.advance(10_000);
  await put("b", "1");
  assert.deepEqual(names((await want(200, `GET ${DELTA}?token=${time}`)).json.value), ["b", "root"]);
  const { "@odata.deltaLink": link } = (await want(200, `GET ${DELTA}?token=latest`)).json;
  clock.advance(31 * 24 * 3_600_000);
  const { access_token: token } = await admin("POST /_sim/token", { json: {} });
  await want(410, `GET ${targetOf(link)}`, { headers: { authorization: `Bearer ${token}` } });
  await want(501, `GET ${ITEM}/${sim.world.main.ids.itemId(3)}/delta`, {
    headers: { authorization: `Bearer ${token}` },
  });
});

test("sim A19: delta leaves out what the profile leaves out", async () => {
  for (const profile of ["personal", "business"] as const) {
    const { put, want, delta } = await testClient(profile);
    const f = await put("f", "1");
    const live = (await delta()).items.find((item) => item.id === f.id);
    assert.equal("cTag" in live, profile === "personal");
    const { link } = await delta();
    await want(204, `DELETE ${ITEM}/${f.id}`);
    const dead = (await delta(link)).items.find((item) => item.id === f.id);
    assert.deepEqual(
      ["cTag" in dead, "name" in dead, "size" in dead],
      profile === "personal" ? [false, true, false] : [false, false, true],
    );
  }
});

test("delta of a folder tells only what is below it, on personal drives", async () => {
  const { put, delta, want } = await testClient();
  await put("d/a", "1");
  await put("other", "1");
  const d = (await want(200, "GET /v1.0/me/drive/root:/d")).json;
  const { items, link } = await delta(`${ITEM}/${d.id}/delta`);
  assert.deepEqual(names(items), ["a", "d"]);
  await put("other2", "1");
  await put("d/b", "1");
  assert.deepEqual(names((await delta(link)).items), ["b", "d"]);
});
