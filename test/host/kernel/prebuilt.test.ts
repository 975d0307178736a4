/** A package with prebuilt binaries needs no compiler for our own host; one whose binaries do not work here is compiled, or says why not. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { repository } from "../../support/repository.ts";

const NATIVE = "src/host/kernel/native";
const OWN = `linux-${process.arch}`;
/** Machines as the header of a binary names them. */
const MACHINES: Readonly<Record<string, number>> = { "linux-x64": 62, "linux-arm64": 183 };

test("prebuilt: used where they work, compiled where not, and one line without a compiler", () => {
  const home = mkdtempSync(join(tmpdir(), "onedrive-prebuilt-"));
  const at = (...parts: string[]): string => join(home, NATIVE, ...parts);
  const script = (name: string, env: NodeJS.ProcessEnv, ...args: string[]): string => {
    const ran = spawnSync(process.execPath, [join(home, "scripts", name), ...args], {
      encoding: "utf8",
      env: { ...process.env, ...env },
    });
    assert.equal(ran.status, 0, ran.stderr);
    return ran.stderr;
  };
  const install = (env: NodeJS.ProcessEnv): string => {
    rmSync(at("build"), { recursive: true, force: true });
    return script("postinstall.mjs", env, "--own-host");
  };
  const binaries = ["fuse-device.node", "notice-writer"];
  const installed = (): boolean[] => binaries.map((name) => existsSync(at("build", name)));
  try {
    mkdirSync(at(), { recursive: true });
    mkdirSync(join(home, "scripts"));
    for (const path of ["package.json", `${NATIVE}/fuse-device.c`, `${NATIVE}/notice-writer.c`])
      copyFileSync(join(repository, path), join(home, path));
    for (const name of ["own-host.mjs", "postinstall.mjs", "prebuild.mjs"])
      copyFileSync(join(repository, "scripts", name), join(home, "scripts", name));

    const told = script("prebuild.mjs", {});
    assert.match(told, new RegExp(`^prebuilt: ${OWN}$`, "m"));
    for (const [target, machine] of Object.entries(MACHINES))
      for (const name of told.includes(`prebuilt: ${target}\n`) ? binaries : [])
        assert.equal(readFileSync(at("prebuilt", target, name)).readUInt16LE(18), machine, `${target} ${name}`);

    assert.equal(install({ CC: "false" }), "");
    assert.deepEqual(installed(), [true, true]);
    for (const name of binaries)
      assert.deepEqual(readFileSync(at("build", name)), readFileSync(at("prebuilt", OWN, name)));
    assert.equal(statSync(at("build", "notice-writer")).mode & 0o777, 0o755);

    for (const name of binaries) writeFileSync(at("prebuilt", OWN, name), "of another machine");
    assert.match(install({ CC: "false" }), /its own kernel host could not be built, so mounts use fuse-native: /);
    assert.deepEqual(installed(), [false, false]);
    assert.equal(install({}), "");
    assert.deepEqual(installed(), [true, true]);
  } finally {
    rmSync(home, { recursive: true });
  }
});
