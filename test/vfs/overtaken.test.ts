/** Handles whose file the cloud changed or deleted while they were open: nothing is written into the void, nothing breaks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cTag, itemId, ROOT, type ItemKey } from "../../src/model/ids.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { me, World } from "./world.ts";

const text = (value: string): Uint8Array => Buffer.from(value);

/** The cloud has another version of the file, which is here. */
function newVersion(world: World, node: ItemKey, bytes: string): void {
  world.store.transact((tx) => {
    const mirror = { ...tx.mirror.get(node)!, cTag: cTag("newer"), size: bytes.length };
    changeTrees(tx, new Map([[node, { mirror }]]));
  });
  world.cloud.put(itemId(`id-${node}`), "newer", text(bytes));
  world.cache(node, text(bytes));
}

describe("vfs: overtaken handles", () => {
  it("a truncation through a handle on an older version is refused once the file got other bytes here", async () => {
    const world = new World();
    const node = world.inCloud("f", "one");
    const old = await world.open(node);
    newVersion(world, node, "other");
    const young = await world.open(node);
    await world.do(world.vfs.write(young, 0, text("OTHER")));
    assert.equal(await world.kind(world.vfs.setattr(node, { size: 0 }, me, old)), "stale");
    await world.close(old);
    await world.close(young);
    assert.equal(await world.read(node), "OTHER");
    await world.check();
  });

  it("a truncation by path cuts the version the file has now", async () => {
    const world = new World();
    const node = world.inCloud("f", "one");
    const old = await world.open(node);
    newVersion(world, node, "other");
    await world.do(world.vfs.setattr(node, { size: 4 }, me));
    assert.equal(await world.read(node), "othe");
    await world.close(old);
    await world.check();
  });

  it("a truncation by path of a file that is gone here but open reaches its handles", async () => {
    const world = new World();
    const node = await world.make("f", "text");
    const handle = await world.open(node);
    await world.unlink("f");
    await world.do(world.vfs.setattr(node, { size: 2 }, me));
    assert.equal(Buffer.from(await world.do(world.vfs.read(handle, 0, 9))).toString(), "te");
    await world.close(handle);
    await world.check();
  });

  it("a write to a file that was deleted in the cloud meanwhile is refused, not swallowed", async () => {
    const world = new World();
    const node = world.inCloud("f", "text");
    const handle = await world.open(node);
    world.store.transact((tx) => changeTrees(tx, new Map([[node, { mirror: null, local: null }]])));
    assert.equal(await world.kind(world.vfs.write(handle, 0, text("mine"))), "stale");
    assert.equal(await world.kind(world.vfs.setattr(node, { size: 0 }, me, handle)), "notFound");
    await world.close(handle);
    await world.check();
  });

  it("a file that was unlinked here and is open takes writes, which go with it", async () => {
    const world = new World();
    const node = world.inCloud("f", "text");
    const handle = await world.open(node);
    await world.unlink("f");
    await world.do(world.vfs.write(handle, 0, text("mine")));
    assert.equal(Buffer.from(await world.do(world.vfs.read(handle, 0, 9))).toString(), "mine");
    await world.close(handle);
    assert.deepEqual(await world.ls(ROOT), []);
    await world.check();
  });
});
