/** What the service is known to omit or bend, entry by entry; and that no JSON makes the parsers throw. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { atOnce } from "../../src/base/stepwise.ts";
import {
  parseBatch,
  parseDrive,
  parseError,
  parseItem,
  parseMonitor,
  parsePage,
  parseSession,
  timeMs,
  wireTime,
} from "../../src/drive/wire.ts";

const FILE = {
  id: "1D641CFAE05579A4!s1",
  name: "a.txt",
  eTag: '"{G},1"',
  cTag: '"c:{G},1"',
  size: 35,
  webUrl: "https://onedrive.example/1",
  createdDateTime: "2024-01-01T00:00:00Z",
  lastModifiedDateTime: "2024-01-02T00:00:00Z",
  fileSystemInfo: { createdDateTime: "2020-05-06T07:08:09.123Z", lastModifiedDateTime: "2021-05-06T07:08:09.999Z" },
  parentReference: { driveId: "1d641cfae05579a4", id: "1D641CFAE05579A4!root" },
  file: { mimeType: "text/plain", hashes: { quickXorHash: "aCgDG9jwBgAAAAAABQAAAAAAAAA=" } },
};

function item(more: object): Record<string, unknown> {
  const found = parseItem({ ...FILE, ...more });
  assert.ok(found?.is === "item", JSON.stringify(found));
  return found.item as unknown as Record<string, unknown>;
}

test("a file in our words: client times in whole seconds, tags as they are", () => {
  assert.deepEqual(item({}), {
    id: "1D641CFAE05579A4!s1",
    parentId: "1D641CFAE05579A4!root",
    name: "a.txt",
    kind: "file",
    size: 35,
    mtime: Date.UTC(2021, 4, 6, 7, 8, 9) / 1000,
    birth: Date.UTC(2020, 4, 6, 7, 8, 9) / 1000,
    eTag: '"{G},1"',
    cTag: '"c:{G},1"',
    hash: "aCgDG9jwBgAAAAAABQAAAAAAAAA=",
    webUrl: "https://onedrive.example/1",
  });
});

test("what may be missing may be missing", () => {
  const bare = item({
    eTag: undefined,
    cTag: null,
    webUrl: undefined,
    fileSystemInfo: null,
    file: {},
    size: undefined,
  });
  assert.deepEqual([bare["size"], bare["eTag"], bare["cTag"], bare["hash"]], [0, undefined, undefined, undefined]);
  assert.equal(bare["mtime"], Date.UTC(2024, 0, 2) / 1000);
});

test("odd values: numbers as strings, negative sizes, the year 1, broken times, made-up hashes", () => {
  assert.equal(item({ size: "1234" })["size"], 1234);
  assert.equal(item({ size: -5 })["size"], 0);
  assert.equal(item({ size: "many" })["size"], 0);
  const none = { createdDateTime: "0001-01-01T00:00:00Z", lastModifiedDateTime: "0001-01-01T00:00:00Z" };
  assert.equal(item({ fileSystemInfo: none })["mtime"], Date.UTC(2024, 0, 2) / 1000);
  assert.equal(item({ fileSystemInfo: none, lastModifiedDateTime: "soon" })["mtime"], 0);
  const zeros = { hashes: { quickXorHash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" } };
  assert.equal(item({ file: zeros })["hash"], undefined);
  assert.equal(item({ file: zeros, size: 0 })["hash"], "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
});

test("kinds: folder, root, package, shortcut, malware", () => {
  const rest = { file: undefined };
  assert.equal(item({ ...rest, folder: { childCount: 0 }, size: 99 })["kind"], "folder");
  assert.equal(item({ ...rest, folder: {}, size: 99 })["size"], 0);
  const root = item({ ...rest, root: {}, folder: {}, parentReference: { driveId: "x" } });
  assert.equal(root["parentId"], undefined);
  assert.deepEqual(
    [item({ ...rest, package: { type: "oneNote" } })["kind"], item({ ...rest, package: {} })["opaque"]],
    ["folder", "package"],
  );
  const remote = { id: "X!1", folder: {}, size: 4, parentReference: { driveId: "d", id: "p" } };
  assert.deepEqual(
    [item({ ...rest, remoteItem: remote })["kind"], item({ ...rest, remoteItem: remote })["opaque"]],
    ["folder", "remote"],
  );
  assert.equal(item({ malware: { description: "x" } })["opaque"], "malware");
});

test("a tombstone needs an id and the deleted facet, nothing else", () => {
  for (const deleted of [{}, { state: "deleted" }]) {
    assert.deepEqual(parseItem({ id: "A!1", deleted }), { is: "gone", id: "A!1" });
  }
  assert.equal(parseItem({ ...FILE, deleted: null })?.is, "item");
});

test("too little is incomplete, an unshowable name is hidden, no id is nothing", () => {
  assert.equal(parseItem({ id: "A!1", name: "x", parentReference: { id: "p" } })?.is, "incomplete");
  assert.equal(parseItem({ ...FILE, name: undefined })?.is, "incomplete");
  assert.equal(parseItem({ ...FILE, parentReference: {} })?.is, "incomplete");
  for (const name of ["..", ".", "a/b", "a\0b"]) assert.equal(parseItem({ ...FILE, name })?.is, "hidden", name);
  for (const raw of [undefined, null, 5, "x", [], {}, { id: "" }, { id: 7 }]) assert.equal(parseItem(raw), undefined);
});

test("one item has one id, however its drive is spelled; others are left as they are", () => {
  const id = (given: string): unknown => item({ id: given })["id"];
  assert.equal(id("0D641CFAE05579A4!101"), "0D641CFAE05579A4!101");
  assert.equal(id("d641cfae05579a4!101"), "0D641CFAE05579A4!101");
  assert.equal(id("0d641cfae05579a4!sAbC"), "0D641CFAE05579A4!sAbC");
  assert.equal(id("01BYE5RZ56Y2GOVW7725BZO354PWSELRRZ"), "01BYE5RZ56Y2GOVW7725BZO354PWSELRRZ");
  assert.equal(item({ parentReference: { id: "d641cfae05579a4!5" } })["parentId"], "0D641CFAE05579A4!5");
});

test("a page with an entry that cannot be named is no page", () => {
  assert.equal(parsePage({ value: [FILE, { name: "?" }] }), undefined);
  assert.equal(parsePage({}), undefined);
  assert.equal(parsePage("<html>"), undefined);
  const { items, ...links } = parsePage({ value: [FILE, FILE], "@odata.deltaLink": "https://x/?token=1" })!;
  assert.deepEqual(links, { next: undefined, cursor: "https://x/?token=1" });
  assert.deepEqual(atOnce(items()), [parseItem(FILE), parseItem(FILE)]);
});

test("quota: missing, zero, negative, strings", () => {
  const quota = (given: unknown): unknown => parseDrive({ id: "5", driveType: "personal", quota: given })?.quota;
  assert.equal(quota(undefined), undefined);
  assert.equal(quota({ total: 0, used: 0, remaining: 0 }), undefined);
  assert.deepEqual(quota({ total: "100", used: 40 }), { total: 100, used: 40, remaining: 60 });
  assert.deepEqual(quota({ total: 100, used: 140, remaining: -40 }), { total: 100, used: 140, remaining: 0 });
  assert.equal(parseDrive({ id: "5" })?.driveId, "0000000000000005");
  assert.equal(parseDrive({ id: "b!AbC" })?.driveId, "b!AbC");
});

test("sessions, monitors, errors, batches", () => {
  assert.deepEqual(parseSession({ uploadUrl: "https://u/x?y=1", nextExpectedRanges: ["26-127"] }), {
    url: "https://u/x?y=1",
    expiresAt: undefined,
    nextOffset: 26,
  });
  assert.equal(parseSession({ nextExpectedRanges: [] })?.nextOffset, undefined);
  assert.equal(parseMonitor({ status: "completed", resourceId: "A!1" })?.itemId, "A!1");
  assert.equal(parseMonitor({}), undefined);
  const error = { error: { code: "a", message: "m", innererror: { code: "b", innererror: { code: "c" } } } };
  assert.deepEqual(parseError(error), { codes: ["a", "b", "c"], message: "m" });
  assert.equal(parseError("<html>"), undefined);
  assert.equal(parseBatch({ responses: [{ id: 1, status: 204 }] })?.[0]?.id, "1");
});

test("times of all sizes are written as the service takes them", () => {
  assert.equal(wireTime(0), "1970-01-01T00:00:00Z");
  assert.equal(timeMs(wireTime(1_600_000_000)), 1_600_000_000_000);
  assert.match(wireTime(1e15), /^9999-/);
  assert.match(wireTime(-1e15), /^0001-/);
});

test("nothing that is JSON makes the parsers throw", () => {
  const key = fc.constantFrom(
    ...Object.keys(FILE),
    "deleted",
    "folder",
    "package",
    "remoteItem",
    "value",
    "error",
    "responses",
    "quota",
  );
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), fc.jsonValue(), (odd, any) => {
      for (const raw of [odd, { ...FILE, ...odd }, any]) {
        for (const parse of [parseItem, parsePage, parseDrive, parseSession, parseMonitor, parseError, parseBatch])
          parse(raw);
      }
    }),
    { numRuns: 300 },
  );
});
