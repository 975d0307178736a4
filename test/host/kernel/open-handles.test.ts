/** When the kernel may keep its pages of a file over an open: as long as nobody but the mount itself changed the bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openHandles } from "../../../src/host/kernel/open-handles.ts";
import { handleId, itemKey } from "../../../src/model/ids.ts";

const node = itemKey(7);
const plain = { node, append: false, write: false };

test("kernel pages: kept over opens while nobody else changes the bytes", () => {
  const handles = openHandles();
  assert.equal(handles.pages(node), "keep");
  handles.add(handleId(1), plain);
  assert.equal(handles.pages(node), "keep");
  handles.remove(1);
  assert.deepEqual([handles.pages(node), handles.count], ["keep", 0]);
});

test("kernel pages: passed by while an older version is open, dropped once after its last close", () => {
  const handles = openHandles();
  handles.add(handleId(1), plain);
  handles.add(handleId(2), plain);
  handles.renewed(node);
  assert.deepEqual([handles.pages(node), handles.mixed(node)], ["bypass", true]);
  handles.add(handleId(3), plain);
  handles.remove(1);
  assert.equal(handles.pages(node), "bypass");
  handles.remove(2);
  assert.equal(handles.mixed(node), false);
  assert.equal(handles.pages(node), "drop");
  assert.equal(handles.pages(node), "keep");
});

test("kernel pages: what was forgotten with its node, or renewed while closed, needs no dropping", () => {
  const handles = openHandles();
  handles.renewed(node);
  assert.equal(handles.pages(node), "keep");
  handles.add(handleId(1), plain);
  handles.renewed(node);
  handles.remove(1);
  handles.forget(node);
  assert.equal(handles.pages(node), "keep");
});

test("kernel pages: closing what is not open changes nothing", () => {
  const handles = openHandles();
  handles.add(handleId(1), plain);
  handles.remove(99);
  handles.remove(1);
  handles.remove(1);
  assert.equal(handles.count, 0);
});
