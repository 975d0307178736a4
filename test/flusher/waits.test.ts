/** What waits is remembered as long as there is something to be done for it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { waits } from "../../src/flusher/waits.ts";
import { fault } from "../../src/model/fault.ts";
import { itemKey } from "../../src/model/ids.ts";
import { WAITS_BEFORE_TIDYING } from "../../src/model/limits.ts";

test("waits: nodes that nothing is to be done for do not pile up", () => {
  const clock = manualClock();
  const waiting = waits(clock, seededRandom(1));
  const why = fault("unavailable", "not now").fault;
  let most = 0;
  for (let node = 1; node <= 20 * WAITS_BEFORE_TIDYING; node++) {
    waiting.failed(itemKey(node), why);
    waiting.tidy((each) => each === 1 || each >= node - 10);
    most = Math.max(most, waiting.count);
  }
  assert.ok(most <= WAITS_BEFORE_TIDYING + 1, String(most));
  assert.ok(waiting.until(itemKey(1)) > clock.now(), "what still has to be done waits on");
});

test("waits: with many to be done, it is not looked through them every time", () => {
  const waiting = waits(manualClock(), seededRandom(1));
  let looks = 0;
  for (let node = 1; node <= 5 * WAITS_BEFORE_TIDYING; node++) {
    waiting.failed(itemKey(node), fault("unavailable", "not now").fault);
    waiting.tidy(() => ++looks > 0);
  }
  assert.equal(waiting.count, 5 * WAITS_BEFORE_TIDYING);
  assert.ok(looks <= 10 * WAITS_BEFORE_TIDYING, String(looks));
});
