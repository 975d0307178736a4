/**
 * Frames that no kernel would send, on the real vfs: random bytes, and good requests with bytes changed, cut or added. Every request that
 * can be answered is answered exactly once with an errno or a true answer, there is no defect, and nothing grows without bound.
 * FUZZ_FRAMES sets how many (1,000,000 take a few minutes), SEED replays.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom, type Random } from "../../../src/base/random.ts";
import { opcode } from "../../../src/host/kernel/wire.ts";
import { fault } from "../../../src/model/fault.ts";
import { ROOT } from "../../../src/model/ids.ts";
import type { Answer, Vfs } from "../../../src/vfs/vfs.ts";
import { World } from "../../vfs/world.ts";
import { greet, NEVER_ANSWERED, request, text, u32, u64, wireTalk, type WireTalk } from "./wire-talk.ts";

const FRAMES = Number(process.env["FUZZ_FRAMES"] ?? 10_000);
const SEED = process.env["SEED"] ?? "frames";
/** Frames between two looks at what is left open. */
const STEP = 500;
const NAMES = [
  "a",
  "b",
  "A",
  "dir",
  "long-".repeat(60),
  "ünï",
  "x".repeat(255),
  ".",
  "..",
  "f~",
  ".~lock.f#",
  "con|nul?",
];
const HUGE = [0, 1, 2, 4095, 4096, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1, 2 ** 53, 2 ** 62];

class Maker {
  readonly random: Random;
  readonly handles: number[] = [1];
  readonly streams: number[] = [1];

  constructor(random: Random) {
    this.random = random;
  }

  of<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)]!;
  }

  node(): number {
    if (this.random.below(3) === 0) return ROOT;
    return this.random.below(20) === 0 ? this.of(HUGE) : ROOT + this.random.below(40);
  }

  small(most: number): number {
    return this.random.below(15) === 0 ? this.of(HUGE) : this.random.below(most);
  }

  name(): Buffer {
    return text(this.of(NAMES));
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.random.below(256)));
  }

  /** A request as a kernel might send it. */
  good(code: number): Buffer {
    const { handles, streams } = this;
    const io = (id: number): Buffer[] => [u64(id, this.small(5000)), u32(this.small(4096), 0), u64(0), u32(0, 0)];
    const size = this.random.below(2000);
    const bodies: Record<number, () => Buffer[]> = {
      [opcode.lookup]: () => [this.name()],
      [opcode.forget]: () => [u64(this.small(3))],
      [opcode.getattr]: () => [u32(this.random.below(2), 0), u64(this.of(handles))],
      [opcode.setattr]: () => [
        u32(this.random.below(4096), 0),
        u64(this.of(handles), this.small(5000), 0, this.small(9), this.small(9), 0),
        u32(this.small(1e9), this.small(1e9), 0, this.random.below(0o10000), 0, 1000, 1000, 0),
      ],
      [opcode.mknod]: () => [u32(0o100644, 0, 0, 0), this.name()],
      [opcode.mkdir]: () => [u32(0o755, 0), this.name()],
      [opcode.unlink]: () => [this.name()],
      [opcode.rmdir]: () => [this.name()],
      [opcode.rename]: () => [u64(this.node()), this.name(), this.name()],
      [opcode.rename2]: () => [u64(this.node()), u32(this.random.below(4), 0), this.name(), this.name()],
      [opcode.open]: () => [u32(this.of([0, 1, 2, 0o1002, 0o2001, 3]), 0)],
      [opcode.create]: () => [u32(this.of([0o102, 0o302, 0o1102]), 0o644, 0, 0), this.name()],
      [opcode.read]: () => io(this.of(handles)),
      [opcode.write]: () => [
        u64(this.of(handles), this.small(5000)),
        u32(size, this.random.below(8)),
        u64(0),
        u32(0, 0),
        Buffer.alloc(size, 7),
      ],
      [opcode.release]: () => [u64(this.of(handles)), u32(0, 0), u64(0)],
      [opcode.flush]: () => [u64(this.of(handles)), u32(0, 0), u64(0)],
      [opcode.fsync]: () => [u64(this.of(handles)), u32(0, 0)],
      [opcode.fallocate]: () => [
        u64(this.of(handles), this.small(500), this.small(5000)),
        u32(this.random.below(2), 0),
      ],
      [opcode.setxattr]: () => [u32(3, this.random.below(3)), text("user.x"), Buffer.from("abc")],
      [opcode.getxattr]: () => [
        u32(this.small(100), 0),
        text(this.of(["user.x", "user.onedrive.state", "security.capability"])),
      ],
      [opcode.listxattr]: () => [u32(this.small(100), 0)],
      [opcode.removexattr]: () => [text("user.x")],
      [opcode.opendir]: () => [u32(0, 0)],
      [opcode.readdir]: () => io(this.of(streams)),
      [opcode.readdirplus]: () => io(this.of(streams)),
      [opcode.releasedir]: () => [u64(this.of(streams)), u32(0, 0), u64(0)],
      [opcode.fsyncdir]: () => [u64(this.of(streams)), u32(0, 0)],
      [opcode.interrupt]: () => [u64(this.small(1000))],
      [opcode.batchForget]: () => [u32(2, 0), u64(this.node(), 1, this.node(), 1)],
    };
    return Buffer.concat(bodies[code]?.() ?? [this.bytes(this.random.below(100))]);
  }

  /** Bytes changed, cut off, or added. */
  bad(body: Buffer): Buffer {
    const copy = Buffer.from(body);
    const ways = this.random.below(4);
    if (ways === 0) return copy.subarray(0, this.random.below(copy.length + 1));
    if (ways === 1) return Buffer.concat([copy, this.bytes(this.random.below(40))]);
    for (let i = this.random.below(6); i >= 0 && copy.length > 0; i--)
      copy[this.random.below(copy.length)] = this.of([0, 1, 0x2f, 0x7f, 0x80, 0xff, this.random.below(256)]);
    return copy;
  }
}

