/** Extended attributes, at once and on a thread of their own. */
import assert from "node:assert/strict";
import { promises as fs, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { askingWorker } from "../../src/content/asking-worker.ts";
import { attributesNow, attributeThread, type Attributes } from "../../src/content/attributes.ts";
import { identities } from "../../src/content/identity.ts";
import { startWorker } from "../../src/content/start-worker.ts";

const NAME = "user.onedrive.test";

async function fileIn(t: TestContext): Promise<string> {
  const folder = await fs.mkdtemp(join(tmpdir(), "attributes-"));
  t.after(() => fs.rm(folder, { recursive: true }));
  await fs.writeFile(join(folder, "file"), "x");
  return join(folder, "file");
}

async function keepsItsWord(attributes: Attributes, path: string): Promise<void> {
  assert.equal(await attributes.read(path, NAME), undefined);
  await attributes.write(path, NAME, "wörds");
  assert.equal(await attributes.read(path, NAME), "wörds");
  assert.equal(await attributesNow.read(path, NAME), "wörds");
  await assert.rejects(attributes.write(`${path} not there`, NAME, "x"), { code: "ENOENT" });
  assert.equal(await attributes.read(`${path} not there`, NAME), undefined);
}

test("attributes: at once", async (t) => keepsItsWord(attributesNow, await fileIn(t)));

test("attributes: on a thread of their own, many at a time", async (t) => {
  const path = await fileIn(t);
  const thread = attributeThread();
  t.after(() => thread.close());
  await keepsItsWord(thread, path);
  await Promise.all(Array.from({ length: 100 }, (_, i) => thread.write(path, `${NAME}.${i % 10}`, String(i))));
  assert.equal(await thread.read(path, `${NAME}.7`), "97");
});

test("attributes: a thread that ends fails those who wait, and the next question starts another", async (t) => {
  const workers: ReturnType<typeof startWorker>[] = [];
  const thread = askingWorker<object, string | undefined>(() => {
    workers.push(startWorker("attribute-worker", 16));
    return workers.at(-1)!;
  });
  t.after(() => thread.close());
  const path = await fileIn(t);
  assert.equal(await thread.ask({ path, name: NAME }), undefined);
  void workers[0]!.terminate(); // from here on it takes no question, and nobody has heard of its end yet
  await assert.rejects(thread.ask({ path, name: NAME }), { code: "EIO" });
  await thread.ask({ path, name: NAME, value: "again" });
  assert.equal(await thread.ask({ path, name: NAME }), "again");
  assert.equal(workers.length, 2);
});

test("attributes: words written later are not overtaken by those that a slow disk held up", async (t) => {
  const path = await fileIn(t);
  let letGo: () => void = () => undefined;
  let before: Promise<unknown> = new Promise<void>((resolve) => (letGo = resolve));
  const aside: Attributes = {
    read: (...asked) => attributesNow.read(...asked),
    write: (...given) => {
      const written = before.then(() => attributesNow.write(...given));
      before = written;
      return written;
    },
  };
  let isQuick = false;
  const described = identities(() => assert.fail("the disk has attributes"), { aside, isQuick: () => isQuick });
  const early = described.write(path, { node: 2, name: "early" });
  isQuick = true;
  const late = described.write(path, { node: 2, name: "late" });
  letGo();
  await Promise.all([early, late]);
  assert.match(String(await attributesNow.read(path, "user.onedrive.identity")), /late/);
});

test("attributes: the package's promises, which leak, are used nowhere", async () => {
  const folder = join(import.meta.dirname, "../../src");
  const files = (await fs.readdir(folder, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const users = files.filter((name) => /from "fs-xattr"/.test(readFileSync(join(folder, name), "utf8")));
  assert.deepEqual(users, ["content/attributes.ts"]);
  const used = /import \{ (.*) \} from "fs-xattr"/.exec(readFileSync(join(folder, users[0]!), "utf8"))?.[1];
  assert.deepEqual(used?.split(", "), ["getAttributeSync", "setAttributeSync"]);
});
