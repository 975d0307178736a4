/**
 * How the two C files of our own kernel host become binaries: the addon (against Node's headers; N-API only, so one binary serves every Node) and
 * the program that writes notices. Used by postinstall.mjs for this machine and by prebuild.mjs for a package that is to be published.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

const folder = join(import.meta.dirname, "../src/host/kernel/native");

const parts = [
  { source: "notice-writer.c", name: "notice-writer", flags: () => ["-pthread"], works: endsAsToldWithoutDevice },
  { source: "fuse-device.c", name: "fuse-device.node", flags: addonFlags, works: loads },
];

/** Makes what is missing or older than its source: from the package's prebuilt binary where that works here, else with the compiler. */
export function buildOwnHost() {
  for (const part of parts) {
    const binary = join(folder, "build", part.name);
    if (isNewer(binary, part.source)) continue;
    const prebuilt = prebuiltOf(`${process.platform}-${process.arch}`, part);
    const usable = isNewer(prebuilt, part.source) && made(binary, part, (into) => copyFileSync(prebuilt, into), true);
    if (!usable) made(binary, part, (into) => compile(part, process.env.CC || "cc", into));
  }
}

/** Binaries for machines like `target` ("linux-arm64"), made by its compiler. They are not tried: this machine may be another. */
export function prebuild(target, compiler) {
  for (const part of parts) place(prebuiltOf(target, part), (into) => compile(part, compiler, into));
}

/** What an earlier run made may be of another source. */
export function forgetPrebuilt() {
  rmSync(join(folder, "prebuilt"), { recursive: true, force: true });
}

function prebuiltOf(target, { name }) {
  return join(folder, "prebuilt", target, name);
}

function isNewer(binary, source) {
  return existsSync(binary) && statSync(binary).mtimeMs >= statSync(join(folder, source)).mtimeMs;
}

/** Puts a binary in its place after it was seen to work. False, or an exception with the reason, when it does not. */
function made(binary, { works }, make, mayFail = false) {
  try {
    place(binary, (into) => {
      make(into);
      works(into);
    });
    return true;
  } catch (error) {
    if (mayFail) return false;
    throw error;
  }
}

function place(binary, make) {
  mkdirSync(dirname(binary), { recursive: true });
  const unfinished = join(dirname(binary), `unfinished-${process.pid}.node`);
  try {
    make(unfinished);
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, binary);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function compile({ source, flags }, compiler, into) {
  const args = ["-std=c11", "-O2", ...flags(), join(folder, source), "-o", into];
  execFileSync(compiler, args, { stdio: "pipe" });
}

function addonFlags() {
  const include = headers();
  if (!include)
    throw new Error("the headers of Node were not found; set npm_config_nodedir to a prefix with include/node");
  return ["-fPIC", "-shared", "-DNODE_GYP_MODULE_NAME=fuse_device", "-I", include];
}

function loads(addon) {
  execFileSync(process.execPath, ["-e", `require(${JSON.stringify(addon)})`], { stdio: "pipe" });
}

/** Without the descriptor of a mount it ends with 2. */
function endsAsToldWithoutDevice(program) {
  chmodSync(program, 0o755);
  const { status, error } = spawnSync(program, [], { stdio: "ignore" });
  if (status !== 2) throw error ?? new Error(`the program that writes notices ended with ${status}`);
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
