/** Names in the vfs: spellings, limits, local-only ones, paths too long. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ok } from "../../src/base/result.ts";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";
import { changeTrees } from "../../src/store/tree.ts";
import type { Caller } from "../../src/vfs/vfs.ts";
import { me, nobody, World } from "./world.ts";

const writing = { read: true, write: true, append: false, truncate: false };

describe("vfs: names", () => {
  it("every spelling reaches the one item of a slot, and none makes a second", async () => {
    const world = new World();
    const node = await world.make("ReadMe.TXT", "x");
    for (const name of ["readme.txt", "README.TXT", "ReadMe.TXT"])
      assert.equal((await world.do(world.vfs.lookup(ROOT, name))).inode, node);
    assert.equal(
      await world.kind(world.vfs.create(ROOT, "README.txt", 0o644, { ...writing, exclusive: true }, me)),
      "exists",
    );
    assert.equal(await world.kind(world.vfs.mkdir(ROOT, "readme.txt", 0o755, me)), "exists");
    assert.equal(await world.make("README.TXT", "y"), node);
    assert.deepEqual(await world.ls(), ["ReadMe.TXT"]);
    await world.do(world.vfs.unlink(ROOT, "readme.TXT"));
    assert.deepEqual(await world.ls(), []);
    await world.check();
  });

  it("a file of somebody else is not opened by who meant to make it: the kernel asks again, and judges", async () => {
    const world = new World();
    await world.make("Theirs", "x");
    const stranger = { uid: 5, gid: 6, pid: 1 };
    const create = (caller: Caller): Promise<string> =>
      world.kind(world.vfs.create(ROOT, "THEIRS", 0o644, { ...writing, exclusive: false }, caller));
    assert.deepEqual(
      [await create(stranger), await create({ ...stranger, uid: 0 }), await create(me)],
      ["stale", "ok", "ok"],
    );
  });

  it("composition makes no difference", async () => {
    const world = new World();
    const node = await world.make("caf\u00e9", "x");
    assert.equal((await world.do(world.vfs.lookup(ROOT, "cafe\u0301"))).inode, node);
    assert.deepEqual(await world.ls(), ["caf\u00e9"]);
  });

  it("a rename to another spelling changes the spelling and nothing else", async () => {
    const world = new World();
    const node = world.inCloud("readme", "x");
    await world.rename("readme", "README");
    assert.deepEqual(await world.ls(), ["README"]);
    assert.equal(world.at("readme"), node);
    await world.rename("README", "ReadMe", "noReplace");
    assert.deepEqual(await world.ls(), ["ReadMe"]);
    await world.rename("readme", "ReadMe");
    assert.equal(
      await world.kind(
        world.vfs.rename({ parent: ROOT, name: "ReadMe" }, { parent: ROOT, name: "ReadMe" }, "noReplace"),
      ),
      "exists",
    );
    assert.equal(await world.read(node), "x");
    await world.check();
  });

  it("the kernel is told to forget other spellings of a name that changed", async () => {
    const world = new World();
    await world.make("Name", "x");
    await world.do(world.vfs.lookup(ROOT, "NAME"));
    world.events.length = 0;
    await world.unlink("Name");
    assert.deepEqual(
      world.events.filter((event) => event.kind === "entry"),
      [{ kind: "entry", parent: ROOT, name: "NAME" }],
    );
  });

  it("a path of more than 400 characters in the cloud is too long; what is local-only has no path there", async () => {
    const world = new World();
    let parent: ItemKey = ROOT;
    for (let i = 0; i < 3; i++) parent = (await world.do(world.vfs.mkdir(parent, "d".repeat(99), 0o755, me))).inode;
    const make = (name: string): Promise<string> =>
      world.kind(world.vfs.create(parent, name, 0o644, { ...writing, exclusive: true }, me));
    assert.equal(await make("f".repeat(101)), "nameTooLong");
    assert.equal(await make("f".repeat(100)), "ok");
    assert.equal(await make("‛：".repeat(40)), "nameTooLong");
    assert.equal(await make(`${"f".repeat(120)}.tmp`), "ok");
    await world.make("g".repeat(101), "x");
    assert.equal(
      await world.kind(
        world.vfs.rename({ parent: ROOT, name: "g".repeat(101) }, { parent, name: "g".repeat(101) }, "replace"),
      ),
      "nameTooLong",
    );
    assert.equal(await world.kind(world.vfs.mkdir(parent, "h".repeat(101), 0o755, me)), "nameTooLong");
  });

  it("what cannot be a name is invalid, 256 units are too many", async () => {
    const world = new World();
    for (const [name, kind] of [
      ["a<\u0338", "invalid"],
      ["\ud800", "invalid"],
      ["x".repeat(256), "nameTooLong"],
      ["é".repeat(255), "ok"],
    ] as const)
      assert.equal(await world.kind(world.vfs.mkdir(ROOT, name, 0o755, me)), kind);
    assert.equal(await world.kind(world.vfs.lookup(ROOT, "x".repeat(256))), "nameTooLong");
    assert.equal(await world.kind(world.vfs.lookup(ROOT, "a<\u0338")), "notFound");
  });

  it("names longer than 255 bytes are shown", async () => {
    const world = new World();
    world.inCloud("文".repeat(200), "x");
    assert.deepEqual(await world.ls(), ["文".repeat(200)]);
  });
});

describe("vfs: folders never listed", () => {
  it("are listed before anything is said about a name that is not known, and never look empty", async () => {
    const world = new World({ enumerated: false });
    const folder = world.inCloud("d");
    const known = world.inCloud("known", "k", { parent: folder });
    assert.equal((await world.do(world.vfs.lookup(folder, "known"))).inode, known);
    assert.deepEqual(world.listed, []);
    const calls = [
      () => world.vfs.lookup(folder, "other"),
      () => world.vfs.readdir(folder, undefined, 10),
      () => world.vfs.create(folder, "new", 0o644, { ...writing, exclusive: false }, me),
      () => world.vfs.mkdir(folder, "sub", 0o755, me),
      () => world.vfs.unlink(folder, "other"),
      () => world.vfs.rmdir(ROOT, "d"),
      () => world.vfs.rename({ parent: folder, name: "other" }, { parent: folder, name: "x" }, "replace"),
      () => world.vfs.rename({ parent: folder, name: "known" }, { parent: folder, name: "x" }, "replace"),
    ];
    for (const call of calls) assert.equal(await world.kind(call()), "offline");
    assert.equal(world.listed.length, calls.length);
    assert.deepEqual(world.ops(), []);
  });

  it("answer like any other once they are", async () => {
    const world = new World({ enumerated: false });
    const folder = world.inCloud("d");
    world.list = async (node) => {
      if (node === folder) world.inCloud("late", "x", { parent: folder });
      world.store.transact((tx) => tx.listed.put(node, 1));
      return ok();
    };
    assert.deepEqual(await world.ls(folder), ["late"]);
    assert.deepEqual(await world.ls(folder), ["late"]);
    assert.deepEqual(world.listed, [folder]);
    assert.equal(await world.kind(world.vfs.rmdir(ROOT, "d")), "notEmpty");
  });

  it("a folder that goes, or gets another name, while it is listed is looked at anew", async () => {
    for (const fate of ["gone", "renamed"] as const) {
      const world = new World({ enumerated: false });
      const [one, two] = [world.inCloud("one"), world.inCloud("two")];
      world.store.transact((tx) => [ROOT, one].forEach((node) => tx.listed.put(node, 1)));
      world.list = async (node) => {
        const there = world.store.read.mirror.get(two)!;
        const mirror = fate === "gone" ? null : { ...there, name: "other" };
        world.store.transact((tx) => {
          tx.listed.put(node, 1);
          changeTrees(tx, new Map([[two, { mirror }]]));
        });
        if (fate === "gone") world.inCloud("two", "a file");
        return ok();
      };
      const rename = world.vfs.rename({ parent: ROOT, name: "one" }, { parent: ROOT, name: "two" }, "replace");
      if (fate === "gone") assert.equal(await world.kind(rename), "notFolder");
      else await world.do(rename);
      assert.deepEqual(await world.ls(), fate === "gone" ? ["one", "two"] : ["other", "two"]);
      assert.deepEqual(world.ops(two), []);

      const third = world.inCloud("third");
      world.list = async (node) => {
        const moved = { ...world.store.read.mirror.get(third)!, name: "fourth" };
        world.store.transact((tx) => (tx.listed.put(node, 1), changeTrees(tx, new Map([[third, { mirror: moved }]]))));
        return ok();
      };
      assert.equal(await world.kind(world.vfs.rmdir(ROOT, "third")), "notFound");
      assert.deepEqual(world.ops(third), []);
    }
  });

  it("a folder made here has nothing in the cloud to wait for", async () => {
    const world = new World({ enumerated: false });
    world.list = async (node) => (world.store.transact((tx) => tx.listed.put(node, 1)), ok());
    const folder = (await world.do(world.vfs.mkdir(ROOT, "mine", 0o755, me))).inode;
    world.listed.length = 0;
    await world.make("f", "x", { parent: folder });
    assert.deepEqual(await world.ls(folder), ["f"]);
    assert.deepEqual(world.listed, []);
  });
});

describe("vfs: listing", () => {
  it("goes on behind a cookie, also one whose entry is gone, and tells each entry once", async () => {
    const world = new World();
    for (let i = 0; i < 30; i++) await world.make(`f${String(i).padStart(2, "0")}`, "");
    const told: string[] = [];
    let after: string | undefined;
    for (let page = 0; ; page++) {
      const entries = await world.do(world.vfs.readdir(ROOT, after, 4));
      if (entries.length === 0) break;
      told.push(...entries.map((entry) => entry.name));
      after = entries.at(-1)!.cookie;
      if (page === 1) await world.unlink(told.at(-1)!);
      if (page === 2) await world.make("f00a", "");
      if (page === 2) await world.make("zz", "");
    }
    assert.deepEqual(told, Array.from({ length: 30 }, (_, i) => `f${String(i).padStart(2, "0")}`).concat("zz"));
  });

  it("of 20,000 entries, in pages", async () => {
    const world = new World();
    world.store.transact((tx) => {
      const changes = new Map();
      for (let i = 0; i < 20_000; i++) {
        const mirror = { id: `i${i}`, parent: ROOT, name: `file ${i}`, kind: "file", size: 1, mtime: 1, birth: 1 };
        changes.set(1000 + i, { mirror });
      }
      changeTrees(tx, changes);
    });
    let count = 0;
    for (let after: string | undefined; ;) {
      const entries = await world.do(world.vfs.readdir(ROOT, after, 5000));
      if (entries.length === 0) break;
      count += entries.length;
      after = entries.at(-1)!.cookie;
    }
    assert.equal(count, 20_000);
  });

  it("a lookup in a file, a listing of a file, a node that never was", async () => {
    const world = new World();
    const file = await world.make("f", "x");
    assert.equal(await world.kind(world.vfs.lookup(file, "x")), "notFolder");
    assert.equal(await world.kind(world.vfs.readdir(file, undefined, 9)), "notFolder");
    for (const call of [
      world.vfs.getattr(nobody),
      world.vfs.readdir(nobody, undefined, 9),
      world.vfs.lookup(nobody, "x"),
      world.vfs.parentOf(nobody),
    ])
      assert.equal(await world.kind(call), "notFound");
    assert.equal(await world.do(world.vfs.parentOf(ROOT)), ROOT);
  });
});
