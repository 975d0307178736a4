/** The two trees against the plainest possible model: one Map of Mirror rows, one of Local rows, and searching through them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { blobId, folded, itemId, itemKey, ROOT, type Folded, type ItemKey } from "../../src/model/ids.ts";
import type { LocalItem, MirrorItem } from "../../src/model/item.ts";
import { fold } from "../../src/model/name.ts";
import { listChildren } from "../../src/store/children.ts";
import { checkStore } from "../../src/store/check.ts";
import { memoryStore, type MemoryStore } from "../../src/store/memory-store.ts";
import type { Reader } from "../../src/store/store.ts";
import {
  changeTrees,
  localAt,
  localChildren,
  mirrorAt,
  mirrorChildren,
  newNode,
  nodeOf,
  viewLocal,
  type NodeChange,
} from "../../src/store/tree.ts";

const NAMES = ["a", "A", "b", "ä", "a\u0308", "\uffff", "\u{1f600}", "\u{1f601}", "ß"];
const FILES = [10, 11, 12, 13, 14, 15].map(itemKey);
const FOLDERS = [2, 3, 4].map(itemKey);
const ALL = [...FOLDERS, ...FILES];

interface Model {
  readonly mirror: Map<ItemKey, MirrorItem>;
  /** Null: gone. */
  readonly local: Map<ItemKey, LocalItem | null>;
}

/** A listing says of each child what its rows say, whether ranges were read for it or rows. */
function assertListed(read: Reader, parent: ItemKey, children: readonly ItemKey[]): void {
  const listed = listChildren(read, parent, undefined, children.length);
  assert.deepEqual(
    listed,
    children.map((node) => {
      const view = viewLocal(read, node)!;
      return { folded: fold(view.name), view, facts: read.facts.get(node), cached: read.cached.get(node) };
    }),
  );
}

test("tree: a listing of children with neighbouring numbers and of scattered ones, page by page, with facts and cached bytes", () => {
  for (const step of [1, 50]) {
    const store = freshStore();
    const nodes = Array.from({ length: 40 }, (_, i) => itemKey(1_000 + i * step));
    store.transact((tx) => {
      const changes = nodes.map((node, i): [ItemKey, NodeChange] => [
        node,
        i % 5 === 0
          ? { local: { kind: "file", parent: ROOT, name: `n${i}`, mtime: 1, content: { from: "cloud" } } }
          : { mirror: item(ROOT, { id: `i${i}`, name: `n${i}`, kind: "file" }) },
      ]);
      changeTrees(tx, new Map(changes));
      changeTrees(tx, new Map([[nodes[6]!, { local: null }]]));
      tx.facts.put(nodes[3]!, { mode: 0o600 });
      tx.cached.put(nodes[4]!, { version: "v", size: 3, ranges: [0, 3], durable: true, usedAt: 1 });
    });
    assertListed(store.read, ROOT, [...localChildren(store.read, ROOT)]);
    const paged: ItemKey[] = [];
    for (let after: Folded | undefined; ;) {
      const page = listChildren(store.read, ROOT, after, 7);
      paged.push(...page.map(({ view }) => view.node));
      after = page.at(-1)?.folded;
      if (page.length < 7) break;
    }
    assert.deepEqual(paged, [...localChildren(store.read, ROOT)]);
    assert.equal(paged.length, 39);
  }
});

function freshStore(): MemoryStore {
  const store = memoryStore();
  store.transact((tx) => {
    tx.meta.put("nextNode", 100);
    tx.meta.put("nextBlob", 100);
    for (let n = 1; n < 6; n++) tx.blobs.put(blobId(n), { node: itemKey(10), size: 0, state: "open" });
    changeTrees(tx, new Map([[ROOT, { mirror: item(ROOT, { id: "root", name: "root", kind: "folder" }) }]]));
  });
  return store;
}

function item(
  parent: ItemKey,
  more: { id: string; name: string; kind: "file" | "folder"; mtime?: number },
): MirrorItem {
  return { size: 7, birth: 0, mtime: 0, parent, ...more, id: itemId(more.id) };
}

