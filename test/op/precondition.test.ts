/**
 * Conditions and effects against a naive tree: operations whose conditions hold keep every tree well-formed; one that would break
 * it has a condition that does not hold.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { blobId, itemKey, ROOT, type ItemKey } from "../../src/model/ids.ts";
import { fold } from "../../src/model/name.ts";
import { applyLog, applyOp, type OpNode } from "../../src/op/effect.ts";
import type { Op } from "../../src/op/op.ts";
import { conditionsOf, holds, type Asked } from "../../src/op/precondition.ts";

type Naive = Map<ItemKey, OpNode>;

const NODES = [2, 3, 4, 5, 6, 7].map(itemKey);
const anyNode = fc.constantFrom(...NODES);
const anyFolder = fc.constantFrom(ROOT, ...NODES);
const anyName = fc.constantFrom("a", "A", "b", "ä", "a\u0308");
const root: OpNode = {
  kind: "folder",
  parent: ROOT,
  name: "root",
  content: { from: "cloud", of: ROOT },
  mtime: undefined,
};

const anyOp: fc.Arbitrary<Op> = fc.oneof(
  fc.record({ type: fc.constant("createFile" as const), node: anyNode, parent: anyFolder, name: anyName }),
  fc.record({ type: fc.constant("createFolder" as const), node: anyNode, parent: anyFolder, name: anyName }),
  fc.record({ type: fc.constant("copy" as const), node: anyNode, source: anyNode, parent: anyFolder, name: anyName }),
  fc.record({ type: fc.constant("deleteFile" as const), node: anyNode }),
  fc.record({ type: fc.constant("deleteFolder" as const), node: anyNode }),
  fc.record({ type: fc.constant("writeContent" as const), node: anyNode, blob: fc.nat(3).map((n) => blobId(n + 1)) }),
  fc
    .record({ node: anyNode, parent: anyFolder, name: anyName })
    .map((to) => ({ type: "move" as const, ...to, fromParent: ROOT, fromName: "x" })),
);

function asked(tree: Naive): Asked {
  return {
    parentOf: (node) => tree.get(node)?.parent,
    isFolder: (node) => tree.get(node)?.kind === "folder",
    at: (parent, name) =>
      [...tree].find(([node, row]) => node !== ROOT && row.parent === parent && fold(row.name) === name)?.[0],
    isEmpty: (folder) => ![...tree].some(([node, row]) => node !== ROOT && row.parent === folder),
    versionOf: (node) => {
      const content = tree.get(node)?.content;
      return content?.from === "blob" ? `blob:${content.blob}` : undefined;
    },
    isStable: () => true,
  };
}

function wellFormed(tree: Naive): boolean {
  const slots = new Set<string>();
  for (const [node, row] of tree) {
    if (node === ROOT) continue;
    if (tree.get(row.parent)?.kind !== "folder") return false;
    const slot = `${row.parent}/${fold(row.name)}`;
    if (slots.has(slot)) return false;
    slots.add(slot);
    let up: ItemKey | undefined = row.parent;
    for (let steps = 0; up !== ROOT; steps++) {
      if (up === undefined || up === node || steps > tree.size) return false;
      up = tree.get(up)?.parent;
    }
  }
  return true;
}

/** What the vfs sees to itself: kinds fit and new nodes are new. */
function fits(tree: Naive, op: Op): boolean {
  const row = tree.get(op.node);
  if (op.type === "createFile" || op.type === "createFolder") return !row;
  if (op.type === "copy") return !row && tree.get(op.source)?.kind === "file";
  if (op.type === "move") return row !== undefined;
  return row?.kind === (op.type === "deleteFolder" ? "folder" : "file");
}

function after(tree: Naive, op: Op): Naive {
  const next = new Map(tree);
  const row = applyOp((node) => tree.get(node) ?? null, op);
  if (row) next.set(op.node, row);
  else next.delete(op.node);
  return next;
}

test("operations keep a tree well-formed exactly when their conditions hold", () => {
  let carriedOut = 0;
  fc.assert(
    fc.property(fc.array(anyOp, { minLength: 40, maxLength: 60 }), (ops) => {
      let tree: Naive = new Map([[ROOT, root]]);
      for (const op of ops) {
        if (!fits(tree, op)) continue;
        const fine = conditionsOf(op).every((condition) => holds(asked(tree), condition));
        const next = after(tree, op);
        assert.equal(wellFormed(next), fine, `${JSON.stringify(op)} on ${JSON.stringify([...tree])}`);
        if (fine) {
          tree = next;
          carriedOut++;
        }
      }
    }),
    { numRuns: 400 },
  );
  assert.ok(carriedOut > 500, `enough operations were carried out: ${carriedOut}`);
});

test("a log gives the same tree in every order that keeps each node's own", () => {
  fc.assert(
    fc.property(fc.array(anyOp, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (ops, draws) => {
      const own = ops.filter((op) => op.type !== "copy");
      const start = (): OpNode | null => root;
      const queues = NODES.map((node) => own.filter((op) => op.node === node)).filter((queue) => queue.length > 0);
      const shuffled: Op[] = [];
      while (queues.some((queue) => queue.length > 0)) {
        const left = queues.filter((queue) => queue.length > 0);
        shuffled.push(left[draws.next().value! % left.length]!.shift()!);
      }
      const byNode = (log: readonly Op[]) => new Map([...applyLog(start, log)].sort(([a], [b]) => a - b));
      assert.deepEqual(byNode(shuffled), byNode(own));
    }),
    { numRuns: 200 },
  );
});

test("conditions name what they are about", () => {
  assert.deepEqual(
    conditionsOf({ type: "move", node: itemKey(4), parent: itemKey(2), name: "B", fromParent: ROOT, fromName: "a" }),
    [
      { kind: "exists", node: 2 },
      { kind: "free", parent: 2, name: fold("b"), mover: 4 },
      { kind: "outside", node: 4, folder: 2 },
      { kind: "at", node: 4, aspect: "place" },
    ],
  );
  assert.deepEqual(conditionsOf({ type: "writeContent", node: itemKey(4), blob: blobId(3), seen: "c" }), [
    { kind: "at", node: 4, aspect: "content", version: "c" },
    { kind: "bytes", blob: 3 },
  ]);
  const moved: Naive = new Map([
    [ROOT, root],
    [itemKey(2), { ...root, parent: ROOT, name: "f", content: { from: "blob", blob: blobId(7) } }],
  ]);
  const written = { type: "writeContent", node: itemKey(2), blob: blobId(8), seen: "blob:7" } as const;
  assert.ok(conditionsOf(written).every((condition) => holds(asked(moved), condition)));
  assert.ok(!conditionsOf({ ...written, seen: "blob:6" }).every((condition) => holds(asked(moved), condition)));
  const unstable = { ...asked(moved), isStable: () => false };
  assert.ok(!conditionsOf(written).every((condition) => holds(unstable, condition)));
});
