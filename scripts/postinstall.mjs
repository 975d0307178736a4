/**
 * Runs after `npm install` and `npm ci`: applies patches/ to the installed packages, rebuilds fuse-native from the patched
 * source (npm itself keeps the published binary, without an error), and compiles the C files of our own host. It does nothing that
 * is done already. Node's own headers are used where they lie beside the running node, so that nothing is fetched.
 * Ends with one clear line and exit code 1 when fuse-native cannot be had. Without our own host's binary mounts go through fuse-native:
 * that is one clear line and no failure.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

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

/** Two C files, one against Node's headers and one that is a program; a binary that is not older than its source stays. */
function buildOwnHost() {
  const addon = (unfinished) => {
    const include = headers();
    if (!include)
      throw new Error("the headers of Node were not found; set npm_config_nodedir to a prefix with include/node");
    compile("fuse-device.c", unfinished, "-fPIC", "-shared", "-DNODE_GYP_MODULE_NAME=fuse_device", "-I", include);
    run(process.execPath, ["-e", `require(${JSON.stringify(unfinished)})`], "pipe");
  };
  build("notice-writer.c", "notice-writer", (unfinished) => compile("notice-writer.c", unfinished, "-pthread"));
  build("fuse-device.c", "fuse-device.node", addon);
}

function native(file) {
  return join(home, "src/host/kernel/native", file);
}

function build(source, name, make) {
  const binary = native(`build/${name}`);
  if (existsSync(binary) && statSync(binary).mtimeMs >= statSync(native(source)).mtimeMs) return;
  mkdirSync(dirname(binary), { recursive: true });
  const unfinished = join(dirname(binary), `unfinished-${process.pid}.node`);
  try {
    make(unfinished);
    renameSync(unfinished, binary);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function compile(source, into, ...flags) {
  execFileSync(process.env.CC || "cc", ["-std=c11", "-O2", ...flags, native(source), "-o", into], { stdio: "pipe" });
}

/** Where node_api.h and uv.h are: as told, beside node, or where node-gyp put those it fetched for fuse-native. */
function headers() {
  const prefix = resolve(dirname(process.execPath), "..");
  const cache = process.env.npm_config_devdir || join(homedir(), ".cache/node-gyp");
  const places = [process.env.npm_config_nodedir, prefix, join(cache, process.versions.node)];
  return places
    .filter(Boolean)
    .map((place) => join(place, "include/node"))
    .find((place) => existsSync(join(place, "node_api.h")) && existsSync(join(place, "uv.h")));
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
