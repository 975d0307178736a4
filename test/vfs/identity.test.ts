/** A save keeps the item: every save shape of real programs, and the rule behind them in all combinations. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import { judge, type Corner } from "../../src/vfs/identity.ts";
import { me, World } from "./world.ts";

const fresh = { read: true, write: true, append: false, truncate: true, exclusive: true };

/** Writes `text` to a new file and leaves it open. */
async function begin(world: World, name: string, text: string): Promise<{ node: ItemKey; close: () => Promise<void> }> {
  const { handle, attributes } = await world.do(world.vfs.create(ROOT, name, 0o600, fresh, me));
  await world.do(world.vfs.write(handle, 0, Buffer.from(text)));
  return { node: attributes.inode, close: () => world.close(handle) };
}

describe("vfs/identity: the decision", () => {
  const base: Corner = {
    slotName: "f",
    old: { kind: "file", name: undefined, sameFolder: false, busy: false, fixed: false },
    young: { kind: "file", inCloud: false, localOnly: false, busy: false, hasBlob: true },
  };
  it("every combination of facts", () => {
    const both = [false, true];
    const kinds = ["file", "folder"] as const;
    let counted = 0;
    for (const oldKind of kinds)
      for (const youngKind of kinds)
        for (const busyOld of both)
          for (const fixed of both)
            for (const inCloud of both)
              for (const localOnly of both)
                for (const busyYoung of both)
                  for (const hasBlob of both)
                    for (const sameFolder of both)
                      for (const name of [undefined, "f~", "f.bak", "other", "f"]) {
                        const old = { kind: oldKind, name, sameFolder, busy: busyOld, fixed };
                        const young = { kind: youngKind, inCloud, localOnly, busy: busyYoung, hasBlob };
                        const hindered = [
                          busyOld,
                          fixed,
                          inCloud,
                          localOnly,
                          busyYoung,
                          !hasBlob,
                          oldKind !== "file",
                          youngKind !== "file",
                        ];
                        const backup = sameFolder && (name === "f~" || name === "f.bak");
                        const expected = hindered.some(Boolean)
                          ? "leave"
                          : name === undefined
                            ? "takeOver"
                            : backup
                              ? "split"
                              : "leave";
                        assert.equal(judge({ slotName: "f", old, young }), expected);
                        counted++;
                      }
    assert.equal(counted, 2 ** 9 * 5);
    assert.equal(judge(base), "takeOver");
  });
});

/** Ways programs save `f`; each leaves nothing but `f` behind. */
const shapes: Record<string, (world: World, text: string) => Promise<void>> = {
  "sed, perl: random temp renamed over": async (world, text) => {
    await world.make("sedXy12Ab", text);
    await world.rename("sedXy12Ab", "f");
  },
  "rsync: temp with times and mode, renamed over": async (world, text) => {
    const node = await world.make(".f.Xy12Ab", text, { mode: 0o600 });
    await world.do(world.vfs.setattr(node, { mtime: { s: 1_234_567_890, n: 0 } }, me));
    await world.do(world.vfs.setattr(node, { mode: 0o644 }, me));
    await world.rename(".f.Xy12Ab", "f");
  },
  "gedit, gio: local-only temp renamed over while it and the old file are open": async (world, text) => {
    const held = await world.open(world.at("f"));
    const temp = await begin(world, ".goutputstream-AB12CD", text);
    await world.rename(".goutputstream-AB12CD", "f");
    await temp.close();
    await world.close(held);
  },
  "LibreOffice: lu*.tmp over the file it has open, then chmod": async (world, text) => {
    const held = await world.open(world.at("f"));
    const lock = await begin(world, ".~lock.f#", "me");
    await lock.close();
    await world.make("lu12ab.tmp", text);
    await world.rename("lu12ab.tmp", "f");
    await world.do(world.vfs.setattr(world.at("f"), { mode: 0o664, uid: me.uid, gid: me.gid }, me));
    await world.close(held);
    await world.unlink(".~lock.f#");
  },
  "vim: rename away, create, drop the backup": async (world, text) => {
    await world.rename("f", "f~");
    const file = await begin(world, "f", text);
    await file.close();
    await world.unlink("f~");
  },
  "vim: the backup is dropped before the close": async (world, text) => {
    await world.rename("f", "f~");
    const file = await begin(world, "f", text);
    await world.unlink("f~");
    await file.close();
  },
  "install, tar: unlink and create": async (world, text) => {
    await world.unlink("f");
    await (await begin(world, "f", text)).close();
  },
  "backup to another folder, temp in, backup dropped": async (world, text) => {
    const folder = (await world.do(world.vfs.mkdir(ROOT, "bak", 0o755, me))).inode;
    await world.do(world.vfs.rename({ parent: ROOT, name: "f" }, { parent: folder, name: "f" }, "replace"));
    await world.make("t", text);
    await world.rename("t", "f");
    await world.do(world.vfs.unlink(folder, "f"));
    await world.do(world.vfs.rmdir(ROOT, "bak"));
  },
  "renamed over, then over that": async (world, text) => {
    await world.make("t1", "first");
    await world.rename("t1", "f");
    await world.make("t2", text);
    await world.rename("t2", "f");
  },
};

