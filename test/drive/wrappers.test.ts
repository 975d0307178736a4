/** What wraps a Drive: the limit on calls at once, and the log. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import { withLimit } from "../../src/drive/with-limit.ts";
import { withLog } from "../../src/drive/with-log.ts";
import { fakeDrive } from "../support/fake-drive.ts";
import { bodyOf } from "./graph-world.ts";

const make = () => fakeDrive({ clock: manualClock(), random: seededRandom("wrappers") });

test("no more calls run at once than the limit says; the others follow in order", async () => {
  const fake = make();
  const drive = withLimit(fake, 2);
  const hold = fake.hold({ call: "createFolder", moment: "before" });
  const names = ["a", "b", "c", "d"];
  const all = names.map((name) => drive.createFolder(fake.cloud.rootId, name));
  await hold.reached;
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  assert.equal(fake.log.length, 2);
  hold.release();
  assert.ok((await Promise.all(all)).every((made) => made.ok));
  assert.deepEqual(
    fake.log.map((call) => call.name),
    names,
  );
});

test("a copy that waits for the service keeps nobody waiting", async () => {
  const fake = make();
  const drive = withLimit(fake, 1);
  const file = await fake.upload({ parent: fake.cloud.rootId, name: "f" }, bodyOf("x"));
  assert.ok(file.ok);
  const hold = fake.hold({ call: "copy", moment: "after" });
  const copy = drive.copy(file.value.id, fake.cloud.rootId, "g");
  await hold.reached;
  assert.ok((await drive.item(file.value.id)).ok);
  hold.release();
  assert.ok((await copy).ok);
});

test("the log says what was asked and what came of it, and no address", async () => {
  const fake = make();
  const lines: string[] = [];
  const drive = withLog(fake, manualClock(), {
    fault: () => undefined,
    trace: (message, details) => lines.push(`${message} ${JSON.stringify(details)}`),
  });
  const session = await drive.openSession({ parent: fake.cloud.rootId, name: "big" }, 5, 0);
  assert.ok(session.ok);
  await drive.sendFragment(session.value, bodyOf("12345"), 5);
  fake.online = false;
  await drive.item(fake.cloud.rootId);
  assert.equal(lines.length, 3);
  assert.match(lines[1] ?? "", /^sendFragment .*"ok"/);
  assert.match(lines[2] ?? "", /^item .*offline/);
  assert.ok(!lines.join().includes("secret"), lines.join());
});
