/** Single calls of the protocol on the real vfs: what is counted, what is handed over, what an interrupt and a dead caller do. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { manualClock } from "../../../src/base/clock.ts";
import { listingChanged } from "../../../src/host/kernel/folder-calls.ts";
import { otherSpellingOf } from "../../../src/host/kernel/spelling-nodes.ts";
import { opcode, openedAs } from "../../../src/host/kernel/wire.ts";
import { NOTICE_HELD_MAX_MS } from "../../../src/model/limits.ts";
import { handleId, ROOT, type ItemKey } from "../../../src/model/ids.ts";
import type { Vfs } from "../../../src/vfs/vfs.ts";
import { World } from "../../vfs/world.ts";
import { greet, request, text, u32, u64, wireTalk, type Reply, type WireTalk } from "./wire-talk.ts";

const { EINTR, EINVAL, EIO, ENOENT, ENOSYS, EPERM } = constants.errno;
const turns = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

function begin(change: (vfs: Vfs) => Partial<Vfs> = () => ({})): { world: World; talk: WireTalk } {
  const world = new World();
  const talk = wireTalk({ ...world.vfs, ...change(world.vfs) });
  assert.equal(greet(talk)?.error, 0);
  return { world, talk };
}

const nodeIn = (reply: Reply | undefined): number => Number(reply!.body.readBigUInt64LE(0));
const lookup = (talk: WireTalk, name: string): Reply | undefined => talk.ask(opcode.lookup, ROOT, text(name));

test("kernel calls: the greeting settles on our version and takes only what was offered", () => {
  const talk = wireTalk(new World().vfs);
  assert.equal(talk.ask(opcode.getattr, ROOT, Buffer.alloc(16))?.error, EIO, "nothing before it");
  const offered = (1 << 0) | (1 << 22);
  const { body } = talk.ask(opcode.init, 0, u32(7, 31, 65536, offered))!;
  assert.deepEqual([body.readUInt32LE(0), body.readUInt32LE(4), body.readUInt32LE(12)], [7, 38, offered]);
  assert.deepEqual([body.readUInt32LE(8), body.readUInt32LE(20), body.length], [65536, 1024 ** 2, 64]);
});

test("kernel calls: a kernel that is too old is refused, a newer major is asked to come again", () => {
  const talk = wireTalk(new World().vfs);
  assert.equal(talk.ask(opcode.init, 0, u32(8, 0, 0, 0))?.error, 0);
  assert.equal(talk.session.greeted, false);
  talk.ask(opcode.init, 0, u32(7, 12, 0, 0));
  assert.equal(talk.session.greeted, false);
  greet(talk);
  assert.equal(talk.session.greeted, true);
});

test("kernel calls: every look-up is counted, every forget given back; no absent name and none of several spellings is remembered", async () => {
  const { world, talk } = begin();
  const node = await world.make("f", "text");
  const other = otherSpellingOf(node);
  for (const [name, number, seconds] of [
    ["f", node, 3600n],
    ["F", other, 0n],
    ["f", node, 0n],
  ] as const) {
    const found = lookup(talk, name)!;
    assert.deepEqual([nodeIn(found), found.body.readBigUInt64LE(16)], [number, seconds]);
  }
  assert.equal(talk.session.nodes.times(node), 3);
  assert.equal(lookup(talk, "g")?.error, constants.errno.ENOENT);
  talk.ask(opcode.batchForget, 0, u32(1, 0), u64(node, 2));
  talk.ask(opcode.forget, other, u64(1));
  assert.equal(talk.session.nodes.knows(node), false);
});

test("kernel calls: a file server looks up . and ..", async () => {
  const { world, talk } = begin();
  const folder = await world.do(world.vfs.mkdir(ROOT, "d", 0o755, { uid: 0, gid: 0, pid: 1 }));
  assert.equal(nodeIn(talk.ask(opcode.lookup, folder.inode, text("."))), folder.inode);
  assert.equal(nodeIn(talk.ask(opcode.lookup, folder.inode, text(".."))), ROOT);
  assert.equal(talk.ask(opcode.mkdir, ROOT, u32(0o755, 0), text(".."))?.error, constants.errno.EEXIST);
});

test("kernel calls: what the dead caller did not take was not handed over", async () => {
  const { world, talk } = begin();
  const node = await world.make("f", "text");
  talk.deaf = true;
  lookup(talk, "f");
  talk.ask(opcode.open, node, u32(0, 0));
  await turns();
  assert.deepEqual([talk.session.nodes.count, talk.session.handles.count], [0, 0]);
  assert.equal(world.vfs.openHandles(), 0);
});

test("kernel calls: links and devices are refused, what is unknown is said to be", () => {
  const { talk } = begin();
  assert.equal(talk.ask(opcode.symlink, ROOT, text("a"), text("b"))?.error, EPERM);
  assert.equal(talk.ask(opcode.mknod, ROOT, u32(0o010644, 0, 0, 0), text("fifo"))?.error, EPERM);
  assert.equal(talk.ask(47, ROOT, Buffer.alloc(64))?.error, ENOSYS);
  assert.equal(talk.ask(9999, ROOT)?.error, ENOSYS);
  assert.equal(talk.ask(opcode.getattr, 0, Buffer.alloc(16))?.error, EINVAL);
});

test("kernel calls: names that are no names, and bodies that are too short", () => {
  const { talk } = begin();
  for (const body of [Buffer.from("x"), Buffer.from("\0"), text("a/b"), Buffer.alloc(0)])
    assert.equal(talk.ask(opcode.lookup, ROOT, body)?.error, EINVAL);
  assert.equal(talk.ask(opcode.lookup, ROOT, Buffer.from([0xff, 0]))?.error, ENOENT);
  assert.equal(talk.ask(opcode.mkdir, ROOT, u32(0o755, 0), Buffer.from([0xff, 0]))?.error, EINVAL);
  assert.equal(talk.ask(opcode.write, 9, u64(1, 0), u32(100, 0), u64(0), u32(0, 0), Buffer.alloc(99))?.error, EINVAL);
  assert.equal(talk.ask(opcode.setxattr, ROOT, u32(5, 0), text("user.x"), Buffer.alloc(4))?.error, EINVAL);
  assert.deepEqual(talk.defects, []);
});

test("kernel calls: an interrupted read is aborted and ends with what the vfs says, a look with EINTR at once", async () => {
  const { talk } = begin((vfs) => ({
    read: (_handle, _position, _length, signal) =>
      new Promise((resolve) => {
        signal?.addEventListener("abort", () =>
          resolve({ ok: false, fault: { kind: "interrupted", why: "test" } as never }),
        );
      }),
    lookup: (parent, name) => (name === "waits" ? new Promise(() => undefined) : vfs.lookup(parent, name)),
  }));
  talk.ask(opcode.read, 9, u64(1, 0), u32(4096, 0), u64(0), u32(0, 0));
  const reading = talk.lastUnique;
  lookup(talk, "waits");
  const looking = talk.lastUnique;
  assert.equal(talk.open.size, 2);
  for (const unique of [reading, looking, looking, 12345]) talk.ask(opcode.interrupt, 0, u64(unique));
  await turns();
  assert.deepEqual([talk.reply(reading)?.error, talk.reply(looking)?.error], [EINTR, EINTR]);
  assert.equal(talk.open.size, 0);
});

test("kernel calls: one bug, and everything after it is refused", async () => {
  const { talk } = begin(() => ({
    getattr: () => {
      throw new Error("a bug, on purpose");
    },
  }));
  assert.equal(talk.ask(opcode.getattr, ROOT, Buffer.alloc(16))?.error, EIO);
  assert.equal(lookup(talk, "f")?.error, EIO);
  assert.equal(talk.defects.length, 1);
});

test("kernel calls: a shared mapping is written where its pages are, though the handle appends", async () => {
  const { world, talk } = begin();
  const node = await world.make("f", "0123456789");
  const opened = talk.ask(opcode.open, node, u32(0o2002, 0)) ?? (await turns(), talk.reply());
  const handle = Number(opened!.body.readBigUInt64LE(0));
  const put = async (position: number, flags: number, bytes: string): Promise<void> => {
    const head = [u64(handle, position), u32(bytes.length, flags), u64(0), u32(0, 0)];
    talk.ask(opcode.write, node, ...head, Buffer.from(bytes));
    await turns();
  };
  await put(0, 0, "end");
  await put(2, 1, "XX");
  talk.ask(opcode.release, node, u64(handle), u32(0, 0), u64(0));
  await turns();
  assert.equal(await world.read(node), "01XX456789end");
});

test("kernel calls: a write takes set-user-id away when the kernel asks for it", async () => {
  const { world, talk } = begin();
  const node = await world.make("f", "x", { mode: 0o6755 });
  const handle = await world.open(node);
  talk.ask(opcode.write, node, u64(handle, 0), u32(1, 4), u64(0), u32(0, 0), Buffer.from("y"));
  await turns();
  assert.equal((await world.stat(node)).mode, 0o755);
  await world.close(handle);
});

test("kernel calls: an open that cuts the file takes set-user-id away when the kernel asks for it", async () => {
  const { world, talk } = begin();
  for (const [kill, left] of [
    [1, 0o755],
    [0, 0o6755],
  ] as const) {
    const node = await world.make(`f${kill}`, "x", { mode: 0o6755 });
    const opened = talk.ask(opcode.open, node, u32(0o1001, kill)) ?? (await turns(), talk.reply());
    assert.equal((await world.stat(node)).mode, left);
    await world.close(handleId(Number(opened!.body.readBigUInt64LE(0))));
  }
});

test("kernel calls: a listing goes on behind the same entry whatever came and went, and hands over attributes", async () => {
  const { world, talk } = begin();
  const nodes = new Map<number, string>();
  for (let i = 0; i < 60; i++) nodes.set(await world.make(`f-${String(i).padStart(2, "0")}`, "x"), `f-${i}`);
  const stream = Number(talk.ask(opcode.opendir, ROOT, u32(0, 0))!.body.readBigUInt64LE(0));
  const page = (place: number, plus: boolean): { name: string; place: number; size: number }[] => {
    const code = plus ? opcode.readdirplus : opcode.readdir;
    return parse(talk.ask(code, ROOT, u64(stream, place), u32(2000, 0), u64(0), u32(0, 0))!.body, plus);
  };
  const first = page(0, true);
  assert.deepEqual(
    first.slice(0, 3).map(({ name, size }) => [name, size]),
    [
      [".", 0],
      ["..", 0],
      ["f-00", 1],
    ],
  );
  assert.equal(talk.session.nodes.count, first.length - 2, "handed over: all but . and ..");
  await world.unlink("f-05");
  await world.make("f-03b", "x");
  const all = [...first];
  for (let next = page(first.at(-1)!.place, false); next.length > 0; next = page(next.at(-1)!.place, false))
    all.push(...next);
  const names = all.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, "nothing twice");
  assert.equal(names.filter((name) => /^f-\d\d$/.test(name)).length, 60);
  assert.equal(page(first[4]!.place, false)[0]?.name, "f-03", "a place told earlier still means the same");
});

test("kernel calls: a place out of the listing that the kernel keeps means what it meant to who began it", async () => {
  const { world, talk } = begin();
  const names = Array.from({ length: 40 }, (_, i) => `f-${String(i).padStart(2, "0")}`);
  for (const name of names) await world.make(name, "x");
  const open = (): number => Number(talk.ask(opcode.opendir, ROOT, u32(0, 0))!.body.readBigUInt64LE(0));
  const ask = async (stream: number, place: number): Promise<{ name: string; place: number }[]> => {
    const body = u64(stream, place);
    const reply = talk.ask(opcode.readdir, ROOT, body, u32(900, 0), u64(0), u32(0, 0)) ?? (await turns(), talk.reply());
    return parse(reply!.body, false);
  };
  const all = async (stream: number, from: number): Promise<{ name: string; place: number }[]> => {
    const found = [];
    for (let page = await ask(stream, from); page.length > 0; page = await ask(stream, page.at(-1)!.place))
      found.push(...page);
    return found;
  };
  const first = open();
  const listed = (await all(first, 0)).slice(2);
  assert.deepEqual(
    listed.map(({ name }) => name),
    names,
  );
  talk.ask(opcode.releasedir, ROOT, u64(first), u32(0, 0), u64(0));

  const second = open(); // its first twenty come from the kernel, and are removed
  for (const name of names.slice(0, 20)) await world.unlink(name);
  const rest = await all(second, listed[19]!.place);
  assert.deepEqual(
    rest.map(({ name }) => name),
    names.slice(20),
    "what stays is told, once",
  );
  assert.deepEqual((await ask(second, rest[4]!.place))[0]?.name, names[25], "its own places go before");

  await all(open(), 0);
  const [third] = await ask(open(), 2 + 5);
  assert.equal(third?.name, names[25], "places are those of who began last");
  const elsewhere = begin();
  for (const name of names) await elsewhere.world.make(name, "x");
  const stranger = Number(elsewhere.talk.ask(opcode.opendir, ROOT, u32(0, 0))!.body.readBigUInt64LE(0));
  elsewhere.talk.ask(opcode.readdir, ROOT, u64(stranger, 12), u32(900, 0), u64(0), u32(0, 0));
  await turns();
  assert.equal(parse(elsewhere.talk.reply()!.body, false)[0]?.name, names[10], "a place that nobody knows is counted");
});

function parse(body: Buffer, plus: boolean): { name: string; place: number; size: number }[] {
  const found = [];
  for (let at = 0; at < body.length;) {
    const dirent = at + (plus ? 128 : 0);
    const length = body.readUInt32LE(dirent + 16);
    const name = body.toString("utf8", dirent + 24, dirent + 24 + length);
    const size = plus ? Number(body.readBigUInt64LE(at + 40 + 8)) : 0;
    found.push({ name, place: Number(body.readBigUInt64LE(dirent + 8)), size });
    at = Math.ceil((dirent + 24 + length) / 8) * 8;
  }
  return found;
}

test("kernel calls: notices go out once, for what the kernel knows, and wait for a call on their node", async () => {
  let answer: () => void = () => undefined;
  const { world, talk } = begin(() => ({
    readdir: () => new Promise((resolve) => (answer = () => resolve({ ok: true, value: [] }))),
  }));
  const node = (await world.make("f", "x")) as ItemKey;
  const { notices } = talk.session;
  notices.node(node, true);
  await turns();
  assert.equal(talk.notices.length, 0, "the kernel knows nothing of it");
  lookup(talk, "f");
  notices.node(node, false);
  notices.node(node, true);
  notices.entry(ROOT, "f");
  notices.entry(ROOT, "f");
  assert.equal(notices.untold(node), true);
  await notices.told();
  assert.deepEqual([notices.untold(node), talk.notices.length], [false, 1]);
  assert.equal(talk.notices[0]!.length, 40 + 34);
  const stream = Number(talk.ask(opcode.opendir, ROOT, u32(0, 0))!.body.readBigUInt64LE(0));
  talk.ask(opcode.readdir, ROOT, u64(stream, 0), u32(2000, 0), u64(0), u32(0, 0));
  notices.entry(ROOT, "g");
  await turns();
  assert.equal(talk.notices.length, 1, "a program lists the folder");
  answer();
  await notices.told();
  assert.equal(talk.notices.length, 2);
  assert.ok(talk.notices[1]!.includes("g\0"));
});

test("kernel calls: a listing is kept from its end on; a notice about its pages waits while somebody is half way, not for ever", async () => {
  const clock = manualClock();
  const world = new World();
  const talk = wireTalk(world.vfs, { clock });
  greet(talk);
  await world.make("f", "x");
  const [keep, cache] = [openedAs.keepPages, openedAs.cacheFolder];
  const opened = (): { stream: number; flags: number } => {
    const { body } = talk.ask(opcode.opendir, ROOT, u32(0, 0))!;
    return { stream: Number(body.readBigUInt64LE(0)), flags: body.readUInt32LE(8) };
  };
  const read = (stream: number, place: number): number =>
    talk.ask(opcode.readdir, ROOT, u64(stream, place), u32(2000, 0), u64(0), u32(0, 0))!.body.length;
  const close = (stream: number): unknown => talk.ask(opcode.releasedir, ROOT, u64(stream), u32(0, 0), u64(0));
  const droppedPages = async (): Promise<boolean> => {
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
    return talk.notices.splice(0).some((frame) => frame.readInt32LE(4) === 2 && frame.readBigInt64LE(24) === 0n);
  };
  const first = opened();
  assert.equal(first.flags, keep | cache);
  read(first.stream, 0);
  listingChanged(talk.session, ROOT);
  assert.equal(await droppedPages(), false, "nothing is believed yet");
  assert.equal(opened().flags, keep, "who opens it now reads past it");
  assert.equal(read(first.stream, 3), 0);
  assert.equal(await droppedPages(), true, "at the end");
  const second = opened();
  assert.equal(second.flags, keep | cache);
  read(second.stream, 0);
  read(second.stream, 3);
  const third = opened();
  read(third.stream, 0);
  listingChanged(talk.session, ROOT);
  assert.equal(await droppedPages(), false, "somebody is half way");
  assert.equal(opened().flags, keep);
  close(third.stream);
  assert.equal(await droppedPages(), true);
  read(second.stream, 0);
  read(second.stream, 3);
  read(second.stream, 0);
  listingChanged(talk.session, ROOT);
  assert.equal(await droppedPages(), false);
  clock.advance(NOTICE_HELD_MAX_MS);
  assert.equal(await droppedPages(), true, "not for ever");
});

test("kernel calls: a frame whose header lies about its length is nobody's", () => {
  const { talk } = begin();
  const frame = request(opcode.getattr, 1000, ROOT, Buffer.alloc(16));
  frame.writeUInt32LE(41, 0);
  talk.raw(frame, false);
  talk.raw(frame.subarray(0, 39), false);
  assert.deepEqual(talk.defects, []);
});