async function settle(talk: WireTalk, world: World, maker: Maker): Promise<void> {
  for (let turn = 0; talk.open.size > 0 && turn < 400; turn++) await world.pass(1);
  assert.deepEqual([...talk.open], [], "every request has its answer");
  assert.deepEqual(talk.defects, []);
  const { session } = talk;
  for (const id of maker.handles.splice(1)) talk.ask(opcode.release, ROOT, u64(id), u32(0, 0), u64(0));
  for (const id of maker.streams.splice(1)) talk.ask(opcode.releasedir, ROOT, u64(id), u32(0, 0), u64(0));
  for (let turn = 0; talk.open.size > 0 && turn < 400; turn++) await world.pass(1);
  assert.deepEqual([session.handles.count, session.streams.count, session.pending.count], [0, 0, 0]);
  assert.equal(world.vfs.openHandles(), 0);
  forgetAll(talk, Number(world.store.read.meta.get("nextNode")));
  assert.equal(session.nodes.count, 0);
}

/** Gives back every node, as a kernel short of memory does: the youngest first, and nearly all are young or the oldest. */
function forgetAll(talk: WireTalk, end: number): void {
  const forget = (from: number): void => {
    const nodes = Array.from({ length: 1_000 }, (_, i) => [from + i, 2 ** 31]).flat();
    talk.ask(opcode.batchForget, 0, u32(1_000, 0), u64(...nodes));
  };
  forget(1);
  for (let from = end; from > 0 && talk.session.nodes.count > 0; from -= 1_000) forget(Math.max(from - 1_000, 1));
}

/** The bytes of this world are in memory: files end early, also those the quota does not count. */
function smallVfs(vfs: Vfs): Vfs {
  const most = 2 ** 20;
  const refuse = (): Answer<never> => fault("tooLarge", "the memory of a test is small");
  return {
    ...vfs,
    write: (handle, position, bytes) => (position > most ? refuse() : vfs.write(handle, position, bytes)),
    setattr: (node, change, caller, handle) =>
      (change.size ?? 0) > most ? refuse() : vfs.setattr(node, change, caller, handle),
  };
}

/** What the kernel would keep of an answer, so that later requests have something to be about. */
function learn(maker: Maker, code: number, body: Buffer): void {
  if (code === opcode.open) maker.handles.push(Number(body.readBigUInt64LE(0)));
  if (code === opcode.create) maker.handles.push(Number(body.readBigUInt64LE(128)));
  if (code === opcode.opendir) maker.streams.push(Number(body.readBigUInt64LE(0)));
}

test(`kernel frames: ${FRAMES} bad ones, each answered, none believed (SEED=${SEED})`, async () => {
  const maker = new Maker(seededRandom(SEED));
  const world = new World({ seed: SEED });
  const talk = wireTalk(smallVfs(world.vfs), { clock: world.clock });
  greet(talk);
  const good = new Map<number, number>();
  const codes = Object.values(opcode).filter((code) => code !== opcode.init);
  const opened = new Map<number, number>();
  for (let i = 1; i <= FRAMES; i++) {
    const code = maker.random.below(50) === 0 ? maker.random.below(5000) : maker.of(codes);
    const body = maker.good(code);
    const unique = i * 10_000; // those of `settle` come between
    const frame = request(code, unique, maker.node(), maker.random.below(3) === 0 ? maker.bad(body) : body);
    const lies = maker.random.below(40) === 0;
    if (lies) frame.writeUInt32LE(maker.of(HUGE.slice(0, 8)), 0);
    const heard = !lies || frame.readUInt32LE(0) === frame.length;
    talk.raw(frame, heard && !NEVER_ANSWERED.has(code));
    opened.set(unique, code);
    if (i % 20 !== 0 && i % STEP !== 0) continue;
    await world.pass(1);
    for (const [id, made] of opened) {
      const reply = talk.reply(id);
      if (reply?.error !== 0) continue;
      learn(maker, made, reply.body);
      good.set(made, (good.get(made) ?? 0) + 1);
    }
    opened.clear();
    if (i % STEP === 0) await settle(talk, world, maker);
  }
  await settle(talk, world, maker);
  const silent = new Set<number>([...NEVER_ANSWERED, opcode.readlink, opcode.symlink, opcode.link, opcode.ioctl]);
  const never = codes.filter((code) => !silent.has(code) && !good.has(code));
  assert.deepEqual(never, [], "every call also went well at times, so the frames reach the vfs");
});
