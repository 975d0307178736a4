/** quickXorHash against the documented vectors and the plain implementation; the worker against both. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { hasher } from "../../src/content/hash.ts";
import { QuickXor, quickXorHash } from "../../src/content/quick-xor.ts";
import { noise } from "../contract/content-world.ts";
import { quickXorOf } from "../support/quick-xor.ts";

const VECTORS: readonly [string, Uint8Array, string][] = [
  ["nothing", Buffer.alloc(0), "AAAAAAAAAAAAAAAAAAAAAAAAAAA="],
  ["abc", Buffer.from("abc"), "YRDDGAAAAAAAAAAAAwAAAAAAAAA="],
  ["hello world", Buffer.from("hello world\r\n"), "aCgDG9jwBhDc4Q1ybQMZGqAAAAA="],
  ["fox", Buffer.from("The quick brown fox jumps over the lazy dog"), "bMSlbysmxJL6S75XwfMcQZOpcr4="],
  ["00..ff", Buffer.from(Array.from({ length: 256 }, (_, i) => i)), "QkGEfSisZcA7k+FCh71r2dbCayY="],
  ["1 MiB", Buffer.from(Array.from({ length: 1 << 20 }, (_, i) => (7 * i + 3) & 255)), "XhQes7LH2XNgLdVXMMeilbw5oAI="],
  ["As", Buffer.alloc(1_000_000, "A"), "AAAAAAAAAAAAAAAAQEIPAAAAAAA="],
];

test("quickXorHash gives the documented values", () => {
  for (const [what, bytes, hash] of VECTORS) assert.equal(quickXorHash(bytes), hash, what);
});

test("quickXorHash in pieces, at any alignment, is that of the whole", () => {
  const bytes = noise(3_000);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 12 }), fc.nat(7), (cuts, skip) => {
      const input = bytes.subarray(skip);
      const whole = new QuickXor();
      let at = 0;
      for (const cut of cuts) {
        whole.update(input.subarray(at, at + cut));
        at = Math.min(input.length, at + cut);
      }
      assert.equal(whole.digest(), quickXorOf(input.subarray(0, at)));
    }),
  );
});

test("the worker hashes files, several at once, only as far as asked", async () => {
  const folder = await mkdtemp(join(tmpdir(), "hash-"));
  const hashes = hasher();
  try {
    await Promise.all(
      [10, 200_000, 20_000_000, 1_000_003].map(async (size) => {
        const bytes = noise(size, size);
        const path = join(folder, String(size));
        await writeFile(path, bytes);
        const file = await open(path, "r");
        try {
          const digest = await hashes.digest(file.fd, size, true);
          assert.equal(digest.hash, quickXorHash(bytes));
          assert.equal(digest.sha256, createHash("sha256").update(bytes).digest("hex"));
          assert.equal(digest.length, size);
          const part = await hashes.digest(file.fd, size - 1, false);
          assert.deepEqual(part, { length: size - 1, hash: quickXorHash(bytes.subarray(0, size - 1)), sha256: "" });
          assert.equal((await hashes.digest(file.fd, size + 500, false)).length, size);
        } finally {
          await file.close();
        }
      }),
    );
    await assert.rejects(hashes.digest(99_999, 1_000_000, false), { code: "EBADF" });
  } finally {
    await hashes.close();
    await rm(folder, { recursive: true });
  }
});
