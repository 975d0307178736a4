/** What a kill or a power cut leaves of calls that returned. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT } from "../../src/model/ids.ts";
import { me, World } from "./world.ts";

const writing = { read: true, write: true, append: false, truncate: false };
const text = (value: string): Uint8Array => Buffer.from(value);

describe("vfs: durability", () => {
  it("after close, kill -9 loses nothing: bytes, length, time, mode, name", async () => {
    const world = new World();
    const node = await world.make("f", "text", { mode: 0o751 });
    await world.do(world.vfs.setattr(node, { mtime: { s: 5, n: 250 } }, me));
    await world.rename("f", "g");
    world.kill();
    assert.equal(await world.read(world.at("g")), "text");
    const shown = await world.stat(node);
    assert.deepEqual([shown.inode, shown.mode, shown.mtime, shown.size], [node, 0o751, { s: 5, n: 250 }, 4]);
    await world.check();
  });

  it("an open file: what fsync or a checkpoint committed", async () => {
    const world = new World();
    for (const commit of ["fsync", "checkpoint"]) {
      const node = await world.make(commit, "");
      const handle = await world.open(node);
      await world.do(world.vfs.write(handle, 0, text("written")));
      if (commit === "fsync") await world.do(world.vfs.fsync(handle));
      else await world.do(world.vfs.checkpointOpenFiles());
      world.kill();
      assert.equal((await world.stat(node)).size, 7);
    }
  });

  it("fsync and fsyncdir leave nothing for a power cut", async () => {
    const world = new World();
    const handle = await world.open(await world.make("f", "x"));
    await world.do(world.vfs.write(handle, 0, text("yz")));
    await world.do(world.vfs.fsync(handle));
    assert.equal(world.store.unsynced, 0);
    await world.do(world.vfs.mkdir(ROOT, "d", 0o755, me));
    assert.ok(world.store.unsynced > 0);
    await world.do(world.vfs.fsyncdir(ROOT));
    assert.equal(world.store.unsynced, 0);
  });

  it("the first write to a clean file is recorded before it is made; kill finds the old length or more", async () => {
    const world = new World();
    const node = world.inCloud("f", "0123456789");
    const handle = await world.open(node);
    assert.deepEqual(world.ops(), []);
    await world.do(world.vfs.write(handle, 8, text("XYZ")));
    assert.deepEqual(world.opTypes(), ["writeContent"]);
    assert.equal((await world.stat(node)).size, 11);
    world.kill();
    assert.equal((await world.stat(node)).size, 10);
  });

  it("a full disk: the call says so and nothing has changed", async () => {
    const world = new World();
    const node = world.inCloud("f", "text");
    await world.make("g", "g");
    const before = JSON.stringify([
      ...world.store.read.local.range(),
      ...world.store.read.ops.range(),
      ...world.store.read.facts.range(),
    ]);
    world.store.fillDisk(true);
    const handle = await world.open(node);
    const calls = [
      () => world.vfs.create(ROOT, "n", 0o644, { ...writing, exclusive: true }, me),
      () => world.vfs.mkdir(ROOT, "n", 0o755, me),
      () => world.vfs.unlink(ROOT, "f"),
      () => world.vfs.rename({ parent: ROOT, name: "f" }, { parent: ROOT, name: "g" }, "replace"),
      () => world.vfs.write(handle, 0, text("x")),
      () => world.vfs.setattr(node, { mode: 0o600 }, me),
      () => world.vfs.setattr(node, { mtime: "now" }, me),
      () => world.vfs.setattr(node, { size: 0 }, me),
      () => world.vfs.setxattr(node, "user.x", text("1"), "any"),
    ];
    for (const call of calls) assert.equal(await world.kind(call()), "noSpace");
    const after = JSON.stringify([
      ...world.store.read.local.range(),
      ...world.store.read.ops.range(),
      ...world.store.read.facts.range(),
    ]);
    assert.equal(after, before);
    world.store.fillDisk(false);
    await world.close(handle);
    assert.equal(await world.read(node), "text");
    await world.check();
  });

  it("ending: changes are refused, handles may still be committed and closed", async () => {
    const world = new World();
    const node = await world.make("f", "");
    const handle = await world.open(node);
    await world.do(world.vfs.write(handle, 0, text("abc")));
    world.vfs.stopAccepting();
    assert.equal(await world.kind(world.vfs.mkdir(ROOT, "d", 0o755, me)), "io");
    assert.equal(await world.kind(world.vfs.write(handle, 3, text("d"))), "io");
    await world.do(world.vfs.checkpointOpenFiles());
    assert.equal(world.view(node)!.size, 3);
    await world.close(handle);
  });
});
