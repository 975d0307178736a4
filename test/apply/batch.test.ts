/** Batches and answers by name: what is taken, what is refused with a question, and what becomes of bytes, ids and records. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { noteAsked } from "../../src/apply/echo.ts";
import { storeApply } from "../../src/apply/store-apply.ts";
import { manualClock } from "../../src/base/clock.ts";
import type { CloudChange } from "../../src/model/change.ts";
import { blobId, cTag, eTag, itemId, itemKey, ROOT, type ItemKey } from "../../src/model/ids.ts";
import type { CloudItem, LocalItem } from "../../src/model/item.ts";
import { ASKED_PLACES_MAX } from "../../src/model/limits.ts";
import { fold } from "../../src/model/name.ts";
import type { Op } from "../../src/op/op.ts";
import { append, ofNode } from "../../src/oplog/oplog.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import { changeTrees, localAt, localChildren, newNode, viewLocal } from "../../src/store/tree.ts";

const root: CloudItem = {
  id: itemId("root"),
  parentId: undefined,
  name: "root",
  kind: "folder",
  size: 0,
  mtime: 0,
  birth: 0,
};
const folder = (id: string, parent: string, name: string, n = 1): CloudChange =>
  item(id, parent, name, { kind: "folder", n });
const file = (
  id: string,
  parent: string,
  name: string,
  more: { hash?: string; n?: number; mtime?: number } = {},
): CloudChange =>
  item(id, parent, name, {
    kind: "file",
    hash: more.hash ?? `h-${id}`,
    n: more.n ?? 1,
    ...(more.mtime === undefined ? {} : { mtime: more.mtime }),
  });
const gone = (id: string): CloudChange => ({ deleted: true, id: itemId(id) });

function item(
  id: string,
  parent: string,
  name: string,
  of: { kind: "file" | "folder"; hash?: string; n: number; mtime?: number },
): CloudChange {
  const bytes = of.hash === undefined ? { size: 0 } : { size: 1, hash: of.hash, cTag: cTag(`c-${of.hash}`) };
  const tag = eTag(`"{${Buffer.from(id).toString("hex")}},${of.n}"`);
  return {
    deleted: false,
    item: {
      id: itemId(id),
      parentId: itemId(parent),
      name,
      kind: of.kind,
      mtime: of.mtime ?? 5,
      birth: 0,
      eTag: tag,
      ...bytes,
    },
  };
}

const of = (change: CloudChange): CloudItem => (change as { item: CloudItem }).item;

/** /docs (a)  /docs/one (b)  /two (c) */
function world() {
  const store = memoryStore();
  const clock = manualClock();
  const apply = storeApply({ store, clock, device: "pc" });
  const take = (...changes: CloudChange[]) => {
    const outcome = apply.batch({ changes });
    assert.ok(outcome.ok, JSON.stringify(outcome));
    return outcome.value;
  };
  /** The same, when every entry is the answer to a read by id. */
  const takeRead = (...changes: CloudChange[]) => {
    const read = changes.map((change) => (change.deleted ? change.id : change.item.id));
    const outcome = apply.batch({ changes, read });
    assert.ok(outcome.ok, JSON.stringify(outcome));
    return outcome.value;
  };
  const ask = (...changes: CloudChange[]) => {
    const outcome = apply.batch({ changes });
    assert.ok(!outcome.ok, "the batch is refused");
    return outcome.fault;
  };
  const node = (id: string): ItemKey => {
    const found = store.read.ids.get(itemId(id));
    assert.ok(found !== undefined, `${id} has a node`);
    return found;
  };
  const paths = (at: ItemKey = ROOT, path = ""): string[] =>
    [...localChildren(store.read, at)].flatMap((child) => {
      const view = viewLocal(store.read, child)!;
      const here = `${path}/${view.name}`;
      return view.kind === "folder" ? [here, ...paths(child, here)] : [here];
    });
  const change = (of: ItemKey, local: LocalItem | null, ...ops: Op[]): void =>
    store.transact((tx) => {
      changeTrees(tx, new Map([[of, { local }]]));
      for (const op of ops) append(tx, op, clock.now());
    });
  const bytes = (of: ItemKey, hash?: string) => {
    const blob = blobId(((store.read.meta.get("nextBlob") as number | undefined) ?? 1) + 0);
    store.transact((tx) => {
      tx.meta.put("nextBlob", blob + 1);
      const row = { node: of, size: 1 };
      tx.blobs.put(blob, hash ? { ...row, state: "frozen", hash, sha256: "ab".repeat(32) } : { ...row, state: "open" });
    });
    return blob;
  };
  const create = (parent: ItemKey, name: string, hash?: string): { node: ItemKey; blob: ReturnType<typeof blobId> } => {
    const made = store.transact((tx) => newNode(tx));
    const blob = bytes(made, hash);
    const content = { from: "blob", blob, size: 1 } as const;
    change(
      made,
      { kind: "file", parent, name, mtime: 9, content },
      { type: "createFile", node: made, parent, name },
      { type: "writeContent", node: made, blob },
    );
    return { node: made, blob };
  };
  const write = (of: ItemKey, hash: string | undefined, seen: string) => {
    const { kind, parent, name } = viewLocal(store.read, of)!;
    const blob = bytes(of, hash);
    change(
      of,
      { kind, parent, name, mtime: 9, content: { from: "blob", blob, size: 1, seen } },
      { type: "writeContent", node: of, blob, seen },
    );
    return blob;
  };
  const moved = (node: ItemKey, fromName: string, name: string): Op => {
    return { type: "move", node, parent: ROOT, name, fromParent: ROOT, fromName };
  };
  const intend = (of: ItemKey, blob: ReturnType<typeof blobId>, hash: string): number =>
    store.transact((tx) => {
      const view = viewLocal(tx, of)!;
      tx.intents.put(of, { parent: view.parent, name: view.name, kind: "file", hash, size: 1, blob, at: clock.now() });
      for (const record of ofNode(tx, of)) tx.ops.put(record.seq, { ...record, status: { state: "inflight" } });
      return ofNode(tx, of).at(-1)!.seq;
    });
  take({ deleted: false, item: root }, folder("a", "root", "docs"), file("b", "a", "one"), file("c", "root", "two"));
  return { store, clock, apply, take, ask, node, paths, change, create, write, intend, moved, takeRead };
}