describe("vfs/identity: every way of saving is one change of content of the same item", () => {
  for (const [shape, save] of Object.entries(shapes))
    it(shape, async () => {
      const world = new World({ seed: shape });
      const old = world.inCloud("f", "old text");
      await save(world, "new text");
      const node = world.at("f");
      assert.notEqual(node, old);
      assert.equal(await world.xattr(node, "user.onedrive.id"), `id-${old}`);
      assert.equal(await world.read(node), "new text");
      const { content } = world.view(node)!;
      assert.ok(content.from === "blob");
      assert.deepEqual(world.ops(), [{ type: "writeContent", node, blob: content.blob, seen: "c1" }]);
      assert.equal(content.seen, "c1");
      assert.equal(world.view(old), undefined);
      assert.deepEqual(await world.ls(), ["f"]);
      await world.check();
    });

  it("the inode of the new file stays what its creator saw", async () => {
    const world = new World();
    world.inCloud("f", "old");
    const made = await world.make("t", "new");
    await world.rename("t", "f");
    assert.equal((await world.do(world.vfs.lookup(ROOT, "f"))).inode, made);
  });

  it("the temp's mtime and mode go with it; the pin and a conflict mark stay with the item", async () => {
    const world = new World();
    const old = world.inCloud("f", "old");
    await world.do(world.vfs.setattr(old, { mode: 0o755 }, me));
    await world.do(world.vfs.setxattr(old, "user.onedrive.pin", Buffer.from("1"), "any"));
    await world.do(world.vfs.setxattr(old, "user.note", Buffer.from("of the old file"), "any"));
    world.store.transact((tx) => tx.conflicts.put(old, { of: old, why: "both edited", at: 1 }));
    await shapes["rsync: temp with times and mode, renamed over"]!(world, "new");
    const node = world.at("f");
    const { mode, mtime } = await world.stat(node);
    assert.deepEqual([mode, mtime.s], [0o644, 1_234_567_890]);
    assert.equal(await world.xattr(node, "user.onedrive.pin"), "1");
    assert.equal(await world.xattr(node, "user.note"), "noAttribute");
    assert.deepEqual(world.store.read.conflicts.get(node)?.of, node);
    assert.equal(world.store.read.conflicts.get(old), undefined);
    await world.check();
  });

  it("handles on the old file go on reading its bytes; its clean bytes go with the last of them", async () => {
    const world = new World();
    const old = world.inCloud("f", "old bytes");
    const held = await world.open(old, "r");
    await shapes["sed, perl: random temp renamed over"]!(world, "new");
    assert.equal(Buffer.from(await world.do(world.vfs.read(held, 0, 99))).toString(), "old bytes");
    assert.ok(world.store.read.cached.get(old));
    await world.close(held);
    await world.pass(0);
    assert.equal(world.store.read.cached.get(old), undefined);
    await world.check();
  });

  it("another spelling of the name is a move as well", async () => {
    const world = new World();
    world.inCloud("Read.Me", "old");
    await world.unlink("read.me");
    const node = await world.make("README".replace("M", ".M"), "new");
    assert.deepEqual(world.opTypes(node), ["move", "writeContent"]);
    assert.equal(await world.xattr(node, "user.onedrive.id"), "id-2");
    await world.check();
  });

  it("a file of the cloud moved over another keeps its own item", async () => {
    const world = new World();
    const kept = world.inCloud("a", "a");
    const gone = world.inCloud("b", "b");
    await world.rename("a", "b");
    assert.equal(world.at("b"), kept);
    assert.equal(await world.xattr(kept, "user.onedrive.id"), `id-${kept}`);
    assert.deepEqual(world.opTypes(gone), ["deleteFile"]);
    assert.deepEqual(world.opTypes(kept), ["move"]);
    await world.check();
  });

  it("exchanging with a new file gives nothing away", async () => {
    const world = new World();
    const old = world.inCloud("f", "old");
    const made = await world.make("t", "new");
    await world.rename("t", "f", "exchange");
    assert.deepEqual([world.at("f"), world.at("t")], [made, old]);
    assert.equal(await world.xattr(old, "user.onedrive.id"), `id-${old}`);
    await world.check();
  });

  it("a local-only name takes over nothing; renamed to the real name it does", async () => {
    const world = new World();
    const old = world.inCloud("x.tmp", "a cloud item that happens to be called so");
    await world.unlink("x.tmp");
    const made = await world.make("x.tmp", "scratch");
    assert.equal(await world.xattr(made, "user.onedrive.id"), "noAttribute");
    assert.deepEqual(world.opTypes(old), ["deleteFile"]);
  });

  it("a folder or an item whose bytes cannot be set is left alone", async () => {
    const world = new World();
    const folder = world.inCloud("d");
    await world.do(world.vfs.rmdir(ROOT, "d"));
    await world.make("d", "now a file");
    const shortcut = world.inCloud("s", "", { opaque: "remote" });
    await world.unlink("s");
    await world.make("s", "mine");
    assert.deepEqual([world.opTypes(folder), world.opTypes(shortcut)], [["deleteFolder"], ["deleteFile"]]);
  });
});

