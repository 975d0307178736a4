/** What every call writes into the log, and what it takes back. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT } from "../../src/model/ids.ts";
import { me, World } from "./world.ts";

const reading = { read: true, write: false, append: false, truncate: false };
const writing = { read: true, write: true, append: false, truncate: false };
const text = (value: string): Uint8Array => Buffer.from(value);

describe("vfs: what is recorded", () => {
  it("a file born here: one create, whatever is written, named, timed", async () => {
    const world = new World();
    const node = await world.make("a", "text");
    await world.rename("a", "b");
    await world.do(world.vfs.setattr(node, { mtime: { s: 77, n: 5 } }, me));
    assert.equal(world.opTypes(node)[0], "createFile");
    const { content, mtime, name } = world.view(node)!;
    assert.deepEqual([content.from === "blob" && content.size, mtime, name], [4, 77, "b"]);
    await world.check();
  });

  it("born and deleted here: nothing at all", async () => {
    const world = new World();
    await world.make("a", "text");
    const folder = (await world.do(world.vfs.mkdir(ROOT, "d", 0o755, me))).inode;
    await world.make("in", "text", { parent: folder });
    await world.do(world.vfs.unlink(folder, "in"));
    await world.do(world.vfs.rmdir(ROOT, "d"));
    await world.unlink("a");
    const { read } = world.store;
    assert.deepEqual(
      [read.ops.count, read.nodeOps.count, read.local.count, read.localSlots.count, read.blobs.count],
      [0, 0, 0, 0, 0],
    );
    assert.deepEqual(
      [...read.facts.range()].map(([node]) => node),
      [ROOT],
    );
    await world.check();
    assert.equal(world.content.disk.blobs.size, 0);
  });

  it("deleting what the cloud has takes back what was to be done to it, and says which version was seen", async () => {
    const world = new World();
    const node = world.inCloud("f", "old");
    const handle = await world.open(node, "w");
    await world.do(world.vfs.write(handle, 0, text("new")));
    await world.close(handle);
    await world.rename("f", "g");
    await world.unlink("g");
    assert.deepEqual(world.ops(), [{ type: "deleteFile", node, seen: "c1" }]);
    assert.equal(world.store.read.blobs.count, 0);
    await world.check();
  });

  it("a create whose answer is not known: the bytes stay until it is", async () => {
    const world = new World();
    const node = await world.make("f", "text");
    const { content } = world.view(node)!;
    assert.ok(content.from === "blob");
    await world.content.freeze(content.blob);
    world.store.transact((tx) =>
      tx.intents.put(node, { parent: ROOT, name: "f", kind: "file", blob: content.blob, at: 1 }),
    );
    world.sending(node);
    await world.unlink("f");
    assert.ok(world.store.read.blobs.get(content.blob));
    assert.deepEqual(world.opTypes(node), ["createFile", "deleteFile"]);
    await world.pass(60_000);
    assert.ok(world.content.disk.blobs.get(content.blob));
  });

  it("a write based on a version that is being sent names it; else the older one", async () => {
    const world = new World();
    const node = world.inCloud("f", "v1");
    const edit = async (value: string): Promise<void> => {
      const handle = await world.open(node, "r+");
      await world.do(world.vfs.write(handle, 0, text(value)));
      await world.close(handle);
    };
    const content = (): { blob: number; seen?: string } => world.view(node)!.content as never;
    await edit("v2");
    const first = content().blob;
    await world.content.freeze(first as never);
    await edit("v3");
    assert.equal(content().seen, "c1");
    assert.equal(world.store.read.blobs.get(first as never), undefined);
    const second = content().blob;
    await world.content.freeze(second as never);
    world.sending(node);
    await edit("v4");
    assert.equal(content().seen, `blob:${second}`);
    assert.ok(world.store.read.blobs.get(second as never));
  });

  it("a read-only mount changes nothing", async () => {
    const world = new World({ readOnly: true });
    const node = world.inCloud("f", "x");
    const folder = world.inCloud("d");
    const calls = [
      world.vfs.create(ROOT, "n", 0o644, { ...writing, exclusive: true }, me),
      world.vfs.open(node, writing, me),
      world.vfs.setattr(node, { mode: 0o600 }, me),
      world.vfs.mkdir(ROOT, "n", 0o755, me),
      world.vfs.unlink(ROOT, "f"),
      world.vfs.rmdir(ROOT, "d"),
      world.vfs.rename({ parent: ROOT, name: "f" }, { parent: folder, name: "f" }, "replace"),
      world.vfs.setxattr(node, "user.x", text("1"), "any"),
      world.vfs.removexattr(node, "user.x"),
    ];
    for (const call of calls) assert.equal(await world.kind(call), "readOnly");
    assert.equal(await world.read(node), "x");
    await world.check();
  });

  it("items that are only shown: no bytes, no change inside a package", async () => {
    const world = new World();
    const note = world.inCloud("note", undefined, { opaque: "package" });
    world.inCloud("page", "x", { parent: note });
    const bad = world.inCloud("virus", "x", { opaque: "malware" });
    assert.equal(await world.kind(world.vfs.open(bad, reading, me)), "denied");
    assert.equal(await world.kind(world.vfs.unlink(note, "page")), "denied");
    assert.equal(await world.kind(world.vfs.mkdir(note, "n", 0o755, me)), "denied");
    assert.equal(await world.kind(world.vfs.open(world.at("page", note), writing, me)), "denied");
    assert.equal(
      await world.kind(world.vfs.rename({ parent: note, name: "page" }, { parent: ROOT, name: "p" }, "replace")),
      "denied",
    );
    assert.equal(await world.kind(world.vfs.setattr(bad, { size: 0 }, me)), "denied");
    await world.unlink("virus");
  });
});

describe("vfs: local-only", () => {
  it("a temp renamed to a normal name, a folder moved out of a local one: they are in the log all along", async () => {
    const world = new World();
    const node = await world.make("x.tmp", "text");
    assert.equal(await world.xattr(ROOT, "user.onedrive.pending"), "0");
    await world.rename("x.tmp", "x");
    assert.equal(await world.xattr(ROOT, "user.onedrive.pending"), String(world.ops(node).length));
    await world.check();
  });
});
