/** quickXorHash, made content and ids: right values, and the same whatever way they are asked for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { makeIds } from "../../src/sim/ids.ts";
import { makeContent } from "../../src/sim/made-content.ts";
import { profiles } from "../../src/sim/profile.ts";
import { QuickXor, quickXorHash } from "../../src/sim/quick-xor.ts";
import { testClient } from "./client.ts";

const vectors: readonly [string, Uint8Array][] = [
  ["AAAAAAAAAAAAAAAAAAAAAAAAAAA=", Buffer.from("")],
  ["YRDDGAAAAAAAAAAAAwAAAAAAAAA=", Buffer.from("abc")],
  ["aCgDG9jwBhDc4Q1ybQMZGqAAAAA=", Buffer.from("hello world\r\n")],
  ["bMSlbysmxJL6S75XwfMcQZOpcr4=", Buffer.from("The quick brown fox jumps over the lazy dog")],
  ["QkGEfSisZcA7k+FCh71r2dbCayY=", Buffer.from(Array.from({ length: 256 }, (_, i) => i))],
  ["XhQes7LH2XNgLdVXMMeilbw5oAI=", Buffer.from(Array.from({ length: 1024 * 1024 }, (_, i) => (7 * i + 3) & 255))],
  ["AAAAAAAAAAAAAAAAQEIPAAAAAAA=", Buffer.alloc(1_000_000, "A")],
];

test("sim A5: quickXorHash gives the known values", () => {
  for (const [hash, bytes] of vectors) assert.equal(quickXorHash(bytes), hash);
});

test("quickXorHash does not depend on how the bytes are cut or aligned", () => {
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 31 + (i >> 3)) & 255));
  fc.assert(
    fc.property(fc.array(fc.nat(700), { maxLength: 20 }), fc.nat(7), (cuts, shift) => {
      const shifted = Buffer.concat([Buffer.alloc(shift), bytes]).subarray(shift);
      const hash = new QuickXor();
      let at = 0;
      for (const cut of cuts) hash.update(shifted.subarray(at, (at += cut)));
      if (at < shifted.length) hash.update(shifted.subarray(at));
      assert.equal(hash.digest(), quickXorHash(at <= shifted.length ? bytes : shifted));
    }),
  );
});

test("sim A5: the hash of made content is that of the bytes made, in any cut", () => {
  const made = makeContent(5);
  for (const size of [0, 1, 31, 33, 4096, 1_052_674, 1_052_675, 1_052_690, 2_300_000]) {
    const whole = Buffer.concat([...made.pieces(9, 0, size)]);
    assert.equal(whole.length, size);
    assert.equal(made.hash(9, size), quickXorHash(whole), `size ${size}`);
    const middle = Math.floor(size / 3);
    assert.deepEqual(Buffer.concat([...made.pieces(9, middle, size)]), whole.subarray(middle));
  }
  assert.notEqual(made.hash(1, 4096), made.hash(2, 4096));
});

test("sim A1: ids are stable, in the profile's form, and read back", () => {
  const forms = {
    personal: /^[0-9A-F]{16}!s[0-9a-f]{32}$/,
    "personal-old": /^[0-9A-F]{16}!\d+$/,
    business: /^01[A-Z2-7]{32}$/,
    sharepoint: /^01[A-Z2-7]{32}$/,
  };
  for (const profile of Object.values(profiles)) {
    const ids = makeIds(profile, 99, 1);
    for (let num = 1; num < 500; num++) {
      const id = ids.itemId(num);
      assert.match(id, forms[profile.name]);
      assert.equal(ids.parseItemId(id), num);
      if (id.toLowerCase() !== id && profile.ids !== "numbered")
        assert.equal(ids.parseItemId(id.toLowerCase()), undefined);
    }
    for (const other of ["", "!", "x", "01", "!101", `${ids.driveId}!`])
      assert.equal(ids.parseItemId(other), undefined);
  }
  assert.ok(makeIds(profiles.personal, 99, 1).itemId(1).endsWith("!sea8cc6beffdb43d7976fbc7da445c639"));
  assert.ok(makeIds(profiles.business, 99, 1).itemId(1).endsWith("6Y2GOVW7725BZO354PWSELRRZ"));
});

test("sim A1: an unknown or re-cased id is 404", async () => {
  const { put, want } = await testClient();
  const { id } = await put("a.txt", "a");
  await want(200, `GET /v1.0/me/drive/items/${id}`);
  await want(404, `GET /v1.0/me/drive/items/${id.replace("!s", "!S")}`);
  await want(404, `GET /v1.0/me/drive/items/nothing`);
});

test("sim A2: personal drive ids match in any case and without zeros; a wrong one is 400", async () => {
  const { sim, want } = await testClient();
  const id = sim.world.main.ids.driveId;
  await want(200, `GET /v1.0/drives/${id.toUpperCase()}/root`);
  assert.equal((await want(400, "GET /v1.0/drives/0123456789abcdef/root")).json.error.code, "invalidRequest");
});
