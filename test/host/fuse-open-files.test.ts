/** Numbers of open files are used again but never twice at once; the kernel's pages are kept only when they must be right. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { handleId, itemKey } from "../../src/model/ids.ts";
import type { Attributes } from "../../src/vfs/vfs.ts";
import { openFiles, versionOf, type OpenFile } from "../../src/host/fuse-open-files.ts";

const time = (n: number): { s: number; n: number } => ({ s: 1, n });
const attributes = (inode: number, version: number): Attributes => ({
  inode: itemKey(inode),
  kind: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 5,
  blocks: 1,
  links: 1,
  atime: time(1),
  mtime: time(1),
  ctime: time(version),
  birth: time(0),
});
const opened = (inode: number, node: number, version = 1): OpenFile => ({
  handle: handleId(1),
  inode: itemKey(inode),
  version: versionOf(attributes(inode, version)),
  node,
});

test("numbers are free again after release, and unknown ones are a defect", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 }), (steps) => {
      const open = openFiles();
      const model = new Map<number, OpenFile>();
      for (const step of steps) {
        const [victim] = [...model.keys()].slice(step);
        if (step < 6 || victim === undefined) {
          const file = opened(step + 1, 0);
          const fd = open.add(file);
          assert.ok(!model.has(fd) && fd > 0);
          model.set(fd, file);
        } else {
          assert.equal(open.remove(victim), model.get(victim));
          model.delete(victim);
          assert.throws(() => open.get(victim, 0));
        }
        assert.equal(open.count, model.size);
        for (const [fd, file] of model) assert.equal(open.get(fd, 0), file);
      }
    }),
  );
});

test("a kernel node learns what it has open from the first call with a handle", () => {
  const open = openFiles();
  const fd = open.add(opened(7, 0));
  assert.equal(open.openInode(42), undefined);
  open.get(fd, 42);
  assert.equal(open.openInode(42), 7);
  open.remove(fd);
  assert.equal(open.openInode(42), undefined);
});

test("pages: kept for the same node, inode and version only", () => {
  const open = openFiles();
  assert.equal(open.pages(1, attributes(7, 1)), "drop");
  assert.equal(open.pages(1, attributes(7, 1)), "keep");
  assert.equal(open.pages(2, attributes(7, 1)), "drop", "another node has other pages");
  assert.equal(open.pages(1, attributes(7, 2)), "drop", "another version");
  assert.equal(open.pages(1, attributes(8, 2)), "drop", "another inode");
  assert.equal(open.pages(1, attributes(8, 2)), "keep");
  open.forget(itemKey(8));
  assert.equal(open.pages(1, attributes(8, 2)), "drop");
});

test("pages: an older handle may still fill them, so they are not trusted while it is open or right after", () => {
  const open = openFiles();
  open.pages(1, attributes(7, 1));
  const old = open.add(opened(7, 1, 1));
  assert.equal(open.pages(1, attributes(7, 2)), "drop");
  assert.equal(open.pages(1, attributes(7, 2)), "drop");
  open.remove(old);
  assert.equal(open.pages(1, attributes(7, 2)), "drop", "the old handle filled them");
  assert.equal(open.pages(1, attributes(7, 2)), "keep");
});

test("pages: bypassed while the node is open for another inode", () => {
  const open = openFiles();
  const fd = open.add(opened(7, 1));
  assert.equal(open.pages(1, attributes(8, 1)), "bypass");
  open.remove(fd);
  assert.equal(open.pages(1, attributes(8, 1)), "drop");
});
