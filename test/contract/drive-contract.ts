/**
 * What every Drive must do, as its callers rely on it: run on the fake and on Microsoft Graph (against the simulator). Each case works
 * in a folder of its own, so that one world can serve all of them.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Result } from "../../src/base/result.ts";
import type { Body, Drive } from "../../src/drive/drive.ts";
import type { CloudChange } from "../../src/model/change.ts";
import type { Fault, FaultKind } from "../../src/model/fault.ts";
import type { ItemId } from "../../src/model/ids.ts";
import { contentVersion, type CloudItem } from "../../src/model/item.ts";

export interface DriveWorld {
  readonly drive: Drive;
  /** Acts as another device. Paths are from the root. */
  readonly other: {
    put(path: string, content: string): Promise<void>;
    mkdir(path: string): Promise<void>;
    move(from: string, to: string): Promise<void>;
    remove(path: string): Promise<void>;
  };
  /** Paths of all living items and their content (folders: undefined). */
  tree(): Promise<ReadonlyMap<string, string | undefined>>;
  readonly restores: boolean;
  /** An id in this service's form that no item has. */
  readonly unknownId: ItemId;
  close(): Promise<void>;
}

const QUANTUM = 320 * 1024;

export function driveContract(name: string, open: () => Promise<DriveWorld>): void {
  describe(`drive contract: ${name}`, () => {
    let world: DriveWorld;
    let root: ItemId;
    let cases = 0;
    before(async () => {
      world = await open();
      root = value(await world.drive.info()).rootId;
    });
    after(() => world.close());

    /** A fresh folder: its item and its path. */
    const folder = async (): Promise<{ id: ItemId; path: string }> => {
      const path = `case ${++cases}`;
      return { id: value(await world.drive.createFolder(root, path)).id, path };
    };
    const put = async (parent: ItemId, name_: string, content: string): Promise<CloudItem> =>
      value(await world.drive.upload({ parent, name: name_ }, bodyOf(content)));
    const cursor = async (): Promise<string> => (await round(world.drive, undefined)).cursor;

    test("older contents of a file are listed, the present one first, and read whole", async () => {
      const { id, path } = await folder();
      const made = await put(id, "f", "first");
      await world.other.put(`${path}/f`, "the second");
      await world.other.put(`${path}/f`, "3");
      const versions = value(await world.drive.versions(made.id));
      assert.deepEqual(
        versions.map(({ size }) => size),
        [1, 10, 5],
      );
      assert.equal(new Set(versions.map((version) => version.id)).size, 3);
      const older = value(await world.drive.versionContent(made.id, versions[1]!));
      let text = "";
      for await (const bytes of older) text += Buffer.from(bytes).toString();
      assert.equal(text, "the second");
      assert.equal(kind(await world.drive.versions(world.unknownId)), "notFound");
    });

    test("info tells the drive, its root and its room", async () => {
      const info = value(await world.drive.info());
      assert.ok(info.driveId.length > 0);
      assert.ok(["personal", "business", "documentLibrary"].includes(info.driveType));
      assert.equal(value(await world.drive.item(info.rootId)).parentId, undefined);
      assert.ok(info.quota && info.quota.total >= info.quota.used);
    });

    test("an uploaded file is there, with its bytes, by id and by place", async () => {
      const at = await folder();
      const made = await put(at.id, "one.txt", "hello");
      assert.deepEqual([made.name, made.kind, made.size, made.parentId], ["one.txt", "file", 5, at.id]);
      assert.ok(made.eTag);
      assert.equal(value(await world.drive.item(made.id)).id, made.id);
      assert.equal(value(await world.drive.itemAt(at.id, "ONE.TXT")).id, made.id);
      assert.equal((await world.tree()).get(`${at.path}/one.txt`), "hello");
      assert.equal(await contentOf(world.drive, made), "hello");
    });

    test("what is not there is notFound", async () => {
      const at = await folder();
      assert.equal(kind(await world.drive.itemAt(at.id, "nothing")), "notFound");
      assert.equal(kind(await world.drive.item(world.unknownId)), "notFound");
      assert.equal(kind(await world.drive.children(world.unknownId)), "notFound");
      assert.equal(kind(await world.drive.createFolder(world.unknownId, "x")), "notFound");
      assert.equal(kind(await world.drive.remove(world.unknownId, undefined)), "notFound");
    });

    test("an empty file can be made, and be read", async () => {
      const at = await folder();
      const made = await put(at.id, "empty", "");
      assert.equal(made.size, 0);
      assert.equal(await contentOf(world.drive, made), "");
    });

    test("a new item never takes the place of another, in whatever case its name is written", async () => {
      const at = await folder();
      await put(at.id, "a.txt", "first");
      const second = await world.drive.upload({ parent: at.id, name: "A.TXT" }, bodyOf("second"));
      assert.equal(kind(second), "nameTaken");
      assert.equal(clear(second), true);
      assert.equal(kind(await world.drive.createFolder(at.id, "a.txt")), "nameTaken");
      const made = value(await world.drive.createFolder(at.id, "folder"));
      assert.equal(kind(await world.drive.createFolder(at.id, "FOLDER")), "nameTaken");
      assert.equal(kind(await world.drive.upload({ parent: at.id, name: "folder" }, bodyOf("x"))), "nameTaken");
      assert.equal(made.kind, "folder");
      assert.equal((await world.tree()).get(`${at.path}/a.txt`), "first");
    });

    test("new content is conditional on the version it was based on", async () => {
      const at = await folder();
      const first = await put(at.id, "f", "one");
      const second = value(await world.drive.upload({ item: first.id, seen: seenOf(first) }, bodyOf("two")));
      assert.equal(second.id, first.id);
      assert.notEqual(contentVersion(second), contentVersion(first));
      assert.equal(kind(await world.drive.upload({ item: first.id, seen: seenOf(first) }, bodyOf("three"))), "changed");
      assert.equal((await world.tree()).get(`${at.path}/f`), "two");
      const emptied = value(await world.drive.upload({ item: first.id, seen: seenOf(second) }, bodyOf("")));
      assert.equal(emptied.size, 0);
    });

    test("name, place and mtime change in one call, conditional on the eTag", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "x");
      const target = value(await world.drive.createFolder(at.id, "sub"));
      const change = { name: "g", parent: target.id, mtime: 1_600_000_000 };
      const moved = value(await world.drive.update(file.id, change, file.eTag));
      assert.deepEqual([moved.id, moved.name, moved.parentId, moved.mtime], [file.id, "g", target.id, 1_600_000_000]);
      assert.notEqual(moved.eTag, file.eTag);
      assert.equal(kind(await world.drive.update(file.id, { name: "h" }, file.eTag)), "changed");
      const tree = await world.tree();
      assert.equal(tree.get(`${at.path}/sub/g`), "x");
      assert.equal(tree.has(`${at.path}/f`), false);
    });

    test("mtime alone changes neither content nor its version", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "x");
      const touched = value(await world.drive.update(file.id, { mtime: 981_173_106 }, undefined));
      assert.equal(touched.mtime, 981_173_106);
      assert.equal(value(await world.drive.item(file.id)).mtime, 981_173_106);
      assert.equal(await contentOf(world.drive, touched), "x");
    });

    test("a rename never takes the place of another item; a change of case alone works", async () => {
      const at = await folder();
      const file = await put(at.id, "a", "x");
      await put(at.id, "b", "y");
      assert.equal(kind(await world.drive.update(file.id, { name: "B" }, undefined)), "nameTaken");
      assert.equal(value(await world.drive.update(file.id, { name: "A" }, undefined)).name, "A");
      assert.equal((await world.tree()).get(`${at.path}/b`), "y");
    });

    test("a folder does not go into itself", async () => {
      const at = await folder();
      const outer = value(await world.drive.createFolder(at.id, "outer"));
      const inner = value(await world.drive.createFolder(outer.id, "inner"));
      assert.equal((await world.drive.update(outer.id, { parent: inner.id }, undefined)).ok, false);
      assert.ok((await world.tree()).has(`${at.path}/outer/inner`));
    });

    test("deleting is conditional, and what is deleted is gone", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "x");
      const newer = value(await world.drive.update(file.id, { mtime: 1_500_000_000 }, undefined));
      assert.equal(kind(await world.drive.remove(file.id, file.eTag)), "changed");
      value(await world.drive.remove(file.id, newer.eTag));
      assert.equal(kind(await world.drive.item(file.id)), "notFound");
      assert.equal(kind(await world.drive.remove(file.id, undefined)), "notFound");
      assert.equal(kind(await world.drive.itemAt(at.id, "f")), "notFound");
    });

    test("a folder goes with all that is in it", async () => {
      const at = await folder();
      const outer = value(await world.drive.createFolder(at.id, "outer"));
      const file = await put(outer.id, "f", "x");
      value(await world.drive.remove(outer.id, undefined));
      assert.equal(kind(await world.drive.item(file.id)), "notFound");
    });

    test("children are listed, page by page", async () => {
      const at = await folder();
      for (let i = 0; i < 7; i++) await put(at.id, `f${i}`, String(i));
      await world.other.mkdir(`${at.path}/sub`);
      const names = (await childrenOf(world.drive, at.id)).map((item) => item.name);
      assert.deepEqual(names.sort(), ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "sub"]);
    });

    test("the feed enumerates everything that lives, the root too", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "x");
      const gone = await put(at.id, "gone", "x");
      value(await world.drive.remove(gone.id, undefined));
      const all = lastStates((await round(world.drive, undefined)).changes);
      assert.equal(living(all, file.id)?.name, "f");
      assert.equal(living(all, root)?.parentId, undefined);
      assert.ok(!living(all, gone.id));
      for (const change of all.values()) {
        if (change.deleted || change.item.id === root) continue;
        assert.ok(
          change.item.parentId && living(all, change.item.parentId),
          `${change.item.name} has its folder in the feed`,
        );
      }
    });

    test("the feed tells states since a cursor: ours, others', and tombstones", async () => {
      const at = await folder();
      await world.other.put(`${at.path}/edited`, "one");
      await world.other.put(`${at.path}/moved`, "two");
      const doomed = await put(at.id, "doomed", "three");
      const from = await cursor();
      await world.other.put(`${at.path}/edited`, "one, edited");
      await world.other.move(`${at.path}/moved`, `${at.path}/deep/moved again`);
      await world.other.remove(`${at.path}/doomed`);
      const ours = await put(at.id, "ours", "four");
      const { changes, cursor: next } = await round(world.drive, from);
      const told = lastStates(changes);
      const names = [...told.values()].flatMap((change) => (change.deleted ? [] : [change.item.name]));
      for (const name_ of ["edited", "moved again", "deep", "ours"])
        assert.ok(names.includes(name_), `${name_} is told`);
      assert.equal(told.get(doomed.id)?.deleted, true);
      assert.equal(living(told, ours.id)?.size, 4);
      const quiet = lastStates((await round(world.drive, next)).changes);
      assert.ok(![...quiet.keys()].some((id) => id === ours.id || id === doomed.id), "nothing is told twice");
    });

    test("renaming a folder leaves its children alone", async () => {
      const at = await folder();
      await world.other.put(`${at.path}/before/inside`, "x");
      const inside = value(await world.drive.itemAt(value(await world.drive.itemAt(at.id, "before")).id, "inside"));
      const from = await cursor();
      await world.other.move(`${at.path}/before`, `${at.path}/after`);
      const told = lastStates((await round(world.drive, from)).changes);
      assert.ok([...told.values()].some((change) => !change.deleted && change.item.name === "after"));
      assert.equal(value(await world.drive.item(inside.id)).parentId, inside.parentId);
    });

    test("a cursor that is none is answered with resync or invalid, never with changes", async () => {
      const wrong = await world.drive.changes((await cursor()).replace(/.{6}$/, "nonsense"));
      assert.ok(["resync", "invalid"].includes(kind(wrong)), kind(wrong));
    });

    test("a session takes a file in pieces, with its mtime", async () => {
      const at = await folder();
      const content = random(QUANTUM * 2 + 1_234, 1);
      const body = bodyOf(content);
      let session = value(await world.drive.openSession({ parent: at.id, name: "big.bin" }, body.size, 1_555_555_555));
      assert.equal(session.nextOffset, 0);
      const first = value(await world.drive.sendFragment(session, body, QUANTUM));
      assert.equal(first.item, undefined);
      assert.equal(first.session.nextOffset, QUANTUM);
      session = value(await world.drive.sessionStatus(session));
      assert.equal(session.nextOffset, QUANTUM);
      session = value(await world.drive.sendFragment(session, body, QUANTUM * 2)).session;
      assert.equal(kind(await world.drive.itemAt(at.id, "big.bin")), "notFound");
      const last = value(await world.drive.sendFragment(session, body, body.size));
      assert.deepEqual([last.item?.size, last.item?.mtime, last.item?.name], [body.size, 1_555_555_555, "big.bin"]);
      assert.ok(Buffer.from(await bytesOf(world.drive, last.item!, 0, body.size)).equals(content));
    });

    test("a fragment sent twice does no harm", async () => {
      const at = await folder();
      const body = bodyOf(random(QUANTUM * 2, 2));
      const session = value(await world.drive.openSession({ parent: at.id, name: "twice" }, body.size, 0));
      value(await world.drive.sendFragment(session, body, QUANTUM));
      const again = await world.drive.sendFragment(session, body, QUANTUM);
      const now = again.ok ? again.value.session : value(await world.drive.sessionStatus(session));
      assert.ok(again.ok || again.fault.kind === "rangeUnsatisfied", kind(again));
      assert.equal(now.nextOffset, QUANTUM);
      const last = value(await world.drive.sendFragment(now, body, body.size));
      assert.ok(Buffer.from(await bytesOf(world.drive, last.item!, 0, body.size)).equals(random(QUANTUM * 2, 2)));
    });

    test("a session replaces content under a condition, and keeps the item", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "small");
      const stale = seenOf(file);
      const body = bodyOf(random(QUANTUM + 5, 3));
      const session = value(await world.drive.openSession({ item: file.id, seen: stale }, body.size, 1_444_444_444));
      const half = value(await world.drive.sendFragment(session, body, QUANTUM));
      const done = value(await world.drive.sendFragment(half.session, body, body.size));
      assert.deepEqual([done.item?.id, done.item?.size, done.item?.mtime], [file.id, body.size, 1_444_444_444]);
      const late = await world.drive.openSession({ item: file.id, seen: stale }, body.size, 0);
      assert.equal(kind(late), "changed");
    });

    test("a session for a taken name ends in nameTaken, and the other file stays", async () => {
      const at = await folder();
      const body = bodyOf(random(QUANTUM, 4));
      const opened = await world.drive.openSession({ parent: at.id, name: "late" }, body.size, 0);
      await world.other.put(`${at.path}/late`, "was first");
      const ended = await world.drive.sendFragment(value(opened), body, body.size);
      assert.equal(kind(ended), "nameTaken");
      assert.equal((await world.tree()).get(`${at.path}/late`), "was first");
      value(await world.drive.cancelSession(value(opened)));
    });

    test("a cancelled session is expired", async () => {
      const at = await folder();
      const body = bodyOf(random(QUANTUM * 2, 5));
      const session = value(await world.drive.openSession({ parent: at.id, name: "never" }, body.size, 0));
      value(await world.drive.sendFragment(session, body, QUANTUM));
      value(await world.drive.cancelSession(session));
      assert.equal(kind(await world.drive.sessionStatus(session)), "expired");
      assert.equal(
        kind(await world.drive.sendFragment({ ...session, nextOffset: QUANTUM }, body, body.size)),
        "expired",
      );
      assert.equal(kind(await world.drive.itemAt(at.id, "never")), "notFound");
    });

    test("ranges of a version are read exactly; another version is `changed`", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "0123456789");
      assert.equal(await contentOf(world.drive, file, 2, 5), "234");
      assert.equal(await contentOf(world.drive, file, 7, 100), "789");
      assert.equal(kind(await world.drive.download(file.id, 10, 20, contentVersion(file))), "rangeUnsatisfied");
      await world.other.put(`${at.path}/f`, "abcdefghij");
      assert.equal(kind(await world.drive.download(file.id, 0, 4, contentVersion(file))), "changed");
      const now = value(await world.drive.item(file.id));
      assert.equal(await contentOf(world.drive, now), "abcdefghij");
    });

    test("names of all kinds come back as they were given", async () => {
      const at = await folder();
      const names = [
        "a b",
        "100%",
        "x%21",
        "x%20y",
        "it's",
        "#1 & more",
        "a+b=c",
        "ünïcödé",
        "日本語.txt",
        "semi;colon",
        "a:b?c*d",
        "dots...",
        " leading",
        "😀.png",
        "[x](y)",
        "~tilde",
        "$dollar{}",
        "@at",
      ];
      for (const name_ of names) {
        const made = await put(at.id, name_, name_);
        assert.equal(made.name, name_);
        assert.equal(value(await world.drive.itemAt(at.id, name_)).id, made.id, name_);
      }
      const listed = (await childrenOf(world.drive, at.id)).map((item) => item.name);
      assert.deepEqual(listed.sort(), [...names].sort());
      const made = value(await world.drive.createFolder(at.id, 'folder "quoted"'));
      assert.equal(
        value(await world.drive.update(made.id, { name: "folder | piped" }, undefined)).name,
        "folder | piped",
      );
    });

    test("a deleted item comes back from the bin where the account can do that", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "precious");
      value(await world.drive.remove(file.id, undefined));
      const back = await world.drive.restore(file.id);
      if (!world.restores) return assert.equal(kind(back), "notSupported");
      assert.equal(value(back).id, file.id);
      assert.equal(await contentOf(world.drive, value(await world.drive.item(file.id))), "precious");
    });

    test("a copy has the bytes and an id of its own; it never takes a place", async () => {
      const at = await folder();
      const file = await put(at.id, "f", "copied");
      const copy = value(await world.drive.copy(file.id, at.id, "f 2"));
      assert.notEqual(copy.id, file.id);
      assert.equal(await contentOf(world.drive, copy), "copied");
      assert.equal(kind(await world.drive.copy(file.id, at.id, "F 2")), "nameTaken");
    });

    test("several calls in one are answered each for itself, in their order", async () => {
      const { drive } = world;
      assert.ok(drive.batch);
      const at = await folder();
      const kept = await put(at.id, "kept", "x");
      const doomed = await put(at.id, "doomed", "x");
      const answers = await drive.batch([
        { call: "createFolder", parent: at.id, name: "new" },
        { call: "createFolder", parent: at.id, name: "kept" },
        { call: "update", id: kept.id, change: { name: "kept too" }, seen: kept.eTag },
        { call: "remove", id: doomed.id, seen: undefined },
        { call: "update", id: doomed.id, change: { name: "?" }, seen: doomed.eTag },
      ]);
      assert.equal(answers.length, 5);
      const [made, taken, renamed, removed] = answers;
      assert.equal(value(made!)?.name, "new");
      assert.equal(kind(taken!), "nameTaken");
      assert.equal(value(renamed!)?.name, "kept too");
      assert.equal(removed?.ok, true);
    });

    test("a cancelled call is interrupted", async () => {
      const gone = AbortSignal.abort();
      assert.equal(kind(await world.drive.item(root, gone)), "interrupted");
      assert.equal(kind(await world.drive.changes(undefined, gone)), "interrupted");
    });
  });
}

