/** Plans by name: what local-only folders mean for the rest, and what an executor must refuse. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { execute } from "../../src/merge/executor.ts";
import type { Action, Overlay, Script } from "../../src/merge/merge.ts";
import { plan } from "../../src/merge/plan.ts";
import { words } from "../world/check-merge.ts";
import { asTree, difference, file, folder, key, treeOf, type PlainTree } from "../world/plain-tree.ts";

const MIRROR = treeOf({ 2: folder(1, "a"), 3: file(2, "f", "f"), 4: file(1, "g", "g"), 5: folder(1, "b") });

function planned(local: PlainTree, localOnly: readonly number[] = []): { script: Script; overlay: Overlay } {
  const overlay = difference(MIRROR, local);
  const options = { localOnly: new Set(localOnly.map(key)), parked: new Map(), device: "pc" };
  return { script: plan(asTree(MIRROR), overlay, options), overlay };
}

test("a local-only folder and what is new in it are not sent; items of the cloud inside stay where they are", () => {
  const local = new Map(MIRROR)
    .set(key(10), folder(1, ".Trash"))
    .set(key(11), file(10, "new", "n"))
    .set(key(4), file(10, "g", "g"));
  const { script, overlay } = planned(local, [10]);
  assert.equal(words(script), "[]");
  assert.deepEqual(script.left, [4, 10, 11]);
  assert.ok(execute(asTree(MIRROR), script, overlay).ok);
});

test("an item in a local-only folder makes room in the cloud for whoever has its name now", () => {
  const local = new Map(MIRROR)
    .set(key(10), folder(1, ".Trash"))
    .set(key(4), file(10, "g", "g"))
    .set(key(12), file(1, "G", "n"));
  const { script, overlay } = planned(local, [10]);
  assert.match(words(script), /^\[move 4 1\/g\.od-park-\w+; createFile 12 1\/G\]$/);
  assert.deepEqual(script.left, [4, 10]);
  assert.ok(execute(asTree(MIRROR), script, overlay).ok);
});

test("a delete of a folder counts everything below it", () => {
  const local = new Map(MIRROR);
  for (const node of [2, 3, 4]) local.delete(key(node));
  assert.equal(planned(local).script.deletes, 3);
});

const refuses = (
  actions: readonly Action[],
  why: RegExp,
  local: PlainTree = MIRROR,
  needs: readonly number[] = [],
): void => {
  const steps = actions.map((action) => ({ ...action, needs }));
  const ran = execute(asTree(MIRROR), { steps, deletes: 0, left: [] }, difference(MIRROR, local));
  assert.ok(!ran.ok, "it refuses");
  assert.match(ran.fault.why, why);
};
const at = (node: number, parent: number, name: string) => ({ node: key(node), parent: key(parent), name });
const bytes = { version: "blob:1", size: 1, hash: "x", seen: "c:old" };

test("the executor refuses every step whose condition does not hold", () => {
  refuses([{ action: "createFolder", ...at(10, 9, "n") }], /no folder 9/);
  refuses([{ action: "createFolder", ...at(10, 3, "n") }], /no folder 3/);
  refuses([{ action: "createFolder", ...at(10, 1, "G") }], /has the name/);
  refuses([{ action: "createFolder", ...at(2, 1, "n") }], /exists already/);
  refuses([{ action: "move", ...at(2, 2, "n"), park: false }], /inside itself/);
  refuses([{ action: "move", ...at(9, 1, "n"), park: false }], /no such item/);
  refuses([{ action: "writeContent", node: key(3), bytes, mtime: 1 }], /made from c:old/);
  refuses([{ action: "deleteFolder", node: key(2), covers: [] }], /take 3 along/);
  refuses([{ action: "deleteFolder", node: key(2), covers: [key(3), key(4)] }], /not inside/);
  refuses([{ action: "deleteFile", node: key(2) }], /no such file/);
  refuses([{ action: "deleteFile", node: key(4) }], /comes later/, MIRROR, [0]);
});

test("the executor refuses an end that is not Local, hashes included", () => {
  const gone = new Map(MIRROR);
  gone.delete(key(4));
  refuses([], /is there at the end/, gone);
  refuses([{ action: "deleteFile", node: key(4) }], /not to be touched/);
  const written = new Map(MIRROR).set(key(4), { ...file(1, "g", "y", 1), bytes: { ...bytes, seen: "c:g", hash: "y" } });
  refuses(
    [{ action: "writeContent", node: key(4), bytes: { ...bytes, seen: "c:g" }, mtime: 1 }],
    /false hash/,
    written,
  );
  refuses(
    [{ action: "setMetadata", node: key(4), mtime: 3 }],
    /another mtime/,
    new Map(MIRROR).set(key(4), file(1, "g", "g", 2)),
  );
});
