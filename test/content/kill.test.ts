/** C2: a real process is killed with SIGKILL at random moments while it writes; what it answered for is there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { seededRandom } from "../../src/base/random.ts";
import { itemKey } from "../../src/model/ids.ts";
import { noise, value } from "../contract/content-world.ts";
import { actOf, CLOUD_SIZES, FILES, openWorld, prepare, type Act } from "./killed-writer.ts";

const ROUNDS = Number(process.env["KILL_ROUNDS"] ?? 1);

function after(bytes: Buffer, { act, at, length }: Act): Buffer {
  if (act !== "write" && act !== "cut") return bytes;
  if (act === "write" && length === 0) return bytes;
  const size = act === "cut" ? at : Math.max(bytes.length, at + length);
  const next = Buffer.alloc(size);
  bytes.copy(next, 0, 0, size);
  if (act === "write") noise(length, at).copy(next, at);
  return next;
}

/** Writes until it is killed; the number of the last act that was answered. */
async function runAndKill(root: string, seed: string, first: number, afterMs: number): Promise<number> {
  const script = fileURLToPath(new URL("killed-writer.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, root, seed, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    if (said === "") setTimeout(() => child.kill("SIGKILL"), afterMs);
    said += part;
  });
  const [, signal] = (await once(child, "close")) as [number, string];
  assert.equal(signal, "SIGKILL");
  return said.split("\n").slice(0, -1).map(Number).at(-1) ?? first - 1;
}

function between(actual: Buffer, before: Buffer, next: Buffer): boolean {
  if (actual.equals(before) || actual.equals(next)) return true;
  for (let i = 0; i < actual.length; i++)
    if (actual[i] !== (before[i] ?? 0) && actual[i] !== (next[i] ?? 0)) return false;
  return actual.length >= Math.min(before.length, next.length) && actual.length <= Math.max(before.length, next.length);
}

test("kill -9 in the middle of writes loses nothing that was answered", async () => {
  const root = await mkdtemp(join(tmpdir(), "kill-"));
  const seed = process.env["SEED"] ?? String(Date.now());
  const random = seededRandom(seed);
  try {
    await prepare(root);
    const files = Array.from({ length: FILES }, (_, i) => noise(CLOUD_SIZES[i] ?? 0, i));
    let next = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const last = await runAndKill(root, seed, next, random.below(400));
      for (; next <= last; next++) {
        const act = actOf(seed, next);
        files[act.file] = after(files[act.file]!, act);
      }
      const { disk, store } = await openWorld(root, "kill");
      CLOUD_SIZES.forEach((size, i) => disk.world.origin.put(`id-f${i}` as never, `"c:f${i},1"`, noise(size, i)));
      const underWay = actOf(seed, next++);
      for (const [i, expected] of files.entries()) {
        const actual = Buffer.from(await disk.world.read(itemKey(2 + i)));
        const holds =
          i === underWay.file ? between(actual, expected, after(expected, underWay)) : actual.equals(expected);
        assert.ok(holds, `file ${i} after act ${next - 1}, round ${round}; replay with SEED=${seed}`);
        files[i] = actual;
      }
      const blobs = Array.from(store.read.blobs.range(), ([blob]) => blob);
      for (const blob of blobs) value(await disk.content.freeze(blob));
      await disk.world.dispose();
      await store.close();
      assert.deepEqual(disk.defects, []);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
