/** One line for a disk that refuses, nothing for a bug. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unusable } from "../../src/base/unusable.ts";

test("base/unusable: what a call refused is said with its place; a bug has no words", async () => {
  const dir = mkdtempSync(join(tmpdir(), "words-"));
  try {
    const file = join(dir, "file");
    await writeFile(file, "");
    const words = async (call: Promise<unknown>): Promise<string | undefined> => unusable(await call.catch((e) => e));
    assert.match((await words(mkdir(file))) ?? "", /file cannot be made: a file is where/);
    assert.match((await words(readdir(join(dir, "none")))) ?? "", /none is not there/);
    assert.match((await words(writeFile("/dev/full", "x"))) ?? "", /no room/);
    const listening = new Promise((_, reject) => createServer().once("error", reject).listen(join(file, "socket")));
    assert.match((await words(listening)) ?? "", /socket/);
    assert.equal(unusable(new TypeError("a bug")), undefined);
    assert.equal(unusable(Object.assign(new Error("of node"), { code: "ERR_INVALID_ARG_TYPE" })), undefined);
    assert.equal(unusable("text"), undefined);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
