/** Records of the log survive their codec; one that does not parse is reported, never thrown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { blobId, itemKey, opId } from "../../src/model/ids.ts";
import { assertOp, decodeOp, decodeRecord } from "../../src/op/codec.ts";
import type { Op, OpRecord } from "../../src/op/op.ts";

const node = itemKey(2);
const parent = itemKey(1);
const OPS: readonly Op[] = [
  { type: "createFile", node, parent, name: "a" },
  { type: "createFolder", node, parent, name: "é \u{1f600}" },
  { type: "writeContent", node, blob: blobId(1) },
  { type: "writeContent", node, blob: blobId(1), seen: "c:1" },
  { type: "move", node, parent, name: "b", fromParent: parent, fromName: "a" },
  { type: "deleteFile", node, seen: "v" },
  { type: "deleteFolder", node },
  { type: "setMetadata", node, mtime: -1 },
  { type: "copy", node, source: itemKey(3), parent, name: "c" },
];
const record = (op: Op): OpRecord => ({ seq: opId(9), op, at: 1.5, status: { state: "pending" }, tries: 0 });

test("what we write comes back through JSON and parses", () => {
  for (const op of OPS) {
    assertOp(op);
    const parked = { ...record(op), status: { state: "parked", reason: "r" }, tries: 2, lastFault: "f" } as const;
    for (const each of [record(op), parked]) {
      const decoded = decodeRecord(JSON.parse(JSON.stringify(each)));
      assert.deepEqual(decoded, { ok: true, value: each });
    }
  }
});

test("whatever is in the place of a record is reported and never throws", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      assert.equal(decodeRecord(value).ok, false);
      assert.equal(decodeOp(value).ok, false);
    }),
    { numRuns: 300 },
  );
});

test("a record with any one field missing, of another type, or unknown is refused", () => {
  for (const op of OPS) {
    const optional = ["seen", "lastFault"];
    for (const field of Object.keys(op).filter((each) => !optional.includes(each))) {
      for (const wrong of [undefined, null, {}, -1, 1.5, ""]) {
        const refused = decodeRecord(record({ ...op, [field]: wrong } as Op));
        const legal = field === "mtime" && wrong === -1;
        assert.equal(refused.ok, legal, `${op.type}.${field} = ${JSON.stringify(wrong)}`);
      }
    }
    assert.equal(decodeOp({ ...op, more: 1 }).ok, false);
    for (const field of ["seq", "at", "status", "tries", "op"])
      assert.equal(decodeRecord({ ...record(op), [field]: undefined }).ok, false, field);
  }
  for (const name of ["", ".", "..", "a/b", "a\0"])
    assert.equal(decodeOp({ type: "createFile", node, parent, name }).ok, false, JSON.stringify(name));
  assert.equal(decodeRecord({ ...record(OPS[0]!), status: { state: "held" } }).ok, false);
  assert.equal(decodeRecord({ ...record(OPS[0]!), status: { state: "toString" } }).ok, false);
});

test("an operation that is not well-formed is a defect where it is written", () => {
  assert.throws(() => assertOp({ type: "createFile", node, parent, name: "a/b" }), { name: "Defect" });
});
