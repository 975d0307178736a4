/** Paths end here: walking, hidden names, and what is open but no longer at its path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ROOT } from "../../src/model/ids.ts";
import type { Answer, Reply, Vfs } from "../../src/vfs/vfs.ts";
import { nodeOfHiddenName, paths } from "../../src/host/fuse-paths.ts";
import { memoryVfs, type MemoryVfs } from "../support/memory-vfs.ts";

const who = { uid: 0, gid: 0, pid: 0 };

function value<T>(reply: Reply<T>): T {
  assert.ok(!(reply instanceof Promise), "answered at once");
  assert.ok(reply.ok, "not a fault");
  return reply.value;
}

function kind(reply: Reply<unknown>): string {
  const answer = reply as Answer<unknown>;
  return answer.ok ? "ok" : answer.fault.kind;
}

function tree(): MemoryVfs {
  const vfs = memoryVfs();
  const a = value(vfs.mkdir(ROOT, "a", 0o755, who));
  value(vfs.mkdir(a.inode, "b", 0o755, who));
  return vfs;
}

test("a path is walked name by name, at once while the vfs answers at once", () => {
  const walker = paths(tree());
  assert.equal(value(walker.item("/")).inode, ROOT);
  assert.equal(value(walker.item("/a/b")).kind, "folder");
  assert.equal(kind(walker.item("/a/none")), "notFound");
  const place = value(walker.place("/a/b/new"));
  assert.deepEqual(place, { parent: value(walker.item("/a/b")).inode, name: "new" });
  assert.deepEqual(value(walker.place("/top")), { parent: ROOT, name: "top" });
});

test("a folder that has to be listed first makes the answer a promise, and only then", async () => {
  const vfs = tree();
  const late: Pick<Vfs, "lookup" | "getattr"> = {
    getattr: vfs.getattr,
    lookup: (parent, name) => (name === "a" ? Promise.resolve(vfs.lookup(parent, name)) : vfs.lookup(parent, name)),
  };
  const reply = paths(late).item("/a/b");
  assert.ok(reply instanceof Promise);
  assert.equal(kind(await reply), "ok");
  assert.equal(kind(await paths(late).item("/a/none/deeper")), "notFound");
});

test("nothing about a path is remembered", () => {
  const vfs = tree();
  const walker = paths(vfs);
  const before = value(walker.item("/a/b")).inode;
  vfs.moveElsewhere("/a/b", "/c");
  assert.equal(kind(walker.item("/a/b")), "notFound");
  assert.equal(value(walker.item("/c")).inode, before);
});

test("a hidden name is an alias of its inode in every folder, until it is given up", () => {
  const walker = paths(tree());
  const { inode } = value(walker.item("/a/b"));
  const hidden = "/a/.fuse_hidden0000001f00000002";
  walker.hide(hidden, inode);
  assert.equal(value(walker.item(hidden)).inode, inode);
  assert.equal(value(walker.item("/moved/.fuse_hidden0000001f00000002")).inode, inode);
  assert.equal(walker.unhide(hidden), true);
  assert.equal(walker.unhide(hidden), false);
  assert.equal(kind(walker.item(hidden)), "notFound");
  assert.equal(nodeOfHiddenName(hidden), 0x1f);
});

test("an expected hidden name is taken once", () => {
  const walker = paths(tree());
  walker.expect("/a/.fuse_hidden0000000100000001");
  assert.equal(walker.takeExpected("/a/other"), false);
  assert.equal(walker.takeExpected("/a/.fuse_hidden0000000100000001"), true);
  assert.equal(walker.takeExpected("/a/.fuse_hidden0000000100000001"), false);
});

test("what is open stands in only for what is no longer at its path", () => {
  const vfs = tree();
  const walker = paths(vfs);
  const open = value(walker.item("/a")).inode;
  assert.equal(value(walker.item("/gone", open)).inode, open);
  assert.equal(value(walker.item("/a/b/gone/deeper", open)).inode, open);
  assert.notEqual(value(walker.item("/a/b", open)).inode, open);
});