const kindOf = (node: ItemKey): "file" | "folder" => (FOLDERS.includes(node) ? "folder" : "file");

const place = fc.record({ parent: fc.constantFrom(ROOT, ...FOLDERS), name: fc.constantFrom(...NAMES) });

const mirrorChange = (node: ItemKey): fc.Arbitrary<NodeChange["mirror"]> =>
  fc.oneof(
    fc.constant(undefined),
    fc.constant(null),
    fc
      .record({ place, id: fc.constantFrom(...ALL.map((each) => `id${each}`)), mtime: fc.nat(2) })
      .map(({ place: { parent, name }, id, mtime }) => item(parent, { id, name, kind: kindOf(node), mtime })),
  );

const localChange = (node: ItemKey): fc.Arbitrary<NodeChange["local"]> =>
  fc.oneof(
    fc.constant(undefined),
    fc.constant(null),
    fc.constant("clean" as const),
    fc
      .record({ place, mtime: fc.nat(2), blob: fc.option(fc.nat(4), { nil: undefined }) })
      .map(({ place: at, mtime, blob }): LocalItem => ({
        kind: kindOf(node),
        ...at,
        mtime,
        content:
          blob === undefined || kindOf(node) === "folder"
            ? { from: "cloud" }
            : { from: "blob", blob: blobId(blob + 1), size: blob },
      })),
  );

const change = fc
  .constantFrom(...ALL)
  .chain((node) =>
    fc.record({ mirror: mirrorChange(node), local: localChange(node) }).map((to) => [node, to] as const),
  );

const batch = fc.uniqueArray(change, { minLength: 1, maxLength: 5, selector: ([node]) => node });

function asChange(to: { mirror: NodeChange["mirror"]; local: NodeChange["local"] }): NodeChange {
  return {
    ...(to.mirror === undefined ? {} : { mirror: to.mirror }),
    ...(to.local === undefined ? {} : { local: to.local }),
  };
}

function changed(model: Model, changes: ReadonlyMap<ItemKey, NodeChange>): Model {
  const mirror = new Map(model.mirror);
  const local = new Map(model.local);
  for (const [node, to] of changes) {
    if (to.mirror === null) mirror.delete(node);
    else if (to.mirror) mirror.set(node, to.mirror);
    if (to.local === "clean") local.delete(node);
    else if (to.local !== undefined) local.set(node, to.local as LocalItem | null);
    if (local.get(node) === null && !mirror.has(node)) local.delete(node);
    if (saysNothing(local.get(node), mirror.get(node))) local.delete(node);
  }
  return { mirror, local };
}

/** A Local row that says what the Mirror says is no row: from then on the node follows the Mirror. */
function saysNothing(row: LocalItem | null | undefined, mirror: MirrorItem | undefined): boolean {
  if (!row || !mirror || row.content.from === "blob") return false;
  const sameTime = row.kind === "folder" || row.mtime === mirror.mtime;
  return row.parent === mirror.parent && row.name === mirror.name && sameTime;
}

/** A folder's own mtime is the cloud's affair. */
const timeOf = (row: { kind: string; mtime: number }): number => (row.kind === "folder" ? 0 : row.mtime);

type Seen = { readonly parent: ItemKey; readonly name: string; readonly mtime: number; readonly kind: string };

function shown(model: Model, node: ItemKey): Seen | undefined {
  const row = model.local.has(node) ? model.local.get(node) : model.mirror.get(node);
  return row ? { parent: row.parent, name: row.name, mtime: timeOf(row), kind: row.kind } : undefined;
}

function slots(
  rows: Iterable<readonly [ItemKey, { parent: ItemKey; name: string } | undefined]>,
): Map<string, ItemKey> | undefined {
  const found = new Map<string, ItemKey>();
  for (const [node, row] of rows) {
    if (!row || node === ROOT) continue;
    const slot = `${row.parent}/${fold(row.name)}`;
    if (found.has(slot)) return undefined;
    found.set(slot, node);
  }
  return found;
}

