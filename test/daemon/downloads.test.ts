/** The journal of downloads: bytes that came are put down to who asked last, one entry for a program and an item, the oldest dropped. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { ok } from "../../src/base/result.ts";
import { downloadJournal, type Downloads } from "../../src/daemon/downloads.ts";
import type { Drive } from "../../src/drive/drive.ts";
import { itemId, itemKey } from "../../src/model/ids.ts";
import { DOWNLOADS_KEPT_MAX } from "../../src/model/limits.ts";

const cat = { name: "cat", pid: 12 };
const clock = manualClock(1_000);

function journal(): { readonly downloads: Downloads; fetch(node: number, bytes: number): Promise<void> } {
  const downloads = downloadJournal({
    clock,
    nodeOf: (item) => (item === "gone" ? undefined : itemKey(Number(item))),
    pathOf: (node) => `/m/${node}`,
  });
  const drive: Pick<Drive, "download"> = {
    download: async (_item, start, end) =>
      ok({
        start,
        end,
        total: end,
        bytes: (async function* () {
          for (let at = start; at < end; at += 10) yield new Uint8Array(Math.min(10, end - at));
        })(),
      }),
  };
  const watched = downloads.watched(drive);
  const fetch = async (node: number, bytes: number): Promise<void> => {
    const answer = await watched.download(itemId(String(node)), 0, bytes, "v");
    assert.ok(answer.ok);
    let got = 0;
    for await (const part of answer.value.bytes) got += part.length;
    assert.equal(got, bytes, "nothing of the bytes is changed");
  };
  return { downloads, fetch };
}

test("downloads: one entry for what a program got of an item, the newest first, of all or of one item", async () => {
  const { downloads, fetch } = journal();
  downloads.asks(itemKey(5), cat);
  await fetch(5, 25);
  clock.advance(500);
  await fetch(5, 10);
  await fetch(6, 3);
  downloads.asks(itemKey(5), { name: undefined, pid: 99 });
  await fetch(5, 1);
  const cats = { path: "/m/5", program: "cat", pid: 12, bytes: 35, since: 1_000, at: 1_500 };
  const unseen = {
    path: "/m/5",
    program: "(a program that could not be seen)",
    pid: 99,
    bytes: 1,
    since: 1_500,
    at: 1_500,
  };
  const own = { path: "/m/6", program: "(the daemon itself)", pid: null, bytes: 3, since: 1_500, at: 1_500 };
  assert.deepEqual(downloads.list(), [unseen, own, cats]);
  assert.deepEqual(downloads.list(itemKey(5)), [unseen, cats]);
  downloads.asks(itemKey(5), undefined);
  await fetch(5, 1);
  assert.deepEqual(downloads.list()[0], { ...own, path: "/m/5", bytes: 1 });
});

test("downloads: what pins fetch is said to be theirs, and they do not ask for longer than they do", async () => {
  const { downloads, fetch } = journal();
  const pins = downloads.forPins({
    have: () => "none",
    async hydrate(node) {
      await fetch(node, 7);
      return ok();
    },
  });
  await pins.hydrate(itemKey(8));
  await fetch(8, 2);
  assert.deepEqual(
    downloads.list().map(({ program, pid, bytes }) => [program, pid, bytes]),
    [
      ["(the daemon itself)", null, 2],
      ["(kept here by a pin)", null, 7],
    ],
  );
});

test("downloads: bounded, the oldest go; an item that is not known any more is not written down", async () => {
  const { downloads, fetch } = journal();
  for (let node = 1; node <= DOWNLOADS_KEPT_MAX + 5; node++) await fetch(node, 1);
  assert.equal(downloads.list().length, DOWNLOADS_KEPT_MAX);
  assert.equal(downloads.list().at(-1)!.path, "/m/6");
  const watched = downloads.watched({
    download: async () => ok({ start: 0, end: 0, total: 0, bytes: (async function* () {})() }),
  });
  assert.ok((await watched.download(itemId("gone"), 0, 1, "v")).ok);
  assert.equal(downloads.list().length, DOWNLOADS_KEPT_MAX);
});