test("order and repetition do not matter, and a batch that is no tree asks: apply B2", () => {
  const it = world();
  it.take(file("e", "d", "deep"), folder("d", "a", "new"), folder("d", "a", "old"), folder("d", "a", "new"));
  assert.deepEqual(it.paths(), ["/docs", "/docs/new", "/docs/new/deep", "/docs/one", "/two"]);
  const before = JSON.stringify([...it.store.read.mirror.range()]);
  assert.deepEqual(it.ask(file("x", "nobody", "lost")).read, ["nobody"]);
  assert.deepEqual([...it.ask(file("x", "root", "TWO")).read].sort(), ["c", "x"]);
  assert.deepEqual([...it.ask(folder("a", "d", "docs", 2)).read].sort(), ["a", "d"]);
  assert.deepEqual(it.ask(file("e", "d", "older name", { n: 0 })).read, ["e"]);
  assert.deepEqual([...it.ask(gone("d"), file("e", "d", "deep", { n: 2 })).read].sort(), ["d", "e"]);
  assert.equal(JSON.stringify([...it.store.read.mirror.range()]), before, "nothing was changed");
});

test("what was read by id is not doubted: apply B2", () => {
  const it = world();
  const older = it.apply.batch({ changes: [file("c", "root", "restored", { n: 0 })], read: [itemId("c")] });
  assert.ok(older.ok);
  assert.deepEqual(it.paths(), ["/docs", "/docs/one", "/restored"]);
  const twins = it.apply.batch({ changes: [file("x", "root", "RESTORED")], read: [itemId("c"), itemId("x")] });
  assert.ok(twins.ok);
  assert.equal(it.paths().length, 4);
  assert.equal(localAt(it.store.read, ROOT, fold("restored")), it.node("c"), "the one that was there keeps its name");
});