describe("vfs/identity: while a request is under way", () => {
  it("nothing is taken from a node that is being sent; the answer reunites", async () => {
    const world = new World();
    const old = world.inCloud("f", "old");
    const held = await world.open(old, "a");
    await world.do(world.vfs.write(held, 0, Buffer.from(" and more")));
    await world.close(held);
    const sent = world.view(old)!.content;
    assert.ok(sent.from === "blob");
    await world.do(world.content.freeze(sent.blob));
    world.sending(old);
    await shapes["sed, perl: random temp renamed over"]!(world, "newest");
    const node = world.at("f");
    assert.equal(await world.xattr(node, "user.onedrive.id"), "noAttribute");
    assert.ok(world.store.read.blobs.get(sent.blob), "the bytes being sent stay");
    await world.acknowledge(old, sent.blob);
    assert.equal(await world.xattr(node, "user.onedrive.id"), `id-${old}`);
    assert.deepEqual(world.opTypes(), ["writeContent"]);
    assert.equal((world.view(node)!.content as { seen?: string }).seen, "c2");
    assert.equal(await world.read(node), "newest");
    await world.check();
  });

  it("a new file whose create has no answer yet takes over nothing", async () => {
    const world = new World();
    const old = world.inCloud("f", "old");
    const made = await world.make("t", "new");
    world.store.transact((tx) => tx.intents.put(made, { parent: ROOT, name: "t", kind: "file", at: 1 }));
    await world.rename("t", "f");
    assert.equal(await world.xattr(made, "user.onedrive.id"), "noAttribute");
    assert.deepEqual(world.opTypes(old), ["deleteFile"]);
  });
});

