/**
 * What lmdb-js promises when it is used as src/store uses it (noSync, transactionSync, a fixed map size). Prints one line per fact
 * and fails when one is not as native-notes/lmdb.md says.
 * Run: node --import tsx native-notes/lmdb/promises.ts
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "lmdb";

const folder = mkdtempSync(join(tmpdir(), "lmdb-promises-"));
const fact = (text: string): void => console.log(`ok  ${text}`);
const make = (name: string, more: object = {}) =>
  open<string, string>({
    path: join(folder, name),
    noSubdir: true,
    noSync: true,
    mapSize: 2 ** 30,
    encoding: "string",
    ...more,
  });

async function main(): Promise<void> {
  const db = make("a.mdb");
  db.transactionSync(() => {
    db.putSync("k", "1");
    assert.equal(db.get("k"), "1");
    assert.deepEqual([...db.getRange({})].length, 1);
  });
  fact("get and getRange inside a transaction see its own writes");

  assert.throws(() =>
    db.transactionSync(() => {
      db.putSync("k", "2");
      throw new Error("no");
    }),
  );
  assert.equal(db.get("k"), "1");
  fact("a throw inside transactionSync undoes everything");

  const small = make("small.mdb", { mapSize: 1024 * 1024 });
  let thrown: (Error & { code?: unknown }) | undefined;
  let count = 0;
  try {
    for (; count < 100; count++) {
      small.transactionSync(() => {
        for (let i = 0; i < 100; i++) void small.put(`${count}/${i}`, "x".repeat(1000));
      });
    }
  } catch (error) {
    thrown = error as Error;
  }
  console.log(
    `    map of 1 MiB: ${thrown ? `code ${String(thrown.code)}: ${thrown.message}` : "grew"} after ${count} transactions of 100 kB`,
  );
  if (thrown) {
    assert.equal(small.get(`${count}/0`), undefined);
    small.transactionSync(() => void small.remove("0/0"));
    fact("a full map throws with code -30792, undoes the transaction, and the file stays usable");
  }
  await small.close();

  const target = join(folder, "copy.mdb");
  for (let i = 0; i < 200; i++)
    db.transactionSync(() => {
      for (let j = 0; j < 100; j++) void db.put(`${i}/${j}`, "y".repeat(1000));
    });
  for (const compact of [false, true]) {
    let longest = 0;
    let last = performance.now();
    let commits = 0;
    const tick = setInterval(() => {
      const t0 = performance.now();
      db.transactionSync(() => void db.put("tick", String(commits++)));
      longest = Math.max(longest, performance.now() - t0, t0 - last - 1);
      last = performance.now();
    }, 1);
    const begun = performance.now();
    await db.backup(`${target}${compact}`, compact);
    clearInterval(tick);
    console.log(
      `    backup compact=${compact}: ${statSync(`${target}${compact}`).size} bytes, ${(performance.now() - begun).toFixed(0)} ms, ` +
        `${commits} commits meanwhile, longest stall of the loop ${longest.toFixed(1)} ms`,
    );
    const copy = open<string, string>({
      path: `${target}${compact}`,
      noSubdir: true,
      encoding: "string",
      readOnly: true,
    });
    const seen = copy.get("tick");
    assert.ok(copy.get("199/99"));
    console.log(`    the copy shows tick ${seen}`);
    await copy.close();
    await assert.rejects(db.backup(`${target}${compact}`, compact));
  }
  fact("backup runs in the threadpool, is a snapshot of its start, and refuses a path where something is");

  await new Promise<void>((resolve, reject) =>
    (db as unknown as { sync(done: (error?: Error) => void): void }).sync((error) =>
      error ? reject(error) : resolve(),
    ),
  );
  fact("sync(callback) resolves");
  await db.close();
}

main().finally(() => rmSync(folder, { recursive: true, force: true }));
