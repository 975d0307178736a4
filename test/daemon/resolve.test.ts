/** Settling a conflict: the bytes that lose go only when those that win are whole and in place, and only if they are still those. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { resolveConflict } from "../../src/daemon/resolve.ts";
import { ok } from "../../src/base/result.ts";
import type { ItemKey } from "../../src/model/ids.ts";
import type { Vfs } from "../../src/vfs/vfs.ts";
import { World } from "../vfs/world.ts";

/** The file `f` of the cloud, and beside it what a person wrote. */
async function conflict(): Promise<{ world: World; mine: ItemKey; theirs: ItemKey }> {
  const world = new World();
  const theirs = world.inCloud("f", "theirs");
  const mine = await world.make("copy", "what I wrote");
  world.store.transact((tx) => tx.conflicts.put(mine, { of: theirs, why: "both sides wrote", at: 1 }));
  return { world, mine, theirs };
}

/** The same calls, of which one acts before its answer. */
function withCall<K extends keyof Vfs>(vfs: Vfs, name: K, call: Vfs[K]): Vfs {
  return new Proxy(vfs, { get: (target, key) => (key === name ? call : Reflect.get(target, key)) });
}

test("a disk that takes only a part of the last block leaves no file without its end", async () => {
  const { world, mine } = await conflict();
  const vfs = withCall(world.vfs, "write", (handle, position, bytes) =>
    world.vfs.write(handle, position, bytes.subarray(0, Math.min(5, bytes.length))),
  );
  const done = await resolveConflict({ store: world.store, vfs, node: mine, keep: "mine" });
  assert.deepEqual(done, ok());
  assert.equal(await world.read(world.at("f")), "what I wrote");
  assert.deepEqual(await world.ls(), ["f"]);
});

test("a copy that is written to while it is settled stays, with what was written", async () => {
  const { world, mine } = await conflict();
  const vfs = withCall(world.vfs, "fsync", async (handle) => {
    const since = await world.open(mine);
    await world.do(world.vfs.write(since, 12, Buffer.from("since")));
    await world.close(since);
    return world.vfs.fsync(handle);
  });
  const done = await resolveConflict({ store: world.store, vfs, node: mine, keep: "mine" });
  assert.equal(done.ok ? "ok" : done.fault.kind, "busy");
  assert.equal(await world.read(world.at("copy")), "what I wrotesince");
  assert.deepEqual([await world.read(world.at("f")), await world.ls()], ["theirs", ["copy", "f"]]);
});

test("a file that takes the name of the copy while it is settled stays", async () => {
  const { world, mine } = await conflict();
  const vfs = withCall(world.vfs, "fsync", async (handle) => {
    await world.rename("copy", "other");
    await world.make("copy", "another file");
    return world.vfs.fsync(handle);
  });
  const done = await resolveConflict({ store: world.store, vfs, node: mine, keep: "mine" });
  assert.equal(done.ok ? "ok" : done.fault.kind, "busy");
  assert.deepEqual(
    [await world.read(world.at("copy")), await world.read(world.at("other"))],
    ["another file", "what I wrote"],
  );
});