function value<T>(result: Result<T, Fault>): T {
  assert.ok(result.ok, result.ok ? "" : `${result.fault.kind}: ${result.fault.why}`);
  return result.value;
}

function kind(result: Result<unknown, Fault>): FaultKind | "ok" {
  return result.ok ? "ok" : result.fault.kind;
}

function clear(result: Result<unknown, Fault>): boolean {
  return result.ok || !result.fault.unclear;
}

function seenOf(item: CloudItem) {
  return item.cTag ?? item.eTag;
}

async function childrenOf(drive: Drive, folder: ItemId): Promise<CloudItem[]> {
  const items: CloudItem[] = [];
  for (let link: string | undefined; ;) {
    const page = value(await drive.children(folder, link));
    items.push(...page.items);
    if (page.next === undefined) return items;
    link = page.next;
  }
}

/** All pages of one round. */
async function round(drive: Drive, from: string | undefined): Promise<{ changes: CloudChange[]; cursor: string }> {
  const changes: CloudChange[] = [];
  for (let link = from; ;) {
    const page = value(await drive.changes(link));
    changes.push(...page.changes);
    assert.equal((page.next === undefined) !== (page.cursor === undefined), true, "a page goes on or ends");
    if (page.cursor !== undefined) return { changes, cursor: page.cursor };
    link = page.next;
  }
}