describe("vfs/identity: a backup that is kept becomes an item of its own", () => {
  async function emacs(world: World, text: string): Promise<ItemKey> {
    await world.rename("f", "f~");
    const file = await begin(world, "f", text);
    await file.close();
    return file.node;
  }

  it("emacs: the id follows f, f~ is new and has the old bytes", async () => {
    const world = new World();
    const old = world.inCloud("f", "old text");
    const node = await emacs(world, "new text");
    assert.equal(await world.xattr(node, "user.onedrive.id"), "noAttribute");
    await world.pass(1000);
    assert.equal(await world.xattr(node, "user.onedrive.id"), `id-${old}`);
    assert.equal(await world.xattr(old, "user.onedrive.id"), "noAttribute");
    assert.deepEqual([world.at("f"), world.at("f~")], [node, old]);
    assert.deepEqual([await world.read(node), await world.read(old)], ["new text", "old text"]);
    assert.deepEqual([world.opTypes(node), world.opTypes(old)], [["writeContent"], ["createFile"]]);
    assert.equal((world.view(old)!.content as { seen?: string }).seen, undefined);
    assert.equal((await world.stat(old)).mtime.s, 1_000_000_000);
    await world.check();
  });

  it("again and again", async () => {
    const world = new World();
    const old = world.inCloud("f", "0");
    let node = old;
    for (const text of ["1", "2", "3"]) {
      node = await emacs(world, text);
      await world.pass(1000);
    }
    assert.equal(await world.xattr(node, "user.onedrive.id"), `id-${old}`);
    assert.deepEqual([await world.read(world.at("f")), await world.read(world.at("f~"))], ["3", "2"]);
    assert.deepEqual(world.opTypes().sort(), ["createFile", "writeContent"]);
    await world.check();
  });

  it("before a sync it need not wait; not while the new file is being written", async () => {
    const world = new World();
    const old = world.inCloud("f", "old");
    await world.rename("f", "f~");
    const file = await begin(world, "f", "new");
    await world.pass(5000);
    await world.do(world.vfs.settle());
    assert.equal(await world.xattr(file.node, "user.onedrive.id"), "noAttribute");
    await file.close();
    await world.do(world.vfs.settle());
    assert.equal(await world.xattr(file.node, "user.onedrive.id"), `id-${old}`);
    await world.check();
  });

  it("a backup that is dropped again costs no copy", async () => {
    const world = new World();
    world.inCloud("f", "old");
    await shapes["vim: rename away, create, drop the backup"]!(world, "new");
    await world.pass(5000);
    assert.equal(world.content.disk.blobs.size, 1);
    await world.check();
  });

  it("old bytes that are not here leave everything as it is", async () => {
    const world = new World();
    const old = world.inCloud("f", "old", { here: false });
    const node = await emacs(world, "new");
    await world.pass(5000);
    assert.equal(world.content.downloads, 0);
    assert.equal(await world.xattr(old, "user.onedrive.id"), `id-${old}`);
    assert.deepEqual([world.opTypes(old), world.opTypes(node)], [["move"], ["createFile"]]);
    await world.check();
  });

  it("unpushed old bytes go with the backup", async () => {
    const world = new World();
    const old = world.inCloud("f", "old");
    const held = await world.open(old, "w");
    await world.do(world.vfs.write(held, 0, Buffer.from("edited")));
    await world.close(held);
    const node = await emacs(world, "new");
    await world.pass(1000);
    assert.deepEqual([await world.read(node), await world.read(old)], ["new", "edited"]);
    assert.equal(await world.xattr(node, "user.onedrive.id"), `id-${old}`);
    assert.equal((world.view(old)!.content as { seen?: string }).seen, undefined);
    await world.check();
  });

  it("a name that is no backup's keeps its item", async () => {
    const world = new World();
    const old = world.inCloud("f", "old");
    await world.rename("f", "g");
    const node = await world.make("f", "new");
    await world.pass(5000);
    assert.equal(await world.xattr(old, "user.onedrive.id"), `id-${old}`);
    assert.deepEqual([world.opTypes(old), world.opTypes(node)], [["move"], ["createFile"]]);
    await world.check();
  });

  it("a full disk or a kill leaves two files with their bytes", async () => {
    const world = new World();
    world.inCloud("f", "old");
    await emacs(world, "new");
    world.content.fail("createBlob", "noSpace");
    await world.pass(1000);
    assert.deepEqual([await world.read(world.at("f")), await world.read(world.at("f~"))], ["new", "old"]);
    world.kill();
    await world.pass(5000);
    assert.deepEqual([await world.read(world.at("f")), await world.read(world.at("f~"))], ["new", "old"]);
    await world.check();
  });
});
