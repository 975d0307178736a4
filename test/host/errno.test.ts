/** Every fault has an errno that programs understand, and it is a real one. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { errnoOf } from "../../src/host/errno.ts";
import type { FaultKind } from "../../src/model/fault.ts";

const wanted: Partial<Record<FaultKind, keyof typeof constants.errno>> = {
  notFound: "ENOENT",
  exists: "EEXIST",
  notEmpty: "ENOTEMPTY",
  invalid: "EINVAL",
  nameTooLong: "ENAMETOOLONG",
  crossDrive: "EXDEV",
  noSpace: "ENOSPC",
  tooLarge: "EFBIG",
  denied: "EACCES",
  readOnly: "EROFS",
  offline: "EIO",
  timedOut: "EIO",
  noAttribute: "ENODATA",
  tooSmall: "ERANGE",
  notSupported: "EOPNOTSUPP",
  notPermitted: "EPERM",
};

test("faults become the errnos that the product promises", () => {
  for (const [kind, name] of Object.entries(wanted) as [FaultKind, keyof typeof constants.errno][]) {
    assert.equal(errnoOf({ kind, why: "" }), constants.errno[name], kind);
  }
});