const nodesOf = (model: Model): ItemKey[] => [...new Set([...model.mirror.keys(), ...model.local.keys()])];

/** Slots of both sides, or undefined when two nodes share one, or an id. */
function wellFormed(model: Model): { mirror: Map<string, ItemKey>; local: Map<string, ItemKey> } | undefined {
  const ids = [...model.mirror.values()].map((row) => row.id);
  const mirror = slots(model.mirror);
  const local = slots(nodesOf(model).map((node) => [node, shown(model, node)] as const));
  return new Set(ids).size === ids.length && mirror && local ? { mirror, local } : undefined;
}

function assertSame(read: Reader, model: Model): void {
  const slotsOf = wellFormed(model)!;
  for (const node of [ROOT, ...ALL]) {
    const view = viewLocal(read, node);
    const seen = view && { parent: view.parent, name: view.name, mtime: timeOf(view), kind: view.kind };
    assert.deepEqual(seen, shown(model, node));
    assert.deepEqual(read.mirror.get(node), model.mirror.get(node));
    const mirror = model.mirror.get(node);
    if (mirror) assert.equal(nodeOf(read, mirror.id), node);
  }
  for (const parent of [ROOT, ...FOLDERS]) {
    for (const name of NAMES.map(fold)) {
      assert.equal(mirrorAt(read, parent, name), slotsOf.mirror.get(`${parent}/${name}`));
      assert.equal(localAt(read, parent, name), slotsOf.local.get(`${parent}/${name}`));
    }
    assert.deepEqual([...mirrorChildren(read, parent)], childrenIn(slotsOf.mirror, parent));
    const children = childrenIn(slotsOf.local, parent);
    assert.deepEqual([...localChildren(read, parent)], children);
    for (const most of [1, 3, 100]) assertListed(read, parent, children.slice(0, most));
    const middle = children[1];
    if (middle === undefined) continue;
    const after = fold(shown(model, middle)!.name);
    assert.deepEqual([...localChildren(read, parent, after)], children.slice(2));
  }
  const serious = checkStore(read).filter(({ invariant }) => !["T6", "T7"].includes(invariant));
  assert.deepEqual(serious, []);
}

function childrenIn(found: ReadonlyMap<string, ItemKey>, parent: ItemKey): ItemKey[] {
  const own = [...found].filter(([slot]) => slot.startsWith(`${parent}/`));
  return own.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))).map(([, node]) => node);
}

test("any batch of changes leaves both trees as a naive model has them, or is refused whole", () => {
  let applied = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(batch, { minLength: 3, maxLength: 12, size: "max" }), (batches) => {
      const store = freshStore();
      let model: Model = {
        mirror: new Map([[ROOT, item(ROOT, { id: "root", name: "root", kind: "folder" })]]),
        local: new Map(),
      };
      for (const each of batches) {
        const changes = new Map(each.map(([node, to]) => [node, asChange(to)] as const));
        const next = changed(model, changes);
        const run = (): void => store.transact((tx) => changeTrees(tx, changes));
        if (wellFormed(next)) {
          run();
          model = next;
          applied++;
        } else {
          assert.throws(run, { name: "Defect" });
          refused++;
        }
        assertSame(store.read, model);
      }
    }),
    { numRuns: 250 },
  );
  assert.ok(applied > 300 && refused > 100, `both happened: ${applied}, ${refused}`);
});

