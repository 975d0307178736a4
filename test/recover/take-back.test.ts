/** Unpushed bytes that a lost index does not know: each goes back to where its file says it belongs, once, and takes nobody's place. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { foundFiles } from "../../src/content/found.ts";
import { hasher } from "../../src/content/hash.ts";
import { identities, type Identity } from "../../src/content/identity.ts";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import { recoverContent } from "../../src/content/recover-content.ts";
import { cTag, itemId, ROOT, type BlobId, type ItemId, type ItemKey } from "../../src/model/ids.ts";
import type { Kind, LocalItem } from "../../src/model/item.ts";
import { DEFAULT_LOCAL_ONLY_NAMES, fold } from "../../src/model/name.ts";
import { all } from "../../src/oplog/oplog.ts";
import { takeBack } from "../../src/recover/take-back.ts";
import { checkStore } from "../../src/store/check.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import { changeTrees, localAt, localChildren, newNode, viewLocal } from "../../src/store/tree.ts";

class Lost {
  readonly root = mkdtempSync(join(tmpdir(), "take-back-"));
  readonly store = memoryStore();
  readonly adopted: { blob: BlobId; node: ItemKey; version: string }[] = [];
  readonly #hasher = hasher();
  readonly #takeBack = takeBack({
    store: this.store,
    content: { adopt: async (blob, node, version) => void this.adopted.push({ blob, node, version }) },
    found: foundFiles({ stateDir: this.root, store: this.store, hasher: this.#hasher }),
    device: "here",
    localOnlyPatterns: DEFAULT_LOCAL_ONLY_NAMES,
    now: () => 5_000,
    applied: () => undefined,
    onDefect: (error) => {
      throw error;
    },
  });

  constructor() {
    mkdirSync(join(this.root, "blobs"));
    this.cloud("root", "", { parent: undefined, kind: "folder" });
  }

  cloud(id: string, name: string, how: { parent?: string | undefined; kind?: Kind; text?: string } = {}): ItemKey {
    const { kind = "file", text = "" } = how;
    return this.store.transact((tx) => {
      const isRoot = id === "root";
      const node = isRoot ? ROOT : newNode(tx);
      const parent = isRoot ? ROOT : tx.ids.get(itemId(how.parent ?? "root"))!;
      const bytes = kind === "file" ? { hash: quickXorHash(Buffer.from(text)), cTag: cTag(`c ${text}`) } : {};
      const mirror = { id: id as ItemId, parent, name, kind, size: text.length, mtime: 1, birth: 1, ...bytes };
      changeTrees(tx, new Map([[node, { mirror }]]));
      return node;
    });
  }

  /** A blob of the index that was lost. */
  async blob(number: number, text: string, identity: Omit<Identity, "node" | "blob"> | undefined): Promise<void> {
    const path = join(this.root, "blobs", String(number));
    writeFileSync(path, text);
    if (identity)
      await identities(() => undefined).write(path, { node: 100 + (number % 10), blob: number, ...identity });
  }

  async start(): Promise<void> {
    const log = { fault: () => undefined, trace: () => undefined };
    await recoverContent({
      store: this.store,
      stateDir: this.root,
      cacheDir: join(this.root, "c"),
      after: "lost",
      log,
    });
  }

  /** How many are left. */
  async round(isCurrent = true): Promise<number> {
    return (await this.#takeBack.round(isCurrent)).length;
  }

  /** The tree as paths with what is unpushed there. */
  tree(folder: ItemKey = ROOT, path = ""): Record<string, string | null> {
    const seen: Record<string, string | null> = {};
    for (const node of localChildren(this.store.read, folder)) {
      const view = viewLocal(this.store.read, node)!;
      const at = `${path}${view.name}`;
      if (view.kind === "folder") Object.assign(seen, { [`${at}/`]: null }, this.tree(node, `${at}/`));
      else seen[at] = view.content.from === "blob" ? this.bytes(view.content.blob) : null;
    }
    return seen;
  }

  bytes(blob: BlobId): string {
    return readFileSync(join(this.root, "blobs", String(blob)), "utf8");
  }

  at(name: string): ItemKey {
    return localAt(this.store.read, ROOT, fold(name))!;
  }

  async end(): Promise<void> {
    assert.deepEqual(checkStore(this.store.read), []);
    await this.#hasher.close();
    rmSync(this.root, { recursive: true });
  }
}

