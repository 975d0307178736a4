/** What is remembered of listings that the kernel keeps is bounded, whatever is listed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptPlaces } from "../../../src/host/kernel/kept-places.ts";
import { itemKey } from "../../../src/model/ids.ts";
import { LISTED_FOLDERS_KEPT, LISTED_PLACES_KEPT } from "../../../src/model/limits.ts";

const listed = (entries: number): (string | undefined)[] => [undefined, ...Array.from({ length: entries }, () => "x")];

test("kept places: those of who began last, also after the stream was closed", () => {
  const places = new KeptPlaces();
  const [first, second] = [listed(3), listed(3)];
  places.began(itemKey(2), first);
  first.push("grown");
  assert.equal(places.behind(itemKey(2), 4), "grown", "a stream goes on after it began");
  places.began(itemKey(2), second);
  places.ended(itemKey(2), first);
  places.ended(itemKey(2), second);
  assert.equal(places.behind(itemKey(2), 3), "x");
  assert.equal(places.behind(itemKey(2), 4), undefined);
  assert.equal(places.behind(itemKey(3), 1), undefined);
});

test("kept places: so many folders, and so many entries of closed streams; the longest ago go first", () => {
  const places = new KeptPlaces();
  const knows = (folder: number): boolean => places.behind(itemKey(folder), 1) === "x";
  for (let folder = 1; folder <= LISTED_FOLDERS_KEPT + 10; folder++) places.began(itemKey(folder), listed(1));
  assert.deepEqual([knows(10), knows(11)], [false, true]);
  const half = listed(LISTED_PLACES_KEPT / 2);
  for (const folder of [100_001, 100_002]) {
    places.began(itemKey(folder), half);
    places.ended(itemKey(folder), half);
  }
  assert.deepEqual([knows(LISTED_FOLDERS_KEPT), knows(100_001), knows(100_002)], [false, false, true]);
  const huge = listed(2 * LISTED_PLACES_KEPT);
  places.began(itemKey(100_003), huge);
  places.ended(itemKey(100_003), huge);
  assert.deepEqual([knows(100_002), knows(100_003)], [false, true], "the last one stays, however long");
});
