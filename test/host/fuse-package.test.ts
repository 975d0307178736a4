/** A fuse-native that is not ours is refused, whichever half is missing; the installed one is ours. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fusePackage, isPatched } from "../../src/host/fuse-package.ts";
import { repository } from "../support/repository.ts";

test("the published package, or a published binary under patched JavaScript, is refused", () => {
  assert.equal(isPatched({ mountOneDrivePatch: undefined, binding: undefined }), false);
  assert.equal(isPatched({ mountOneDrivePatch: 1, binding: { mountOneDrivePatch: undefined } }), false);
  assert.equal(isPatched({ mountOneDrivePatch: 2, binding: { mountOneDrivePatch: 2 } }), false);
  assert.equal(isPatched({ mountOneDrivePatch: 1, binding: { mountOneDrivePatch: 1 } }), true);
});

test("the installed package carries the patch, and both halves of the patch state one number", async () => {
  assert.ok((await fusePackage()).ok);
  const patch = readFileSync(join(repository, "patches/fuse-native+2.2.6.patch"), "utf8");
  const numbers = [...patch.matchAll(/MOUNT_ONEDRIVE_PATCH (?:= )?(\d+)/g)].map((match) => match[1]);
  assert.equal(numbers.length, 2);
  assert.equal(numbers[0], numbers[1]);
});