function lost(what: string, run: (world: Lost) => Promise<void>): void {
  test(`recover/take-back: ${what}`, async () => {
    const world = new Lost();
    try {
      await run(world);
      await world.end();
    } finally {
      rmSync(world.root, { recursive: true, force: true });
    }
  });
}

const ops = (world: Lost): string[] => [...all(world.store.read)].map(({ op }) => op.type).sort();

lost("a change of an item is its unpushed bytes again, based on the version it was based on", async (world) => {
  await world.blob(7, "edited", {
    item: "a",
    version: "c old",
    name: "a.txt",
    folder: "root",
    mtime: 77,
    mode: 0o700,
    uid: 3,
    gid: 4,
  });
  await world.start();
  assert.equal(await world.round(false), 1, "the item is not known yet");
  const node = world.cloud("a", "a.txt", { text: "old" });
  assert.equal(await world.round(false), 0);
  assert.deepEqual(world.tree(), { "a.txt": "edited" });
  const view = viewLocal(world.store.read, node)!;
  assert.equal(view.mtime, 77);
  assert.equal(view.content.from === "blob" && view.content.seen, "c old");
  assert.deepEqual(world.store.read.facts.get(node), { mode: 0o700, uid: 3, gid: 4 });
  assert.deepEqual(ops(world), ["writeContent"]);
  assert.deepEqual(readdirSync(join(world.root, "found")), []);
});

lost("what the cloud has already becomes clean bytes; nothing is sent and nothing doubled", async (world) => {
  await world.blob(7, "pushed", { item: "a", version: "c old", name: "a.txt", folder: "root" });
  await world.blob(8, "created", { name: "b.txt", folder: "root" });
  await world.start();
  const a = world.cloud("a", "a.txt", { text: "pushed" });
  const b = world.cloud("b", "b.txt", { text: "created" });
  assert.equal(await world.round(), 0);
  assert.deepEqual(
    world.adopted.map(({ node, version }) => [node, version]),
    [
      [a, "c pushed"],
      [b, "c created"],
    ],
  );
  assert.deepEqual(ops(world), []);
});

lost(
  "a file the cloud does not have is made again, with its folders, when its name is known to be free",
  async (world) => {
    world.cloud("d", "dir", { kind: "folder" });
    const below = ["new", "inner"];
    await world.blob(1, "one", { name: "one", folder: "d", below });
    await world.blob(2, "two", { name: "two", folder: "d", below });
    await world.blob(3, "mine", { name: "secret", folder: "root", localOnly: true });
    await world.start();
    assert.equal(await world.round(false), 3);
    assert.equal(await world.round(true), 0);
    assert.deepEqual(world.tree(), {
      "dir/": null,
      "dir/new/": null,
      "dir/new/inner/": null,
      "dir/new/inner/one": "one",
      "dir/new/inner/two": "two",
      secret: "mine",
    });
    assert.deepEqual(ops(world), [
      "createFile",
      "createFile",
      "createFolder",
      "createFolder",
      "writeContent",
      "writeContent",
    ]);
  },
);

