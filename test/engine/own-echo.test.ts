/** What the cloud has from us is no news, whoever tells it: see own-echo.ts. Every case runs in the soak; here a share of them, and the worst. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cases, runAll } from "./own-echo.ts";

const SHARE = 24;

test("own echo: what was sent and not answered is no news when the cloud tells it", async () => {
  const some = [...cases()].filter(({ name }, index) => index % SHARE === 0 && !name.includes("large"));
  assert.ok((await runAll(some)) > 60);
});

test("own echo: renamed again after a rename whose answer never came, the newest name stands", async () => {
  const some = [...cases()].filter(({ name }) => / (renamed|moved), (lost|killed) after, then renamed/.test(name));
  assert.ok((await runAll(some)) >= 48);
});
