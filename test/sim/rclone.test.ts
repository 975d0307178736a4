/**
 * An independent client: Debian's rclone, unmodified, against the simulator through the CONNECT door and its throw-away
 * certificates. Skipped only where rclone or openssl is not installed.
 */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { defaultSettings, runSim } from "../../src/sim/run-sim.ts";

const installed = ["rclone", "openssl"].every((tool) => spawnSync(tool, ["version"]).status === 0);
const LARGE_BYTES = 20_000_000;

test("rclone lists, uploads, downloads, renames and deletes", { skip: !installed }, async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sim-rclone-"));
  const complain = (error: unknown): never => {
    throw error;
  };
  const running = await runSim({ ...defaultSettings, connectProxy: true }, systemClock, complain);
  t.after(async () => {
    await running.close();
    fs.rmSync(dir, { recursive: true, force: true });
  });
  const rclone = await configured(dir, running);
  const large = randomBytes(LARGE_BYTES);
  fs.mkdirSync(path.join(dir, "up"));
  fs.writeFileSync(path.join(dir, "up", "large.bin"), large);
  fs.writeFileSync(path.join(dir, "up", "small #1 ü%41.txt"), "small");
  fs.writeFileSync(path.join(dir, "up", "empty"), "");
  await rclone("copy", path.join(dir, "up"), "sim:there");
  assert.deepEqual(
    (await rclone("lsf", "--format", "sp", "sim:there")).trim().split("\n").sort(),
    ["0;empty", `${LARGE_BYTES};large.bin`, "5;small #1 ü%41.txt"].sort(),
  );
  await rclone("copy", "sim:there", path.join(dir, "down"));
  assert.ok(fs.readFileSync(path.join(dir, "down", "large.bin")).equals(large));
  assert.equal(fs.readFileSync(path.join(dir, "down", "small #1 ü%41.txt"), "utf8"), "small");
  const inCloud = await fetch(`${running.url}/_sim/files/there/large.bin`);
  assert.ok(Buffer.from(await inCloud.arrayBuffer()).equals(large));
  await rclone("moveto", "sim:there/large.bin", "sim:other/renamed.bin");
  await rclone("mkdir", "sim:new folder");
  await rclone("deletefile", "sim:there/empty");
  assert.deepEqual((await rclone("lsf", "-R", "sim:")).trim().split("\n").sort(), [
    "new folder/",
    "other/",
    "other/renamed.bin",
    "there/",
    "there/small #1 ü%41.txt",
  ]);
  await rclone("purge", "sim:there");
  assert.equal(await rclone("lsf", "sim:"), "new folder/\nother/\n");
});

async function configured(
  dir: string,
  running: { url: string; ready: Readonly<Record<string, unknown>> },
): Promise<(...args: string[]) => Promise<string>> {
  const reply = await fetch(`${running.url}/_sim/token`, { method: "POST", body: "{}" });
  const { access_token, refresh_token } = (await reply.json()) as Record<string, string>;
  const token = JSON.stringify({
    access_token,
    token_type: "Bearer",
    refresh_token,
    expiry: new Date(Date.now() - 60_000).toISOString(),
  });
  const config = path.join(dir, "rclone.conf");
  const lines = [
    "[sim]",
    "type = onedrive",
    `token = ${token}`,
    `drive_id = ${String(running.ready["driveId"])}`,
    "drive_type = personal",
  ];
  fs.writeFileSync(config, lines.join("\n"));
  const common = [
    "--config",
    config,
    "--ca-cert",
    String(running.ready["ca"]),
    "--retries",
    "1",
    "--low-level-retries",
    "2",
  ];
  const env = { ...process.env, HTTPS_PROXY: running.url, HTTP_PROXY: "", NO_PROXY: "" };
  return async (...args) => (await promisify(execFile)("rclone", [...common, ...args], { env })).stdout;
}