lost("a name that somebody has, and an item changed here meanwhile, give conflict copies", async (world) => {
  await world.blob(1, "mine", { name: "taken", folder: "root" });
  await world.blob(2, "edited before", { item: "b", version: "c old", name: "b", folder: "root" });
  await world.start();
  world.cloud("t", "taken", { text: "theirs" });
  const node = world.cloud("b", "b", { text: "old" });
  world.store.transact((tx) => {
    tx.blobs.put(50 as BlobId, { node, size: 0, state: "open" });
    tx.meta.put("nextBlob", 51);
    const content = { from: "blob", blob: 50 as BlobId, size: 3, seen: "c old" } as const;
    const local: LocalItem = { kind: "file", parent: ROOT, name: "b", mtime: 1, content };
    changeTrees(tx, new Map([[node, { local }]]));
  });
  writeFileSync(join(world.root, "blobs/50"), "new");
  assert.equal(await world.round(), 0);
  const names = Object.entries(world.tree()).map(([name, bytes]) => [name.replace(/[a-z2-7]{6}\)$/, "TAG)"), bytes]);
  const today = new Date().toISOString().slice(0, 10);
  assert.deepEqual(names, [
    ["b", "new"],
    [`b (conflict here ${today} TAG)`, "edited before"],
    ["taken", null],
    [`taken (conflict here ${today} TAG)`, "mine"],
  ]);
  assert.equal(world.store.read.conflicts.count, 2);
});

lost("bytes made from others that were found take their place", async (world) => {
  const a = { item: "a", name: "a", folder: "root" };
  await world.blob(5, "first", { ...a, version: "c old" });
  await world.blob(15, "second", { ...a, version: "blob:5" });
  await world.blob(6, "sent", { item: "b", name: "b", folder: "root", version: "c old" });
  await world.blob(16, "after it was sent", { item: "b", name: "b", folder: "root", version: "blob:6" });
  await world.start();
  world.cloud("a", "a", { text: "old" });
  world.cloud("b", "b", { text: "sent" });
  assert.equal(await world.round(), 0);
  assert.deepEqual(world.tree(), { a: "second", b: "after it was sent" });
  const seen = (name: string): string | undefined => {
    const { content } = viewLocal(world.store.read, world.at(name))!;
    return content.from === "blob" ? content.seen : undefined;
  };
  assert.equal(seen("a"), "c old");
  assert.equal(seen("b"), "c sent");
});

lost("a rename of an edited file is done again where its name is free", async (world) => {
  world.cloud("a", "a", { text: "old" });
  await world.blob(5, "edited", { item: "a", version: "c old", name: "renamed", folder: "root", moved: true });
  await world.start();
  assert.equal(await world.round(), 0);
  assert.deepEqual(world.tree(), { renamed: "edited" });
  assert.deepEqual(ops(world), ["move", "writeContent"]);
});

lost(
  "what says nothing of itself, or belongs where nothing is, stays and is taken back when its folder comes",
  async (world) => {
    await world.blob(5, "who am I", undefined);
    await world.blob(6, "far away", { name: "x", folder: "unknown" });
    await world.start();
    assert.equal(await world.round(), 2);
    assert.equal(await world.round(), 2);
    assert.deepEqual(readdirSync(join(world.root, "found")).sort(), ["5", "6"]);
    world.cloud("unknown", "folder", { kind: "folder" });
    assert.equal(await world.round(), 1);
    assert.deepEqual(world.tree(), { "folder/": null, "folder/x": "far away" });
  },
);

lost(
  "a full disk changes nothing; killed between the last two steps, a file is not taken back twice",
  async (world) => {
    await world.blob(5, "mine", { name: "x", folder: "root" });
    await world.start();
    world.store.fillDisk(true);
    await assert.rejects(world.round());
    world.store.fillDisk(false);
    assert.deepEqual(readdirSync(join(world.root, "blobs")), []);
    assert.equal(await world.round(), 0);
    const [blob] = readdirSync(join(world.root, "blobs"));
    const copy = join(world.root, "found/copy");
    writeFileSync(copy, "mine");
    await identities(() => undefined).write(copy, { node: 105, blob: 5, name: "x", folder: "root" });
    assert.equal(await world.round(), 0);
    assert.deepEqual(world.tree(), { x: "mine" });
    assert.deepEqual(readdirSync(join(world.root, "blobs")), [blob]);
  },
);
