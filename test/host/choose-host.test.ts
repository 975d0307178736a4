/** Which host serves a mount, and that a fall back to the other one is never silent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { failed, ok, type Result } from "../../src/base/result.ts";
import { chooseHost, type Hosts } from "../../src/host/choose-host.ts";
import type { Host, Mounted, MountFault, MountOptions } from "../../src/host/host.ts";
import type { Config } from "../../src/model/config.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";

const mounted = { gone: Promise.resolve() } as Mounted;

async function play(wanted: Config["host"], own: Result<Mounted, MountFault>): Promise<[string[], string[], string]> {
  const [asked, said]: [string[], string[]] = [[], []];
  const host = (name: Host["name"], answer: Result<Mounted, MountFault>): Host => ({
    name,
    mount: async () => (asked.push(name), answer),
  });
  const hosts: Hosts = {
    kernel: host("kernel", own),
    "fuse-native": host("fuse-native", ok(mounted)),
    say: (line) => void said.push(line),
  };
  const given = await chooseHost(wanted, hosts).mount({} as Vfs, {} as MountOptions);
  return [asked, said, given.ok ? "mounted" : given.fault.why];
}

const absent = failed<MountFault>({ kind: "absent", why: "the kernel host was not built" });
const busy = failed<MountFault>({ kind: "busy", why: "something is mounted there" });

test("choose host: auto is our own, and fuse-native with a word where our own cannot be had", async () => {
  assert.deepEqual(await play("auto", ok(mounted)), [["kernel"], [], "mounted"]);
  assert.deepEqual(await play("auto", absent), [
    ["kernel", "fuse-native"],
    ["the kernel host was not built (this mount goes through fuse-native)"],
    "mounted",
  ]);
});

test("choose host: what the other host could not do either is no reason to ask it", async () => {
  assert.deepEqual(await play("auto", busy), [["kernel"], [], "something is mounted there"]);
});

test("choose host: the one that was asked for by name, and only that", async () => {
  assert.deepEqual(await play("kernel", absent), [["kernel"], [], "the kernel host was not built"]);
  assert.deepEqual(await play("fuse-native", ok(mounted)), [["fuse-native"], [], "mounted"]);
});
