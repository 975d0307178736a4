/** Open files go on working: unlinked, renamed over, changed in the cloud. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { me, World } from "./world.ts";

const exclusively = { read: true, write: true, append: false, truncate: false, exclusive: true };
const text = (value: string): Uint8Array => Buffer.from(value);

describe("vfs: open files", () => {
  it("opening for writing without writing moves no byte and records nothing", async () => {
    const world = new World();
    const node = world.inCloud("f", "text", { here: false });
    await world.close(await world.open(node));
    assert.deepEqual([world.ops(), world.content.downloads], [[], 0]);
  });

  it("a file is being written to from the moment somebody asks to write, not from the answer on", async () => {
    const world = new World();
    const node = world.inCloud("f", "text");
    const handle = await world.open(node);
    assert.ok(!world.vfs.isWriting(node), "who only has it open keeps nobody waiting");
    const writing = world.vfs.write(handle, 0, text("T"));
    assert.ok(world.vfs.isWriting(node));
    await world.do(writing);
    await world.close(handle);
    const other = await world.open(node);
    const cutting = world.vfs.setattr(node, { size: 1 }, me, other);
    assert.ok(world.vfs.isWriting(node));
    await world.do(cutting);
    await world.close(other);
    assert.ok(!world.vfs.isWriting(node));
  });

  it("a program that may not download reads what is wholly here, and gets EIO at once for the rest", async () => {
    const world = new World({ asker: ({ pid }) => ({ pid, name: "x", mayDownload: pid !== 7 }) });
    const [far, near] = [world.inCloud("far", "text", { here: false }), world.inCloud("near", "text")];
    const empty = world.inCloud("empty", "", { here: false });
    const reading = { read: true, write: false, append: false, truncate: false };
    const read = async (node: ItemKey, pid: number): Promise<string> => {
      const handle = await world.do(world.vfs.open(node, reading, { ...me, pid }));
      const got = await world.vfs.read(handle, 0, 10);
      await world.close(handle);
      return got.ok ? Buffer.from(got.value).toString() : got.fault.kind;
    };
    assert.deepEqual([await read(far, 7), await read(near, 7), await read(empty, 7)], ["offline", "text", ""]);
    assert.equal(world.content.downloads, 0);
    const early = await world.do(world.vfs.open(far, reading, { ...me, pid: 7 }));
    assert.equal(await read(far, 8), "text");
    assert.equal(Buffer.from(await world.do(world.vfs.read(early, 0, 10))).toString(), "text", "it is here by now");
    await world.close(early);
  });

  it("who makes bytes come is told before they do: reading, writing into it, cutting it; nobody when all is here or closed", async () => {
    const told: string[] = [];
    const world = new World({
      asker: ({ pid }) => ({ pid, name: "x", mayDownload: pid !== 7 }),
      asks: (node, asker) => void told.push(`${node === far ? "far" : "other"} ${asker?.pid ?? "nobody"}`),
    });
    const far = world.inCloud("far", "some text", { here: false });
    const near = world.inCloud("near", "text");
    const flags = { read: true, write: true, append: false, truncate: false };
    const since = (): string[] => told.splice(0);
    const refused = await world.do(world.vfs.open(far, flags, { ...me, pid: 7 }));
    await world.vfs.read(refused, 0, 1);
    assert.deepEqual(since(), [], "what may not download does not ask");
    await world.close(refused);
    since();
    const reader = await world.do(world.vfs.open(far, flags, { ...me, pid: 8 }));
    await world.do(world.vfs.read(reader, 0, 1));
    assert.deepEqual(since(), ["far 8"]);
    await world.close(reader);
    assert.deepEqual(since(), ["far nobody"]);
    const other = await world.do(world.vfs.open(near, flags, { ...me, pid: 8 }));
    await world.do(world.vfs.read(other, 0, 1));
    await world.close(other);
    assert.deepEqual(since(), ["other nobody"]);
    const cut = world.inCloud("cut", "some text", { here: false });
    await world.do(world.vfs.setattr(cut, { size: 3 }, { ...me, pid: 9 }));
    assert.deepEqual(since(), ["other 9", "other nobody"]);
    const written = world.inCloud("written", "some text", { here: false });
    const writer = await world.do(world.vfs.open(written, flags, { ...me, pid: 10 }));
    await world.do(world.vfs.write(writer, 2, Buffer.from("x")));
    assert.deepEqual(since(), ["other 10"]);
    await world.close(writer);
  });

  it("cut to nothing by an open for reading, as Linux does", async () => {
    const world = new World();
    const node = world.inCloud("f", "text");
    const handle = await world.do(
      world.vfs.open(node, { read: true, write: false, append: false, truncate: true }, me),
    );
    assert.equal((await world.do(world.vfs.read(handle, 0, 10))).length, 0);
    assert.equal(await world.kind(world.vfs.write(handle, 0, text("x"))), "badHandle");
    await world.close(handle);
    assert.deepEqual([await world.read(node), world.ops().length], ["", 1]);
  });

  it("who has it open is known, and who writes to it", async () => {
    const world = new World();
    const node = world.inCloud("f", "text");
    const known = (): unknown[] => [world.vfs.isWriting(node), world.vfs.openHandles()];
    const one = await world.open(node, "r");
    assert.deepEqual(known(), [false, 1]);
    const two = await world.open(node);
    assert.deepEqual(known(), [false, 2], "a file kept open without a write keeps nobody waiting");
    const three = await world.open(node);
    await world.do(world.vfs.write(two, 0, text("t")));
    await world.close(two);
    assert.deepEqual(known(), [true, 2], "pages written through another handle may still come");
    await world.close(three);
    await world.close(one);
    assert.deepEqual(known(), [false, 0]);
    assert.equal(await world.kind(world.vfs.flush(two)), "badHandle");
  });

  it("a file just made, or cut to nothing, is being written until its last close", async () => {
    const world = new World();
    const made = await world.do(world.vfs.create(ROOT, "new", 0o644, exclusively, me));
    const node = world.at("new");
    assert.equal(world.vfs.isWriting(node), true);
    await world.close(made.handle);
    assert.equal(world.vfs.isWriting(node), false);
    const handle = await world.open(node);
    await world.do(world.vfs.setattr(node, { size: 0 }, me));
    assert.equal(world.vfs.isWriting(node), true);
    await world.close(handle);
    assert.equal(world.vfs.isWriting(node), false);
  });

  it("deleted in the cloud while it is open: it is read to its end, and has attributes, without a name", async () => {
    const world = new World();
    const node = world.inCloud("f", "some text");
    const handle = await world.open(node, "r");
    world.store.transact((tx) => changeTrees(tx, new Map([[node, { mirror: null }]])));
    for (const of of [handle, undefined]) {
      const { size, links } = await world.do(world.vfs.getattr(node, of));
      assert.deepEqual([size, links], [9, 0]);
    }
    assert.equal(Buffer.from(await world.do(world.vfs.read(handle, 5, 100))).toString(), "text");
    await world.close(handle);
    assert.equal(await world.kind(world.vfs.getattr(node)), "notFound");
  });

  it("a cloud version that arrives while a file is open clean: the handle keeps its own, and cannot overwrite newer bytes", async () => {
    const world = new World();
    const node = world.inCloud("f", "one");
    const old = await world.open(node);
    await world.do(world.vfs.read(old, 0, 1));
    world.store.transact((tx) =>
      changeTrees(tx, new Map([[node, { mirror: { ...tx.mirror.get(node)!, cTag: "c9" as never, size: 5 } }]])),
    );
    world.cloud.put("id-2" as never, "c9", text("other"));
    world.cache(node, text("other"));
    const young = await world.open(node);
    assert.equal(Buffer.from(await world.do(world.vfs.read(old, 0, 9))).toString(), "one");
    assert.equal(Buffer.from(await world.do(world.vfs.read(young, 0, 9))).toString(), "other");
    await world.do(world.vfs.write(young, 0, text("OTHER")));
    assert.equal(await world.kind(world.vfs.write(old, 0, text("ONE"))), "stale");
    await world.close(old);
    await world.close(young);
    assert.equal(await world.read(node), "OTHER");
    await world.check();
  });

  it("an edit of an old version is recorded as based on that version", async () => {
    const world = new World();
    const node = world.inCloud("f", "one");
    const old = await world.open(node);
    world.store.transact((tx) =>
      changeTrees(tx, new Map([[node, { mirror: { ...tx.mirror.get(node)!, cTag: "c9" as never } }]])),
    );
    await world.do(world.vfs.write(old, 0, text("ONE")));
    await world.close(old);
    assert.equal((world.view(node)!.content as { seen?: string }).seen, "c1");
  });

  it("unsaved length and time are shown by path too, and forgotten by nobody", async () => {
    const world = new World();
    const node = world.inCloud("f", "text");
    const handle = await world.open(node, "a");
    world.clock.advance(5000);
    await world.do(world.vfs.write(handle, 0, text("more")));
    world.clock.advance(5000);
    const during = await world.stat(node);
    assert.equal(during.size, 8);
    await world.close(handle);
    assert.deepEqual((await world.stat(node)).mtime, during.mtime);
    await world.check();
  });

  it("bytes that cannot be had: the read says so, the handle stays good", async () => {
    const world = new World();
    const node = world.inCloud("f", "text", { here: false });
    world.content.setOnline(false);
    const handle = await world.open(node, "r");
    assert.equal(await world.kind(world.vfs.read(handle, 0, 4)), "offline");
    world.content.setOnline(true);
    assert.equal(Buffer.from(await world.do(world.vfs.read(handle, 0, 4))).toString(), "text");
    await world.close(handle);
  });

  it("blocks tell what is here", async () => {
    const world = new World();
    const here = world.inCloud("here", "x".repeat(1000));
    const there = world.inCloud("there", "x".repeat(1000), { here: false });
    assert.deepEqual([(await world.stat(here)).blocks, (await world.stat(there)).blocks], [2, 0]);
    assert.deepEqual([(await world.stat(here)).size, (await world.stat(there)).size], [1000, 1000]);
  });
});