test("a new item in the place of something made here may be the ghost of a deleted one: it is asked for: apply B2", () => {
  const it = world();
  it.create(ROOT, "n", "hn");
  const ghost = file("g", "root", "N", { hash: "old" });
  assert.deepEqual(it.ask(ghost), { kind: "incomplete", read: ["g"] });
  const outcome = it.apply.batch({ changes: [ghost, gone("g")], read: [itemId("g")] });
  assert.ok(outcome.ok);
  assert.deepEqual(it.paths(), ["/docs", "/docs/one", "/n", "/two"]);
});

test("a gone folder takes along what is below, not what left: apply B3", () => {
  const it = world();
  it.take(folder("d", "a", "inner"), file("e", "d", "deep"), file("g", "a", "leaves"));
  it.take(gone("a"), file("g", "root", "leaves", { n: 2 }));
  assert.deepEqual(it.paths(), ["/leaves", "/two"]);
  assert.equal(it.store.read.ids.get(itemId("e")), undefined);
});

test("an echo changes nothing, tags alone change the Mirror alone: apply B4", () => {
  const it = world();
  assert.deepEqual(it.take(file("c", "root", "two")), {
    conflicts: [],
    adopt: [],
    nodes: [],
    entries: [],
    renewed: [],
  });
  const churn = it.take(file("c", "root", "two", { n: 9 }));
  assert.deepEqual([churn.nodes, churn.entries], [[], []]);
  assert.match(it.store.read.mirror.get(it.node("c"))?.eTag ?? "", /,9"$/);
});

test("a field the feed leaves out is no new version: apply B4", () => {
  const it = world();
  const bare = { ...of(file("c", "root", "two", { n: 2 })) } as { cTag?: unknown };
  delete bare.cTag;
  assert.deepEqual(it.take({ deleted: false, item: bare as CloudItem }).nodes, []);
  assert.equal(it.store.read.mirror.get(it.node("c"))?.cTag, "c-h-c");
});

test("a conflict about bytes nobody hashed asks for the hash: apply B5", () => {
  const it = world();
  const blob = it.write(it.node("c"), undefined, "c-h-c");
  const theirs = file("c", "root", "two", { hash: "theirs", n: 2 });
  assert.deepEqual(it.ask(theirs), { kind: "incomplete", read: [], freeze: [blob] });
  const outcome = it.apply.batch({ changes: [theirs], unhashed: [blob] });
  assert.ok(outcome.ok);
  assert.equal(it.paths().length, 4);
});

test("new bytes told without a hash are read by id before they are anybody's, where bytes of ours wait: apply B5", () => {
  const it = world();
  it.write(it.node("c"), "mine", "c-h-c");
  const told = of(file("c", "root", "two", { hash: "mine", n: 2 }));
  const { hash: _, ...bare } = told;
  assert.deepEqual(it.ask({ deleted: false, item: bare }), { kind: "incomplete", read: ["c"] });
  const read = it.apply.batch({ changes: [{ deleted: false, item: told }], read: [itemId("c")] });
  assert.ok(read.ok);
  assert.equal(it.paths().length, 3, "no copy");
});

test("both sides wrote: the bytes move to a copy with records of its own: apply B8, apply B9", () => {
  const it = world();
  const blob = it.write(it.node("c"), "mine", "c-h-c");
  const applied = it.take(file("c", "root", "two", { hash: "theirs", n: 2 }));
  const copy = it.store.read.blobs.get(blob)!.node;
  assert.notEqual(copy, it.node("c"));
  assert.equal(viewLocal(it.store.read, copy)?.name, "two (conflict pc 1970-01-01 vov2xk)");
  assert.deepEqual(
    ofNode(it.store.read, copy).map(({ op }) => op.type),
    ["createFile", "writeContent"],
  );
  assert.deepEqual(ofNode(it.store.read, it.node("c")), []);
  assert.equal(it.store.read.conflicts.get(copy)?.of, it.node("c"));
  assert.equal(applied.conflicts[0]?.condition, "at");
  it.take(file("c", "root", "two", { hash: "theirs", n: 3 }));
  assert.equal(it.paths().length, 4, "once");
});

test("equal bytes on both sides are adopted: apply B8", () => {
  const it = world();
  const blob = it.write(it.node("c"), "same", "c-h-c");
  const applied = it.take(file("c", "root", "two", { hash: "same", n: 2 }));
  assert.deepEqual(applied.adopt, [{ blob, node: it.node("c"), version: "c-same", same: true }]);
  const fresh = it.create(ROOT, "three", "h3");
  const bound = it.takeRead(file("t", "root", "THREE", { hash: "h3" }));
  assert.equal(it.node("t"), fresh.node, "programs know the local node");
  assert.deepEqual(
    bound.adopt.map(({ node, same }) => [node, same]),
    [[fresh.node, true]],
  );
  const left = [...it.store.read.ops.range()].map(([, { op }]) => op.type);
  assert.deepEqual(left, ["setMetadata", "setMetadata"], "only the times are left to say");
});

test("an answer makes clean what was sent, and newer bytes are made from it: apply B6", () => {
  const it = world();
  const first = it.write(it.node("c"), "v1", "c-h-c");
  const upTo = ofNode(it.store.read, it.node("c")).at(-1)!.seq;
  it.store.transact((tx) => tx.ops.put(upTo, { ...tx.ops.get(upTo)!, status: { state: "inflight" } }));
  const second = it.write(it.node("c"), "v2", `blob:${first}`);
  const pushed = { node: it.node("c"), action: "writeContent", blob: first, upTo } as const;
  const applied = it.apply.acknowledge(pushed, of(file("c", "root", "two", { hash: "v1", n: 2, mtime: 9 })));
  assert.deepEqual(
    applied.adopt.map(({ blob, same }) => [blob, same]),
    [[first, false]],
  );
  assert.deepEqual(viewLocal(it.store.read, it.node("c"))?.content, {
    from: "blob",
    blob: second,
    size: 1,
    seen: "c-v1",
  });
  const last = ofNode(it.store.read, it.node("c")).at(-1)!.seq;
  const done = it.apply.acknowledge(
    { ...pushed, blob: second, upTo: last },
    of(file("c", "root", "two", { hash: "v2", n: 3, mtime: 9 })),
  );
  assert.deepEqual(done.adopt, [{ blob: second, node: it.node("c"), version: "c-v2", same: true }]);
  assert.equal(it.store.read.local.count + it.store.read.ops.count, 0);
});

test("an answer that shows somebody's rename is merged, and an older one changes nothing: apply B6", () => {
  const it = world();
  const blob = it.write(it.node("c"), "mine", "c-h-c");
  const upTo = ofNode(it.store.read, it.node("c")).at(-1)!.seq;
  const pushed = { node: it.node("c"), action: "writeContent", blob, upTo } as const;
  it.apply.acknowledge(pushed, of(file("c", "a", "theirs", { hash: "mine", n: 5, mtime: 9 })));
  assert.deepEqual(it.paths(), ["/docs", "/docs/one", "/docs/theirs"]);
  it.apply.acknowledge({ ...pushed, action: "move" }, of(file("c", "root", "old", { hash: "mine", n: 3 })));
  assert.deepEqual(it.paths(), ["/docs", "/docs/one", "/docs/theirs"]);
});

test("a create that was renamed, or deleted, before its answer: apply B6", () => {
  const it = world();
  const { node, blob } = it.create(ROOT, "n", "hn");
  const upTo = it.intend(node, blob, "hn");
  it.change(node, { kind: "file", parent: ROOT, name: "renamed", mtime: 9, content: { from: "blob", blob, size: 1 } });
  it.apply.acknowledge(
    { node, action: "createFile", blob, upTo },
    of(file("n", "root", "n", { hash: "hn", mtime: 9 })),
  );
  assert.equal(it.node("n"), node);
  assert.deepEqual(it.paths(), ["/docs", "/docs/one", "/renamed", "/two"]);
  assert.deepEqual(
    ofNode(it.store.read, node).map(({ op }) => op.type),
    ["move"],
  );

  const other = it.create(ROOT, "m", "hm");
  const sent = it.intend(other.node, other.blob, "hm");
  it.change(other.node, null);
  it.apply.acknowledge(
    { node: other.node, action: "createFile", blob: other.blob, upTo: sent },
    of(file("m", "root", "m", { hash: "hm" })),
  );
  assert.ok(!it.paths().includes("/m"), "it stays deleted here");
  const plan = it.apply.plan();
  assert.ok(plan.ok && plan.value.steps.some((step) => step.action === "deleteFile" && step.node === other.node));
});

test("a folder deleted here is gone with its answer: apply B6, apply B9", () => {
  const it = world();
  for (const id of ["b", "a"])
    it.change(it.node(id), null, { type: id === "a" ? "deleteFolder" : "deleteFile", node: it.node(id) });
  const plan = it.apply.plan();
  assert.ok(plan.ok);
  assert.deepEqual(
    plan.value.steps.map((step) => [step.action, "covers" in step ? step.covers : []]),
    [["deleteFolder", [it.node("b")]]],
  );
  it.apply.acknowledge({ node: it.node("a"), action: "deleteFolder", upTo: 99 }, undefined);
  assert.equal(it.store.read.local.count + it.store.read.ops.count, 0);
  assert.equal(it.store.read.mirror.count, 2);
});

test("the feed tells of a create before its answer: apply B7", () => {
  const it = world();
  const { node, blob } = it.create(ROOT, "n", "hn");
  const upTo = it.intend(node, blob, "hn");
  it.change(node, { kind: "file", parent: ROOT, name: "renamed", mtime: 9, content: { from: "blob", blob, size: 1 } });
  it.take(file("n", "root", "n", { hash: "hn", mtime: 9 }));
  assert.equal(it.node("n"), node);
  it.apply.acknowledge(
    { node, action: "createFile", blob, upTo },
    of(file("n", "root", "n", { hash: "hn", mtime: 9 })),
  );
  assert.deepEqual(it.paths(), ["/docs", "/docs/one", "/renamed", "/two"]);
});

test("the feed tells of a create that somebody moved: the answer joins them: apply B7", () => {
  const it = world();
  const { node, blob } = it.create(ROOT, "n", "hn");
  const upTo = it.intend(node, blob, "hn");
  it.take(file("n", "a", "moved", { hash: "hn", mtime: 9, n: 2 }));
  assert.notEqual(it.node("n"), node, "nobody can know yet");
  it.apply.acknowledge(
    { node, action: "createFile", blob, upTo },
    of(file("n", "root", "n", { hash: "hn", mtime: 9 })),
  );
  assert.equal(it.node("n"), node);
  assert.equal(it.paths().filter((path) => /\/(n|moved)$/.test(path)).length, 1);
});

test("a place asked for and shown by the cloud is no news, what somebody else did is: apply B11", () => {
  for (const [name, parent, wanted] of [
    ["sent", "root", "/newest"],
    ["sent", "a", "/docs/newest"],
    ["theirs", "root", "/theirs"],
  ] as const) {
    const it = world();
    const node = it.node("c");
    const row = { kind: "file", parent: ROOT, mtime: 5, content: { from: "cloud" } } as const;
    it.change(node, { ...row, name: "newest" }, it.moved(node, "sent", "newest"));
    it.store.transact((tx) => noteAsked(tx, node, { parent: ROOT, name: "sent", mtime: 5 }));
    it.take(file("c", parent, name, { n: 2, hash: "h-c" }));
    assert.ok(it.paths().includes(wanted), `${name} in ${parent}: ${it.paths().join(" ")}`);
  }
});

test("a move that was taken back stays taken back when the cloud shows it: apply B11", () => {
  const it = world();
  const node = it.node("c");
  it.store.transact((tx) => noteAsked(tx, node, { parent: ROOT, name: "sent", mtime: 5 }));
  it.take(file("c", "root", "sent", { n: 2, hash: "h-c" }));
  assert.deepEqual(it.paths(), ["/docs", "/docs/one", "/two"]);
  const plan = it.apply.plan();
  assert.deepEqual(plan.ok && plan.value.steps.map(({ action }) => action), ["move"]);
});

test("what was asked for is remembered until nothing differs, and not for ever: apply B11", () => {
  const it = world();
  const node = it.node("c");
  for (let i = 0; i < 2 * ASKED_PLACES_MAX; i++)
    it.store.transact((tx) => noteAsked(tx, node, { parent: ROOT, name: `n${i % (ASKED_PLACES_MAX + 1)}` }));
  assert.equal(it.store.read.sent.get(node)?.asked.length, ASKED_PLACES_MAX);
  it.apply.plan();
  assert.equal(it.store.read.sent.count, 0);
});

test("local-only files are never planned, and give way: apply B9", () => {
  const it = world();
  it.create(ROOT, ".DS_Store", "hd");
  const plan = it.apply.plan();
  assert.deepEqual(plan.ok && plan.value.steps, []);
  it.takeRead(file("d", "root", ".DS_Store"));
  assert.equal(it.paths().filter((path) => path.includes("DS_Store")).length, 2);
});

test("bytes made from a version the Mirror moved past become a copy before anything is sent: apply B8", () => {
  const it = world();
  it.take(file("c", "root", "two", { hash: "newer", n: 2 }));
  it.write(it.node("c"), "mine", "c-h-c");
  const plan = it.apply.plan();
  assert.ok(plan.ok);
  assert.deepEqual(
    plan.value.steps.map(({ action }) => action),
    ["createFile"],
  );
  assert.equal(it.paths().length, 4);
});

test("node numbers are never given twice", () => {
  const it = world();
  it.take(folder("z", "root", "z"));
  assert.ok(it.store.transact((tx) => newNode(tx)) > it.node("z"));
  assert.equal(itemKey(1), ROOT);
});

test("a file deleted here while its create was under way does not come back, nor push its successor aside: apply B6", () => {
  for (const replaced of [false, true]) {
    const it = world();
    const { node, blob } = it.create(ROOT, "brief", "h-brief");
    const upTo = it.intend(node, blob, "h-brief");
    it.change(node, null, { type: "deleteFile", node });
    const next = replaced ? it.create(ROOT, "brief").node : undefined;
    const told = file("n", "root", "brief", { hash: "h-brief" });
    it.take(told);
    assert.equal(it.node("n"), node);
    assert.equal(viewLocal(it.store.read, node), undefined);
    assert.equal(localAt(it.store.read, ROOT, fold("brief")), next);
    assert.equal(it.store.read.conflicts.count, 0);
    it.apply.acknowledge({ node, action: "createFile", upTo, blob }, of(told));
    assert.equal(viewLocal(it.store.read, node), undefined);
    assert.ok(ofNode(it.store.read, node).some(({ op }) => op.type === "deleteFile"));
  }
});

test("a folder made here that turns out to be one of the cloud's is as private as it was made", () => {
  const { store, take, node, change } = world();
  const docs = node("a");
  const made = store.transact((tx) => newNode(tx));
  change(
    made,
    { kind: "folder", parent: ROOT, name: "mine", mtime: 9, content: { from: "cloud" } },
    { type: "createFolder", node: made, parent: ROOT, name: "mine" },
  );
  store.transact((tx) => {
    tx.facts.put(docs, { mtime: { s: 5, n: 0 } });
    tx.facts.put(made, { mode: 0o2700, uid: 1001, mtime: { s: 9, n: 0 } });
  });
  take(folder("a", "root", "mine", 2));
  assert.deepEqual(store.read.facts.get(node("a")), { mode: 0o2700, uid: 1001, mtime: { s: 5, n: 0 } });
});
