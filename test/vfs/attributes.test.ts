/** Attributes: modes, times, owners, sizes, and what of them survives. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import { FOLDER_LINKS_ENTRIES_MAX } from "../../src/model/limits.ts";
import { changeTrees } from "../../src/store/tree.ts";
import { me, World } from "./world.ts";

const text = (value: string): Uint8Array => Buffer.from(value);

describe("vfs: attributes", () => {
  it("cloud items: defaults less the umask, the mounting user, the cloud's times", async () => {
    const world = new World({ umask: 0o027 });
    const file = await world.stat(world.inCloud("f", "x"));
    const folder = await world.stat(world.inCloud("d"));
    assert.deepEqual([file.mode, folder.mode, file.uid, file.gid], [0o640, 0o750, 1000, 1000]);
    assert.deepEqual(
      [file.mtime, file.birth],
      [
        { s: 1_000_000_000, n: 0 },
        { s: 900_000_000, n: 0 },
      ],
    );
  });

  it("a umask that somebody asked for is taken from what is made here too, not from what chmod says", async () => {
    const world = new World({ umask: 0o077, umaskOfNew: 0o077 });
    const file = await world.make("f", "x");
    const folder = (await world.do(world.vfs.mkdir(ROOT, "d", 0o755, me))).inode;
    assert.deepEqual([(await world.stat(file)).mode, (await world.stat(folder)).mode], [0o600, 0o700]);
    await world.do(world.vfs.setattr(file, { mode: 0o644 }, me));
    assert.equal((await world.stat(file)).mode, 0o644);
  });

  it("links of a folder that was never listed: nobody counted", async () => {
    const world = new World({ enumerated: false });
    const top = world.inCloud("top");
    assert.equal((await world.stat(top)).links, 1);
  });

  it("links of a folder: its folders are counted, in whichever tree they are; many entries are not, whatever they are", async () => {
    const world = new World();
    const top = world.inCloud("top");
    const links = async (): Promise<number> => (await world.stat(top)).links;
    assert.equal(await links(), 2);
    world.inCloud("old", undefined, { parent: top });
    world.inCloud("f", "x", { parent: top });
    assert.equal(await links(), 3);
    await world.do(world.vfs.mkdir(top, "new", 0o755, me));
    assert.equal(await links(), 4);
    await world.do(world.vfs.rmdir(top, "old"));
    assert.equal(await links(), 3);
    await world.do(world.vfs.rename({ parent: top, name: "new" }, { parent: ROOT, name: "new" }, "replace"));
    assert.equal(await links(), 2);
    assert.equal((await world.stat(ROOT)).links, 4);
    for (let i = 0; i < FOLDER_LINKS_ENTRIES_MAX; i++) world.inCloud(`more${i}`, "x", { parent: top });
    assert.equal(await links(), 1);
  });

  const ownersOf = async (world: World, node: ItemKey): Promise<readonly number[]> => {
    const { uid, gid } = await world.stat(node);
    return [uid, gid];
  };

  it("owners stay with the item and this machine; what nobody was given belongs to the mount", async () => {
    const world = new World();
    const node = await world.make("f", "x");
    const cloudy = world.inCloud("g", "x");
    await world.do(world.vfs.setattr(node, { gid: 7, mode: 0o777 }, me));
    assert.deepEqual([...(await ownersOf(world, node)), (await world.stat(node)).mode], [1000, 7, 0o777]);
    const before = world.ops();
    await world.do(world.vfs.setattr(cloudy, { uid: 0 }, me));
    assert.deepEqual([await ownersOf(world, cloudy), world.ops()], [[0, 1000], before], "nothing goes to the cloud");
    await world.do(world.vfs.setattr(cloudy, { uid: 1000, gid: 1000 }, me));
    assert.deepEqual(await ownersOf(world, cloudy), [1000, 1000]);
    world.kill();
    assert.deepEqual(
      [await ownersOf(world, node), await ownersOf(world, cloudy)],
      [
        [1000, 7],
        [1000, 1000],
      ],
    );
    const handle = await world.open(node);
    await world.do(world.vfs.unlink(ROOT, "f"));
    await world.do(world.vfs.setattr(node, { uid: 3 }, me, handle));
    const gone = await world.do(world.vfs.getattr(node, handle));
    assert.deepEqual([gone.uid, gone.gid, gone.links], [3, 7, 0]);
  });

  it("a change of mode or owner moves the ctime also of a file that is written, and no write moves it back", async () => {
    const world = new World();
    const node = await world.make("f", "x");
    const handle = await world.open(node);
    await world.do(world.vfs.write(handle, 0, text("written")));
    world.clock.advance(5_000);
    const at = Math.floor(world.clock.now() / 1000);
    await world.do(world.vfs.setattr(node, { gid: 7 }, me, handle));
    assert.equal((await world.stat(node)).ctime.s, at);
    await world.do(world.vfs.release(handle));
    const { ctime, mtime } = await world.stat(node);
    assert.deepEqual([ctime.s, mtime.s], [at, at - 5]);
    await world.do(world.vfs.setattr(node, { atime: "now", mtime: "now" }, me));
    const touched = await world.stat(node);
    assert.deepEqual([touched.atime, touched.ctime], [touched.mtime, touched.mtime], "one moment");
  });

  it("who makes an item owns it, unless the mount was told who does; a folder may hand on its group", async () => {
    const [plain, told] = [new World(), new World({ uidOfNew: 1000, gidOfNew: 1000 })];
    const stranger = { uid: 5, gid: 6, pid: 1 };
    const flags = { read: true, write: true, append: false, truncate: false, exclusive: true };
    for (const [world, owners] of [
      [plain, [5, 6]],
      [told, [1000, 1000]],
    ] as const) {
      const file = await world.do(world.vfs.create(ROOT, "f", 0o644, flags, stranger));
      const folder = await world.do(world.vfs.mkdir(ROOT, "d", 0o755, stranger));
      assert.deepEqual([file.attributes.uid, file.attributes.gid], owners);
      assert.deepEqual([folder.uid, folder.gid], owners);
      await world.do(world.vfs.setattr(folder.inode, { gid: 9, mode: 0o2755 }, stranger));
      const inner = await world.do(world.vfs.mkdir(folder.inode, "d", 0o755, stranger));
      const made = await world.do(world.vfs.create(folder.inode, "f", 0o644, flags, stranger));
      assert.deepEqual([inner.uid, inner.gid, inner.mode], [owners[0], 9, 0o2755]);
      assert.deepEqual([made.attributes.uid, made.attributes.gid, made.attributes.mode], [owners[0], 9, 0o644]);
      for (const { handle } of [file, made]) await world.do(world.vfs.release(handle));
      await world.check();
    }
  });

  it("an mtime of a cloud file is recorded in seconds and shown with nanoseconds; an atime stays here", async () => {
    const world = new World();
    const node = world.inCloud("f", "x");
    await world.do(world.vfs.setattr(node, { atime: { s: 1, n: 1 } }, me));
    assert.deepEqual(world.ops(), []);
    assert.deepEqual((await world.stat(node)).atime, { s: 1, n: 1 });
    await world.do(world.vfs.setattr(node, { mtime: { s: -5, n: 123_456_789 } }, me));
    assert.deepEqual((await world.stat(node)).mtime, { s: -5, n: 123_456_789 });
    assert.deepEqual(world.ops(), [{ type: "setMetadata", node, mtime: -5 }]);
    await world.do(world.vfs.setattr(node, { mtime: "now" }, me));
    assert.equal((await world.stat(node)).mtime.s, Math.floor(world.clock.now() / 1000));
    assert.deepEqual((await world.stat(node)).atime, { s: 1, n: 1 }, "what moves the mtime leaves it");
    await world.check();
  });

  it("nanoseconds give way when the cloud's time moves; a folder's own time stays", async () => {
    const world = new World();
    const node = world.inCloud("f", "x");
    const folder = world.inCloud("d");
    for (const one of [node, folder]) {
      await world.do(world.vfs.setattr(one, { mtime: { s: 1_000_000_000, n: 7 } }, me));
      assert.equal((await world.stat(one)).mtime.n, 7);
      world.store.transact((tx) =>
        changeTrees(tx, new Map([[one, { mirror: { ...tx.mirror.get(one)!, mtime: 1_000_000_009 } }]])),
      );
    }
    assert.deepEqual((await world.stat(node)).mtime, { s: 1_000_000_009, n: 0 });
    assert.deepEqual((await world.stat(folder)).mtime, { s: 1_000_000_000, n: 7 });
    assert.deepEqual(world.ops(), []);
  });

  it("room: too large for the service, too much for the quota, never for what is already there or stays here", async () => {
    const world = new World();
    world.store.transact((tx) => tx.meta.put("quota", { total: 1000, used: 900, remaining: 100 }));
    const node = world.inCloud("f", "x".repeat(500));
    const size = (bytes: number): Promise<string> => world.kind(world.vfs.setattr(node, { size: bytes }, me));
    assert.equal(await size(600), "ok");
    assert.equal(await size(601), "noSpace");
    assert.equal(await size(300 * 1024 ** 3), "tooLarge");
    const handle = await world.open(node);
    assert.equal(await world.kind(world.vfs.write(handle, 600, text("x"))), "noSpace");
    assert.equal(await world.kind(world.vfs.write(handle, 2 ** 40, text("x"))), "tooLarge");
    assert.equal(await world.kind(world.vfs.write(handle, 599, text("x"))), "ok");
    await world.close(handle);
    assert.equal(await world.kind(world.vfs.setattr(await world.make("s.tmp"), { size: 5000 }, me)), "ok");
    await world.check();
  });

  it("statfs: the quota, and the disk for what can be written; something large while nothing is known", async () => {
    const world = new World();
    const unknown = await world.do(world.vfs.statfs());
    assert.ok(unknown.blocks * unknown.blockSize >= 1024 ** 4);
    await world.pass(5000);
    world.store.transact((tx) => tx.meta.put("quota", { total: 4096 * 10, used: 4096 * 4, remaining: 4096 * 6 }));
    const known = await world.do(world.vfs.statfs());
    assert.deepEqual([known.blocks, known.blocksFree, known.blocksAvailable, known.nameMax], [10, 6, 6, 255]);
    world.store.transact((tx) => tx.meta.put("quota", { total: 4e15, used: 0, remaining: 4e15 }));
    assert.equal((await world.do(world.vfs.statfs())).blocksAvailable, Math.floor(1e12 / 4096));
  });
});
