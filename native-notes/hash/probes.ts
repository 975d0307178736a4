/** Shows what native-notes/hash.md says, with figures of this machine. Exits 1 when a fact does not hold. */
import { closeSync, constants, mkdtempSync, openSync, promises, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasher } from "../../src/content/hash.ts";
import { QuickXor } from "../../src/content/quick-xor.ts";

const MEGABYTES = 256;
const bytes = Buffer.alloc(MEGABYTES * 1_000_000, "some content");
const folder = mkdtempSync(join(tmpdir(), "hash-"));
const path = join(folder, "file");
const hashes = hasher();

async function rate(what: string, run: () => unknown): Promise<void> {
  const start = performance.now();
  await run();
  console.log(`${what}: ${Math.round(MEGABYTES / ((performance.now() - start) / 1000))} MB/s`);
}

function holds(what: string, truth: boolean): void {
  console.log(`${truth ? "holds" : "FAILS"}: ${what}`);
  if (!truth) process.exitCode = 1;
}

try {
  const inPieces = (): void => {
    const xor = new QuickXor();
    for (let at = 0; at < bytes.length; at += 262_144) xor.update(bytes.subarray(at, at + 262_144));
    xor.digest();
  };
  inPieces();
  await rate("in memory", inPieces);
  writeFileSync(path, bytes);
  const fd = openSync(path, "r+");
  await hashes.digest(fd, bytes.length, false);
  await rate("worker", () => hashes.digest(fd, bytes.length, false));
  await rate("worker with SHA-256", () => hashes.digest(fd, bytes.length, true));
  const copy = join(folder, "copy");
  rmSync(path);
  await promises.copyFile(`/proc/self/fd/${fd}`, copy, constants.COPYFILE_FICLONE);
  holds("a file whose name is gone can be copied", readFileSync(copy).equals(bytes));
  const one = new QuickXor().update(Buffer.from([1, ...new Uint8Array(319)])).digest();
  const other = new QuickXor().update(Buffer.from([...new Uint8Array(160), 1, ...new Uint8Array(159)])).digest();
  holds("the same change 160 bytes further on hashes alike", one === other);
  closeSync(fd);
} finally {
  await hashes.close();
  rmSync(folder, { recursive: true });
}