test("swaps and rotations need no order, on either side", () => {
  const store = freshStore();
  const [a, b, c] = [itemKey(10), itemKey(11), itemKey(12)];
  const at = (node: ItemKey, name: string): MirrorItem => item(ROOT, { id: `id${node}`, name, kind: "file" });
  store.transact((tx) =>
    changeTrees(
      tx,
      new Map([
        [a, { mirror: at(a, "a") }],
        [b, { mirror: at(b, "b") }],
        [c, { mirror: at(c, "c") }],
      ]),
    ),
  );
  store.transact((tx) =>
    changeTrees(
      tx,
      new Map([
        [a, { mirror: at(a, "b") }],
        [b, { mirror: at(b, "c") }],
        [c, { mirror: at(c, "A") }],
      ]),
    ),
  );
  assert.deepEqual([...localChildren(store.read, ROOT)], [c, a, b]);
  const local = (name: string): LocalItem => ({
    kind: "file",
    parent: ROOT,
    name,
    mtime: 0,
    content: { from: "cloud" },
  });
  store.transact((tx) =>
    changeTrees(
      tx,
      new Map([
        [a, { local: local("c") }],
        [b, { local: local("b") }],
      ]),
    ),
  );
  assert.deepEqual([...localChildren(store.read, ROOT)], [c, b, a]);
  assert.deepEqual([...mirrorChildren(store.read, ROOT)], [c, a, b]);
  store.transact((tx) =>
    changeTrees(
      tx,
      new Map([
        [a, { local: "clean" }],
        [b, { local: "clean" }],
      ]),
    ),
  );
  assert.equal(store.read.local.count + store.read.localSlots.count, 0);
  assert.deepEqual(checkStore(store.read), []);
});

test("an id goes from one node to another in one change, in either order", () => {
  for (const order of [1, -1]) {
    const store = freshStore();
    const young = itemKey(11);
    const old = itemKey(10);
    const mirror = item(ROOT, { id: "one", name: "f", kind: "file" });
    store.transact((tx) => changeTrees(tx, new Map([[old, { mirror }]])));
    const changes = [[old, { mirror: null }] as const, [young, { mirror }] as const];
    store.transact((tx) => changeTrees(tx, new Map<ItemKey, NodeChange>(order > 0 ? changes : changes.toReversed())));
    assert.equal(nodeOf(store.read, itemId("one")), young);
    assert.equal(localAt(store.read, ROOT, folded("f")), young);
    assert.deepEqual(checkStore(store.read), []);
    assert.throws(
      () => store.transact((tx) => changeTrees(tx, new Map([[old, { mirror: { ...mirror, name: "g" } }]]))),
      { name: "Defect" },
    );
  }
});

test("a folder moves with everything in it; a gone row hides only its own slot", () => {
  const store = freshStore();
  const [folder, inside, file] = [itemKey(2), itemKey(3), itemKey(10)];
  store.transact((tx) =>
    changeTrees(
      tx,
      new Map([
        [folder, { mirror: item(ROOT, { id: "f", name: "f", kind: "folder" }) }],
        [inside, { mirror: item(ROOT, { id: "i", name: "i", kind: "folder" }) }],
        [file, { mirror: item(folder, { id: "x", name: "x", kind: "file" }) }],
      ]),
    ),
  );
  const moved: LocalItem = { kind: "folder", parent: inside, name: "f2", mtime: 0, content: { from: "cloud" } };
  store.transact((tx) => changeTrees(tx, new Map([[folder, { local: moved }]])));
  assert.equal(localAt(store.read, inside, folded("f2")), folder);
  assert.equal(localAt(store.read, ROOT, folded("f")), undefined);
  assert.equal(localAt(store.read, folder, folded("x")), file);
  store.transact((tx) => changeTrees(tx, new Map([[file, { local: null }]])));
  assert.deepEqual([...localChildren(store.read, folder)], []);
  assert.equal(viewLocal(store.read, file), undefined);
  assert.equal(store.read.local.count, 2);
  store.transact((tx) => changeTrees(tx, new Map([[file, { mirror: null }]])));
  assert.equal(store.read.local.count, 1);
  assert.deepEqual(checkStore(store.read), []);
});

test("node numbers are given once", () => {
  const store = memoryStore();
  const given = [1, 2, 3].map(() => store.transact(newNode));
  assert.deepEqual(given, [2, 3, 4]);
});

test("leaving a listing early does not hold anything", () => {
  const store = freshStore();
  store.transact((tx) => {
    for (const node of FILES)
      changeTrees(tx, new Map([[node, { mirror: item(ROOT, { id: `id${node}`, name: `n${node}`, kind: "file" }) }]]));
    for (const node of localChildren(tx, ROOT)) {
      assert.equal(node, FILES[0]);
      break;
    }
  });
});
