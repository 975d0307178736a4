/** Every case of test/engine/own-echo.ts. ONLY names a part of the names of those to run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cases, runAll, type Case } from "../engine/own-echo.ts";

const only = process.env["ONLY"] ?? "";
const groups = new Map<string, Case[]>();
for (const each of cases()) {
  const group = each.name.split(", then ")[0]!;
  groups.set(group, [...(groups.get(group) ?? []), each]);
}

for (const [group, all] of groups)
  test(`own echo: ${group} it was carried out`, async () => {
    const some = all.filter(({ name }) => name.includes(only));
    assert.equal(await runAll(some), some.length);
  });