function lastStates(changes: readonly CloudChange[]): Map<ItemId, CloudChange> {
  return new Map(changes.map((change) => [change.deleted ? change.id : change.item.id, change]));
}

function living(states: ReadonlyMap<ItemId, CloudChange>, id: ItemId): CloudItem | undefined {
  const state = states.get(id);
  return state && !state.deleted ? state.item : undefined;
}

async function bytesOf(drive: Drive, item: CloudItem, start: number, end: number): Promise<Uint8Array> {
  const download = value(await drive.download(item.id, start, end, contentVersion(item)));
  const parts: Uint8Array[] = [];
  for await (const part of download.bytes) parts.push(part);
  const bytes = Buffer.concat(parts);
  assert.equal(bytes.length, download.end - download.start, "as many bytes as were promised");
  return bytes;
}

async function contentOf(drive: Drive, item: CloudItem, start = 0, end = item.size): Promise<string> {
  return Buffer.from(await bytesOf(drive, item, start, end)).toString();
}

export function bodyOf(content: string | Uint8Array): Body {
  const bytes = Buffer.from(content);
  return {
    size: bytes.length,
    async *stream(start, end) {
      for (let at = start; at < end; at += 50_000) yield bytes.subarray(at, Math.min(at + 50_000, end));
    },
  };
}

function random(length: number, seed: number): Buffer {
  const out = Buffer.alloc(length);
  let state = seed * 2_654_435_761;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}
