/** The mount table is read as the kernel writes it: escapes, optional fields, stacked mounts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMountinfo } from "../../src/host/mount-table.ts";

test("mountinfo: escapes, optional fields, sources with blanks", () => {
  const text = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "90 22 0:39 / /home/me/One\\040Drive rw,nosuid,nodev shared:7 master:2 - fuse.onedrive onedrive:a\\040b rw,user_id=0",
    "91 22 0:40 / /tmp/back\\134slash rw - tmpfs none rw",
    "",
  ].join("\n");
  assert.deepEqual(parseMountinfo(text).slice(1), [
    { mountpoint: "/home/me/One Drive", type: "fuse.onedrive", source: "onedrive:a b", minor: 39 },
    { mountpoint: "/tmp/back\\slash", type: "tmpfs", source: "none", minor: 40 },
  ]);
});

test("mountinfo: lines that make no sense are left out", () => {
  assert.deepEqual(parseMountinfo("nonsense\n1 2 3\n - \n"), []);
});
