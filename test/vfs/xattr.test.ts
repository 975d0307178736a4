/** Extended attributes: ours, the person's, and those that are refused. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ROOT } from "../../src/model/ids.ts";
import { XATTR_VALUE_BYTES_MAX } from "../../src/model/limits.ts";
import { me, World } from "./world.ts";

const bytes = (value: string): Uint8Array => Buffer.from(value);

describe("vfs/xattr", () => {
  it("identity as the cloud gives it, absent until then", async () => {
    const world = new World();
    const node = world.inCloud("f", "x", { webUrl: "https://drive.example/f" });
    const told = await Promise.all(
      ["id", "etag", "ctag", "weburl"].map((name) => world.xattr(node, `user.onedrive.${name}`)),
    );
    assert.deepEqual(told, [`id-${node}`, "ec1", "c1", "https://drive.example/f"]);
    assert.equal((await world.xattr(node, "user.onedrive.hash")).length, 28);
    const fresh = await world.make("new", "x");
    for (const name of ["id", "etag", "ctag", "hash", "weburl", "pin", "local", "error", "nonsense"])
      assert.equal(await world.xattr(fresh, `user.onedrive.${name}`), "noAttribute");
    const listed = await world.do(world.vfs.listxattr(fresh));
    assert.deepEqual(listed, ["user.onedrive.state", "user.onedrive.pending"]);
  });

  it("state says where the bytes are and what is wrong", async () => {
    const world = new World();
    const state = (node: typeof ROOT): Promise<string> => world.xattr(node, "user.onedrive.state");
    assert.equal(await state(world.inCloud("there", "x", { here: false })), "cloud");
    const node = world.inCloud("f", "x");
    assert.equal(await state(node), "cached");
    const handle = await world.open(node, "w");
    await world.do(world.vfs.write(handle, 0, bytes("new")));
    await world.close(handle);
    assert.equal(await state(node), "dirty");
    const content = world.view(node)!.content;
    assert.ok(content.from === "blob");
    await world.content.freeze(content.blob);
    world.sending(node);
    assert.equal(await state(node), "uploading");
    world.store.transact((tx) => {
      for (const [seq, record] of tx.ops.range())
        tx.ops.put(seq, { ...record, status: { state: "parked", reason: "the quota is used up" } });
    });
    assert.equal(await state(node), "error");
    assert.equal(await world.xattr(node, "user.onedrive.error"), "the quota is used up");
    world.store.transact((tx) => tx.conflicts.put(node, { of: node, why: "both edited", at: 1 }));
    assert.equal(await state(node), "conflict");
  });

  it("pending counts what is below", async () => {
    const world = new World();
    const folder = (await world.do(world.vfs.mkdir(ROOT, "d", 0o755, me))).inode;
    const deeper = (await world.do(world.vfs.mkdir(folder, "e", 0o755, me))).inode;
    await world.make("f", "x", { parent: deeper });
    await world.make("g", "x");
    const gone = world.inCloud("h", "x", { parent: world.inCloud("k") });
    await world.do(world.vfs.unlink(world.at("k"), "h"));
    const counts = await Promise.all(
      [ROOT, folder, deeper, world.at("k")].map((node) => world.xattr(node, "user.onedrive.pending")),
    );
    assert.deepEqual(counts, ["5", "3", "2", "1"]);
    assert.equal(world.view(gone), undefined);
  });

  it("pin and local are set; everything else of ours is told only", async () => {
    const world = new World();
    const node = world.inCloud("f", "x");
    const fresh = await world.make("new", "x");
    const set = (of: typeof node, name: string, value: string): Promise<string> =>
      world.kind(world.vfs.setxattr(of, `user.onedrive.${name}`, bytes(value), "any"));
    for (const value of ["1", "0"]) {
      assert.equal(await set(node, "pin", value), "ok");
      assert.equal(await world.xattr(node, "user.onedrive.pin"), value);
    }
    assert.deepEqual(world.events.filter((event) => event.kind === "pin").length, 2);
    assert.equal(await world.kind(world.vfs.removexattr(node, "user.onedrive.pin")), "ok");
    assert.equal(await world.kind(world.vfs.removexattr(node, "user.onedrive.pin")), "noAttribute");
    assert.equal(await world.xattr(node, "user.onedrive.pin"), "noAttribute");
    assert.equal(await set(node, "pin", "maybe"), "invalid");
    for (const name of ["id", "etag", "state", "pending", "nonsense"])
      assert.equal(await set(node, name, "1"), "notPermitted");
    // rsync -X removes what its source does not have, and must not fail for it
    const state = await world.kind(world.vfs.removexattr(node, "user.onedrive.state"));
    assert.equal(state, "ok");
    assert.equal(await world.kind(world.vfs.getxattr(node, "user.onedrive.state")), "ok");
    assert.equal(await set(node, "local", "1"), "notPermitted");
    assert.equal(await set(fresh, "local", "1"), "ok");
    assert.equal(await world.xattr(fresh, "user.onedrive.local"), "1");
    assert.equal(await world.xattr(ROOT, "user.onedrive.pending"), "0");
    assert.equal(await set(fresh, "local", "0"), "ok");
    assert.equal(await world.xattr(ROOT, "user.onedrive.pending"), "1");
  });

  it("other user.* names are kept with the item, through rename and kill", async () => {
    const world = new World();
    const node = world.inCloud("f", "x");
    const set = (name: string, how: "any" | "create" | "replace"): Promise<string> =>
      world.kind(world.vfs.setxattr(node, name, bytes("\0\xffvalue"), how));
    assert.equal(await set("user.a", "replace"), "noAttribute");
    assert.equal(await set("user.a", "create"), "ok");
    assert.equal(await set("user.a", "create"), "exists");
    assert.equal(await set("user.a", "replace"), "ok");
    await world.rename("f", "g");
    world.kill();
    assert.equal(await world.xattr(node, "user.a"), "\0\xffvalue");
    assert.ok((await world.do(world.vfs.listxattr(node))).includes("user.a"));
    assert.equal(await world.kind(world.vfs.removexattr(node, "user.a")), "ok");
    assert.equal(await world.kind(world.vfs.removexattr(node, "user.a")), "noAttribute");
    assert.deepEqual(world.opTypes(), ["move"]);
    await world.check();
  });

  it("other spaces are not supported; an ACL is absent", async () => {
    const world = new World();
    const node = await world.make("f", "x");
    for (const name of ["security.selinux", "trusted.x", "system.x", "nonsense", "user."]) {
      assert.equal(await world.xattr(node, name), "notSupported");
      assert.equal(await world.kind(world.vfs.setxattr(node, name, bytes("1"), "any")), "notSupported");
      assert.equal(await world.kind(world.vfs.removexattr(node, name)), "notSupported");
    }
    assert.equal(await world.xattr(node, "system.posix_acl_access"), "noAttribute");
    assert.equal(
      await world.kind(world.vfs.setxattr(node, "system.posix_acl_access", bytes("1"), "any")),
      "notSupported",
    );
    assert.equal(
      await world.kind(world.vfs.setxattr(node, "user.big", new Uint8Array(XATTR_VALUE_BYTES_MAX + 1), "any")),
      "tooLarge",
    );
    assert.equal(
      await world.kind(world.vfs.setxattr(node, "user.big", new Uint8Array(XATTR_VALUE_BYTES_MAX), "any")),
      "ok",
    );
  });
});
