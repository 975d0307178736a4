/**
 * Runs after `npm install` and `npm ci`: applies patches/ to the installed packages, rebuilds fuse-native from the patched
 * source (npm itself keeps the published binary, without an error), and puts the binaries of our own host in place (own-host.mjs: prebuilt
 * ones of the package where they work, else compiled). It does nothing that is done already. Node's own headers are used where they lie
 * beside the running node, so that nothing is fetched.
 * Ends with one clear line and exit code 1 when fuse-native cannot be had. Without our own host's binary mounts go through fuse-native:
 * that is one clear line and no failure.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { buildOwnHost } from "./own-host.mjs";

const home = resolve(import.meta.dirname, "..");
const require = createRequire(join(home, "package.json"));

/** As `npm run build` calls it: only what is compiled of our own source. */
if (!process.argv.includes("--own-host")) installFuseNative();

try {
  buildOwnHost();
} catch (error) {
  const why = String(error.stderr || error.message)
    .trim()
    .split("\n")[0];
  console.error(`mount.onedrive: its own kernel host could not be built, so mounts use fuse-native: ${why}`);
}

function installFuseNative() {
  try {
    applyPatches();
    if (!isBuilt()) rebuild();
    if (!isBuilt()) throw new Error("the rebuilt binary does not carry the patch's marker");
  } catch (error) {
    console.error(`mount.onedrive: fuse-native could not be patched and built: ${error.message.split("\n")[0]}`);
    console.error("It needs python3, make and g++ (Debian: apt install python3 make g++); then: npm ci");
    process.exitCode = 1;
  }
}

function applyPatches() {
  const tool = require.resolve("patch-package/package.json");
  run(process.execPath, [join(dirname(tool), "index.js"), "--error-on-fail"]);
}

/** True when the binary that node-gyp-build would load answers with the number of the patched source. */
function isBuilt() {
  const folder = dirname(require.resolve("fuse-native/package.json"));
  const wanted = /MOUNT_ONEDRIVE_PATCH = (\d+)/.exec(readFileSync(join(folder, "index.js"), "utf8"))?.[1];
  const binary = join(folder, "build/Release/fuse.node");
  if (!wanted || !existsSync(binary)) return false;
  const ask = `process.exit(require(${JSON.stringify(binary)}).mountOneDrivePatch === ${wanted} ? 0 : 1)`;
  try {
    run(process.execPath, ["-e", ask], "ignore");
    return true;
  } catch {
    return false;
  }
}

function rebuild() {
  const prefix = resolve(dirname(process.execPath), "..");
  const headers = existsSync(join(prefix, "include/node/node.h")) ? { npm_config_nodedir: prefix } : {};
  const env = { ...process.env, ...headers, npm_config_build_from_source: "true" };
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith("js") ? [process.execPath, [npm]] : ["npm", []];
  execFileSync(command, [...args, "rebuild", "fuse-native", "--foreground-scripts"], { cwd: home, env, stdio: "pipe" });
}

function run(command, args, stdio = "inherit") {
  execFileSync(command, args, { cwd: home, stdio });
}
