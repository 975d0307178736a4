/** What every Content keeps, run on the fake and on the disk. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import { itemKey, ROOT } from "../../src/model/ids.ts";
import { blobVersion } from "../../src/model/item.ts";
import { StoreFull } from "../../src/store/store.ts";
import { changeTrees, newNode } from "../../src/store/tree.ts";
import { collect, equal, kind, noise, text, value, World, type Made, type MakeOptions } from "./content-world.ts";

export function contentContract(implementation: string, make: (options: MakeOptions) => Promise<Made>): void {
  let world: World;
  const it = (what: string, run: () => Promise<void>): void => {
    test(`${implementation}: ${what}`, async () => {
      world = await World.start(make);
      try {
        await run();
      } finally {
        await world.dispose();
      }
    });
  };

  it("reads a cloud file, whole and in parts, to its end only", async () => {
    const bytes = noise(100_000);
    const node = world.cloud("a", bytes);
    assert.equal(world.content.have(node), "none");
    const source = world.content.open(node);
    assert.equal(source.size, 100_000);
    equal(value(await source.read(10, 20)), bytes.subarray(10, 30));
    equal(value(await source.read(99_990, 50)), bytes.subarray(99_990));
    equal(value(await source.read(100_000, 50)), Buffer.alloc(0));
    equal(value(await source.read(0, 100_000)), bytes);
    await source.close();
    assert.equal(world.content.have(node), "all");
    const asked = world.origin.requests.length;
    equal(await world.read(node), bytes);
    assert.equal(world.origin.requests.length, asked);
  });

  it("C7: opening and closing moves no byte and makes no blob", async () => {
    const node = world.cloud("a", noise(10));
    const source = world.content.open(node);
    assert.ok(world.content.isOpen(node));
    await source.close();
    assert.ok(!world.content.isOpen(node));
    assert.equal(world.origin.requests.length, 0);
    assert.equal(world.dirtied.length, 0);
  });

  it("an empty cloud file is here without a download", async () => {
    const node = world.cloud("empty", Buffer.alloc(0));
    assert.equal(world.content.have(node), "all");
    equal(await world.read(node), Buffer.alloc(0));
    assert.equal(world.origin.requests.length, 0);
  });

  it("a file born here holds what is written, shared by all its handles", async () => {
    const node = await world.create("new");
    const one = world.content.open(node);
    const two = world.content.open(node);
    assert.equal(one.blob, world.blobOf(node));
    assert.equal(value(await one.write(0, text("hello world"))), 11);
    value(await two.write(6, text("there")));
    equal(value(await one.read(0, 100)), text("hello there"));
    assert.equal(one.size, 11);
    value(await one.write(15, text("!")));
    equal(value(await two.read(9, 100)), text("re\0\0\0\0!"));
    value(await two.truncate(4));
    equal(value(await one.read(0, 100)), text("hell"));
    value(await two.truncate(6));
    equal(value(await one.read(0, 100)), text("hell\0\0"));
    assert.equal(world.dirtied.length, 0);
    await one.close();
    assert.ok(world.content.openBlob(world.blobOf(node)));
    await two.close();
    assert.equal(world.content.openBlob(world.blobOf(node)), undefined);
    assert.equal(world.content.have(node), "all");
  });

  it("writes given at once are carried out in order", async () => {
    const node = await world.create("new");
    const source = world.content.open(node);
    const model = Buffer.alloc(3000);
    const writes = [];
    for (let i = 0; i < 60; i++) {
      const at = (i * 37) % 2000;
      const bytes = Buffer.alloc(1000, i);
      bytes.copy(model, at);
      writes.push(source.write(at, bytes));
    }
    for (const done of await Promise.all(writes)) value(done);
    equal(value(await source.read(0, 3000)), model.subarray(0, source.size));
    await source.close();
  });

  it("the first write into a cloud file keeps the other bytes and says what it was based on", async () => {
    const bytes = noise(200_000);
    const node = world.cloud("a", bytes);
    const source = world.content.open(node);
    value(await source.write(1000, text("edited")));
    assert.deepEqual(
      world.dirtied.map(({ node: of, seen, size }) => ({ of, seen, size })),
      [{ of: node, seen: world.version(node), size: 200_000 }],
    );
    const expected = Buffer.from(bytes);
    expected.set(text("edited"), 1000);
    equal(value(await source.read(0, 300_000)), expected);
    assert.equal(source.blob, world.blobOf(node));
    await source.close();
    equal(await world.read(node), expected);
  });

  it("append and cutting keep what they must", async () => {
    const bytes = noise(50_000);
    const one = world.content.open(world.cloud("a", bytes));
    value(await one.write(50_000, text("tail")));
    equal(value(await one.read(0, 60_000)), Buffer.concat([bytes, text("tail")]));
    await one.close();
    const two = world.content.open(world.cloud("b", bytes));
    value(await two.truncate(100));
    equal(value(await two.read(0, 60_000)), bytes.subarray(0, 100));
    assert.equal(world.dirtied[1]!.size, 100);
    await two.close();
    const three = world.content.open(world.cloud("c", bytes));
    value(await three.truncate(50_000));
    assert.equal(three.blob, undefined, "a truncate to the same size is no edit");
    await three.close();
  });

  it("a full overwrite or a cut to nothing fetches nothing", async () => {
    const one = world.content.open(world.cloud("a", noise(50_000)));
    value(await one.truncate(0));
    value(await one.write(0, text("new")));
    equal(value(await one.read(0, 10)), text("new"));
    await one.close();
    const two = world.content.open(world.cloud("b", noise(5)));
    value(await two.write(0, text("longer than before")));
    equal(value(await two.read(0, 100)), text("longer than before"));
    await two.close();
    assert.equal(world.origin.requests.length, 0);
  });

  it("C1: an open clean Source stays on its version, new opens get the new one", async () => {
    const first = noise(70_000, 1);
    const node = world.cloud("a", first);
    const old = world.content.open(node);
    equal(value(await old.read(0, 10)), first.subarray(0, 10));
    value(await world.content.hydrate(node));
    const second = noise(80_000, 2);
    assert.equal(world.cloud("a", second), node);
    assert.equal(world.content.have(node), "none");
    const fresh = world.content.open(node);
    equal(value(await fresh.read(0, 90_000)), second);
    equal(value(await old.read(0, 90_000)), first);
    assert.equal(old.size, 70_000);
    await old.close();
    equal(value(await fresh.read(100, 100)), second.subarray(100, 200));
    await fresh.close();
    equal(await world.read(node), second);
  });

  it("C1: bytes of a version that the cloud no longer has are refused, not replaced", async () => {
    const node = world.cloud("a", noise(70_000, 1));
    const old = world.content.open(node);
    world.cloud("a", noise(70_000, 2));
    assert.equal(kind(await old.read(0, 10)), "stale");
    await old.close();
  });

  it("offline: bytes that are here are read, missing ones fail at once", async () => {
    const here = world.cloud("here", noise(10));
    const away = world.cloud("away", noise(10));
    value(await world.content.hydrate(here));
    world.content.setOnline(false);
    equal(await world.read(here), noise(10));
    const source = world.content.open(away);
    assert.equal(kind(await source.read(0, 5)), "offline");
    assert.equal(kind(await source.write(2, text("x"))), "offline");
    assert.equal(source.blob, undefined);
    assert.equal(world.dirtied.length, 0);
    value(await source.truncate(0));
    world.content.setOnline(true);
    await source.close();
  });

  it("a refused record refuses the write and nothing changes", async () => {
    const bytes = noise(100);
    const node = world.cloud("a", bytes);
    const source = world.content.open(node);
    world.refuse = new StoreFull("full");
    assert.equal(kind(await source.write(0, text("x"))), "noSpace");
    assert.equal(kind(await source.truncate(0)), "noSpace");
    world.refuse = undefined;
    assert.equal(source.blob, undefined);
    equal(value(await source.read(0, 200)), bytes);
    value(await source.write(0, text("x")));
    await source.close();
  });

  it("a full state folder refuses new blobs", async () => {
    const node = world.cloud("a", noise(100));
    world.store.fillDisk(true);
    assert.equal(kind(await world.content.createBlob()), "noSpace");
    const source = world.content.open(node);
    assert.equal(kind(await source.truncate(0)), "noSpace");
    world.store.fillDisk(false);
    equal(value(await source.read(0, 200)), noise(100));
    await source.close();
  });

  it("C4: a frozen blob never changes; later writes make a new generation based on it", async () => {
    const node = await world.create("new");
    const source = world.content.open(node);
    value(await source.write(0, text("generation one")));
    world.record(source);
    const first = source.blob!;
    const frozen = value(await world.content.freeze(first));
    assert.equal(frozen.hash, quickXorHash(text("generation one")));
    assert.equal(frozen.sha256, createHash("sha256").update("generation one").digest("hex"));
    const row = world.store.read.blobs.get(first)!;
    assert.deepEqual([row.state, row.size, row.hash], ["frozen", 14, frozen.hash]);
    value(await source.write(11, text("TWO")));
    assert.notEqual(source.blob, first);
    assert.deepEqual(world.dirtied.at(-1), { node, blob: source.blob, size: 14, seen: blobVersion(first) });
    equal(await collect(frozen.body.stream(0, 14)), text("generation one"));
    equal(await collect(frozen.body.stream(4, 9)), text("ratio"));
    equal(value(await source.read(0, 100)), text("generation TWO"));
    value(await source.truncate(3));
    assert.deepEqual(value(await world.content.freeze(first)).hash, frozen.hash);
    await source.close();
    assert.equal(frozen.body.size, 14);
  });

  it("a blob frozen and closed is copied by the first write of a new handle", async () => {
    const node = await world.create("new");
    await world.write(node, text("one"));
    const blob = world.blobOf(node);
    const frozen = value(await world.content.freeze(blob));
    const source = world.content.open(node);
    value(await source.write(3, text(" more")));
    equal(value(await source.read(0, 100)), text("one more"));
    equal(await collect(frozen.body.stream(0, 3)), text("one"));
    assert.equal(world.dirtied.at(-1)!.seen, blobVersion(blob));
    await source.close();
  });

  it("writes that come while a blob freezes are in it or in the next generation, whole", async () => {
    const node = await world.create("new");
    const source = world.content.open(node);
    value(await source.write(0, Buffer.alloc(64, 1)));
    const first = source.blob!;
    const freezing = world.content.freeze(first);
    const writing = source.write(0, Buffer.alloc(64, 2));
    const frozen = value(await freezing);
    value(await writing);
    const kept = await collect(frozen.body.stream(0, 64));
    assert.equal(quickXorHash(kept), frozen.hash);
    assert.ok(kept.every((byte) => byte === kept[0]));
    equal(value(await source.read(0, 64)), Buffer.alloc(64, 2));
    await source.close();
  });

  it("adopt makes the pushed bytes clean without a download, also for open handles", async () => {
    const node = await world.create("new");
    const source = world.content.open(node);
    value(await source.write(0, text("pushed")));
    world.record(source);
    const blob = source.blob!;
    await world.push(blob);
    assert.equal(source.blob, undefined);
    assert.equal(source.node, node);
    equal(value(await source.read(0, 10)), text("pushed"));
    assert.equal(world.content.have(node), "all");
    equal(await world.read(node), text("pushed"));
    value(await source.write(6, text("!")));
    assert.equal(world.dirtied.at(-1)!.seen, world.version(node));
    equal(value(await source.read(0, 10)), text("pushed!"));
    await source.close();
    assert.equal(world.origin.requests.length, 0);
  });

  it("adopt of bytes that the service stored otherwise: new opens fetch, open handles keep theirs", async () => {
    const node = await world.create("doc");
    const source = world.content.open(node);
    value(await source.write(0, text("mine")));
    world.record(source);
    await world.push(source.blob!, text("enriched"));
    equal(value(await source.read(0, 10)), text("mine"));
    equal(await world.read(node), text("enriched"));
    equal(value(await source.read(0, 10)), text("mine"));
    value(await source.write(0, text("M")));
    equal(value(await source.read(0, 10)), text("Mine"));
    assert.equal(world.dirtied.at(-1)!.seen, world.version(node));
    await source.close();
  });

  it("adopt while a newer generation is written leaves that one alone", async () => {
    const node = await world.create("new");
    const source = world.content.open(node);
    value(await source.write(0, text("one")));
    const first = source.blob!;
    value(await world.content.freeze(first));
    value(await source.write(0, text("two")));
    const second = source.blob!;
    await world.push(first);
    assert.equal(source.blob, second);
    equal(value(await source.read(0, 10)), text("two"));
    equal(await world.read(node), text("two"));
    await source.close();
  });

  it("a Source follows its blob to another node", async () => {
    const node = world.cloud("a", noise(10));
    const source = world.content.open(node);
    value(await source.write(0, text("x")));
    const blob = source.blob!;
    const copy = world.store.transact((tx) => {
      const other = newNode(tx);
      const content = { from: "blob", blob, size: 10 } as const;
      const local = { kind: "file", parent: ROOT, name: "a (conflict)", mtime: 1, content } as const;
      changeTrees(
        tx,
        new Map([
          [node, { local: "clean" as const }],
          [other, { local }],
        ]),
      );
      tx.blobs.put(blob, { node: other, size: 0, state: "open" });
      return other;
    });
    assert.equal(source.node, copy);
    assert.ok(world.content.isOpen(copy));
    assert.ok(!world.content.isOpen(node));
    value(await source.write(1, text("y")));
    assert.equal(world.content.open(copy), source);
    await source.close();
    await source.close();
    equal(await world.read(node), noise(10));
  });

  it("C5: an unlinked open file keeps its bytes until the last close; sweep then removes them", async () => {
    const node = await world.create("new");
    const source = world.content.open(node);
    value(await source.write(0, text("alive")));
    const blob = source.blob!;
    world.store.transact((tx) => {
      changeTrees(tx, new Map([[node, { local: null }]]));
      tx.blobs.remove(blob);
    });
    await world.content.sweep();
    value(await source.write(5, text("!")));
    equal(value(await source.read(0, 10)), text("alive!"));
    await source.close();
    await world.content.sweep();
    assert.equal((await world.content.use()).unpushedBytes, 0);
  });

  it("C5: sweep leaves rows' blobs and blobs about to be recorded alone", async () => {
    const node = await world.create("kept");
    await world.write(node, text("kept"));
    const blob = value(await world.content.createBlob());
    await world.content.sweep();
    world.store.transact((tx) => tx.blobs.put(blob, { node: itemKey(99), size: 0, state: "open" }));
    equal(await world.read(node), text("kept"));
    value(await world.content.freeze(blob));
  });

  it("free drops clean bytes, not open ones, not unpushed ones", async () => {
    const node = world.cloud("a", noise(1000));
    value(await world.content.hydrate(node));
    const source = world.content.open(node);
    assert.equal(await world.content.free(node), 0);
    await source.close();
    assert.equal(await world.content.free(node), 1000);
    assert.equal(world.content.have(node), "none");
    const own = await world.create("own");
    await world.write(own, text("bytes"));
    assert.equal(await world.content.free(own), 0);
    equal(await world.read(own), text("bytes"));
    equal(await world.read(node), noise(1000));
  });

  it("C2: what a write returned for is there after kill -9", async () => {
    const node = world.cloud("a", noise(5000));
    const source = world.content.open(node);
    value(await source.write(100, text("survives")));
    world.record(source);
    const bornHere = await world.create("born");
    await world.write(bornHere, text("me too"));
    await world.restart();
    const expected = noise(5000);
    expected.set(text("survives"), 100);
    equal(await world.read(node), expected);
    equal(await world.read(bornHere), text("me too"));
    value(await world.content.freeze(world.blobOf(node)));
    await world.restart();
    assert.equal(value(await world.content.freeze(world.blobOf(node))).hash, quickXorHash(expected));
  });

  it("a clean file stays here over a restart", async () => {
    const node = world.cloud("a", noise(5000));
    value(await world.content.hydrate(node));
    await world.restart();
    assert.equal(world.content.have(node), "all");
    world.content.setOnline(false);
    equal(await world.read(node), noise(5000));
  });

  it("use tells clean and unpushed bytes", async () => {
    value(await world.content.hydrate(world.cloud("a", noise(1000))));
    await world.write(await world.create("b"), noise(300));
    const use = await world.content.use();
    assert.deepEqual([use.cleanBytes, use.unpushedBytes], [1000, 300]);
    assert.ok(use.diskFreeBytes > 0);
  });

  it("toBlob copies what is here and never fetches", async () => {
    const node = world.cloud("a", noise(1000));
    assert.equal(kind(await world.content.toBlob(node)), "stale");
    assert.equal(world.origin.requests.length, 0);
    value(await world.content.hydrate(node));
    for (const of of [node, await world.create("own")]) {
      const bytes = await world.read(of);
      const blob = value(await world.content.toBlob(of));
      world.store.transact((tx) => tx.blobs.put(blob, { node: itemKey(99), size: 0, state: "open" }));
      assert.equal(value(await world.content.freeze(blob)).hash, quickXorHash(bytes));
    }
    assert.equal(world.dirtied.length, 0);
  });
}
