/** The small words everything is built of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock, sleep } from "../../src/base/clock.ts";
import { keyedLock } from "../../src/base/lock.ts";
import { redact } from "../../src/base/log.ts";
import { startLoop } from "../../src/base/loop.ts";
import { seededRandom } from "../../src/base/random.ts";
import { scope } from "../../src/base/scope.ts";

test("base: a seed replays, and a split stream is not shifted by draws from another", () => {
  const draws = (seed: number): number[] =>
    Array.from(
      { length: 5 },
      (
        (r) => () =>
          r.next()
      )(seededRandom(seed)),
    );
  assert.deepEqual(draws(7), draws(7));
  assert.notDeepEqual(draws(7), draws(8));
  const a = seededRandom(1);
  const first = a.split("x").next();
  a.next();
  assert.equal(a.split("x").next(), first);
});

test("base: a manual clock runs timers in order and only when told", async () => {
  const clock = manualClock(1000);
  const seen: string[] = [];
  clock.after(20, () => seen.push("b"));
  clock.after(10, () => seen.push("a"));
  clock.after(30, () => seen.push("never"))();
  clock.advance(25);
  assert.deepEqual(seen, ["a", "b"]);
  assert.equal(clock.now(), 1025);
  const nap = sleep(clock, 5);
  clock.advance(5);
  await nap;
  const stop = new AbortController();
  const cut = sleep(clock, 1e9, stop.signal);
  stop.abort();
  await cut;
  assert.equal(clock.nextAt(), undefined);
});

test("base: a lock runs tasks of one key one after another, also after a failure", async () => {
  const lock = keyedLock<string>();
  const seen: number[] = [];
  const task = (n: number) => async (): Promise<void> => {
    seen.push(n);
    await Promise.resolve();
    seen.push(n);
    if (n === 1) throw new Error("one");
  };
  const results = await Promise.allSettled([lock.run("k", task(1)), lock.run("k", task(2))]);
  assert.deepEqual(seen, [1, 1, 2, 2]);
  assert.deepEqual(
    results.map((r) => r.status),
    ["rejected", "fulfilled"],
  );
  assert.equal(lock.busy("k"), false);
});

test("base: a wake-up during a round is not lost", async () => {
  const clock = manualClock();
  let rounds = 0;
  const loop = startLoop({
    clock,
    onDefect: (error) => assert.fail(String(error)),
    round: async () => {
      rounds++;
      await Promise.resolve();
      if (rounds === 1) loop.wake();
      return 1e6;
    },
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(rounds, 2);
  await loop.stop();
});

test("base: a scope closes everything, last opened first, and then throws the first failure", async () => {
  const seen: string[] = [];
  const s = scope();
  s.add("a", () => void seen.push("a"));
  s.add("b", () => Promise.reject(new Error("b broke")));
  s.add("c", () => void seen.push("c"));
  await assert.rejects(s.close(), /closing b: .*b broke/);
  assert.deepEqual(seen, ["c", "a"]);
});

test("base: no token and no secret URL passes redact", () => {
  const lines = [
    "Authorization: Bearer eyJ0eXAi.abc-def_123",
    '{"access_token":"s3cret-a","refresh_token":"s3cret-b"}',
    "PUT https://x.up.1drv.com/up/abc?tempauth=s3cret&y=1 failed",
    "grant code=s3cret&state=1",
  ];
  for (const text of lines) assert.doesNotMatch(redact(text), /s3cret|eyJ0/, text);
  assert.equal(redact("plain text about a Bearer of news"), redact("plain text about a Bearer of news"));
});
