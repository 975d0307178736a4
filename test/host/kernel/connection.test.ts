/** The conversation over a device of our own: an answer that is not taken, requests that stop coming, and every call answered once. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { ok } from "../../../src/base/result.ts";
import { connection } from "../../../src/host/kernel/connection.ts";
import type { FuseDevice } from "../../../src/host/kernel/fuse-device.ts";
import { opcode } from "../../../src/host/kernel/wire.ts";
import { ROOT } from "../../../src/model/ids.ts";
import { World } from "../../vfs/world.ts";
import { greet, u32, u64, wireTalk } from "./wire-talk.ts";

const { EAGAIN, ECONNABORTED, EFAULT, EINVAL, EIO, ENODEV, ENOENT, ENOMEM } = constants.errno;

/** Reads and writes answer what they are told to, once each. */
class Device implements FuseDevice {
  readonly level = 0;
  readonly written: Buffer[] = [];
  readonly reads: number[] = [];
  readonly writes: number[] = [];
  closed = 0;
  ready: () => void = () => undefined;

  read = (): number => this.reads.shift() ?? -EAGAIN;
  write = (_fd: number, head: Uint8Array, length: number): number => {
    this.written.push(Buffer.from(head.subarray(0, length)));
    return this.writes.shift() ?? 0;
  };
  close = (): number => ++this.closed;
  watch = (_fd: number, ready: () => void): object => {
    this.ready = ready;
    return {};
  };
  unwatch = (): void => undefined;
  mountDirectly = (): number => -EINVAL;
  socketPair = (): number => -EINVAL;
  receive = (): number => -EINVAL;
  readCached = (): number => -EINVAL;
}

function begin(): { device: Device; line: ReturnType<typeof connection>; defects: string[]; ends: number[] } {
  const [device, defects, ends] = [new Device(), [] as string[], [] as number[]];
  const onDefect = (error: unknown): void => void defects.push((error as Error).message);
  const line = connection({ device, fd: 9, onDefect, ended: () => void ends.push(device.closed) });
  return { device, line, defects, ends };
}

function answerTo(unique: number): Buffer {
  const head = Buffer.alloc(512);
  head.writeUInt32LE(24, 0);
  head.writeBigUInt64LE(BigInt(unique), 8);
  return head;
}

test("connection: a caller that is gone is not told, and that is no defect", () => {
  const { device, line, defects } = begin();
  device.writes.push(0, -ENOENT);
  assert.equal(line.send(answerTo(2), 24, undefined), true);
  assert.equal(line.send(answerTo(4), 24, undefined), false);
  assert.deepEqual([device.written.length, defects], [2, []]);
});

for (const [name, errno] of Object.entries({ EINVAL, ENOMEM, EFAULT }))
  test(`connection: an answer refused with ${name} is a defect, and its caller gets EIO`, () => {
    const { device, line, defects } = begin();
    device.writes.push(-errno);
    assert.equal(line.send(answerTo(2 ** 40 + 6), 24, Buffer.from("a payload")), false);
    assert.equal(device.written.length, 2);
    const plain = device.written[1]!;
    assert.deepEqual(
      [plain.length, plain.readUInt32LE(0), plain.readInt32LE(4), plain.readBigUInt64LE(8)],
      [16, 16, -EIO, BigInt(2 ** 40 + 6)],
    );
    assert.deepEqual(defects, [`the kernel did not take an answer (${-errno})`]);
  });

for (const [name, errno, wanted] of [
  ["ENODEV", ENODEV, 0],
  ["ECONNABORTED", ECONNABORTED, 0],
  ["EFAULT", EFAULT, 1],
] as const)
  test(`connection: when reading gives ${name} it ends once, ${wanted ? "and that is a defect" : "as mounts do"}`, () => {
    const { device, line, defects, ends } = begin();
    line.start(() => assert.fail("there is no request"));
    device.reads.push(-EAGAIN, -errno, -errno);
    for (let i = 0; i < 3; i++) device.ready();
    assert.deepEqual([ends, device.closed, defects.length], [[1], 1, wanted]);
    assert.equal(line.send(answerTo(2), 24, undefined), false);
    assert.equal(device.written.length, 0, "the number may be another file's by now");
  });

test("kernel calls: a handler that forgets its answer, or throws behind it, is a defect and answers once", async () => {
  const at = [u64(1, 0), u32(4096, 0), u64(0), u32(0, 0)];
  for (const given of [ok(Buffer.from("x")), Promise.resolve(ok(Buffer.from("x")))]) {
    const forgetful = wireTalk({ ...new World().vfs, read: () => given });
    greet(forgetful);
    forgetful.session.out.payload = () => true;
    forgetful.ask(opcode.read, 9, ...at);
    await new Promise(setImmediate);
    assert.deepEqual([forgetful.reply()?.error, forgetful.open.size, forgetful.defects.length], [EIO, 0, 1]);

    const late = wireTalk({ ...new World().vfs, read: () => given });
    greet(late);
    const payload = late.session.out.payload.bind(late.session.out);
    late.session.out.payload = (unique, bytes) => {
      payload(unique, bytes);
      throw new Error("a bug, on purpose");
    };
    late.ask(opcode.read, 9, ...at);
    await new Promise(setImmediate);
    assert.deepEqual([late.reply()?.body.toString(), late.open.size, late.defects.length], ["x", 0, 1]);
  }
});

test("kernel calls: the caller is answered although nobody can be told of the defect", () => {
  const talk = wireTalk({
    ...new World().vfs,
    getattr: () => {
      throw new Error("a bug, on purpose");
    },
  });
  greet(talk);
  talk.defects.push = () => {
    throw new Error("the log is full");
  };
  assert.throws(() => talk.ask(opcode.getattr, ROOT, Buffer.alloc(16)), /the log is full/);
  assert.equal(talk.reply()?.error, EIO);
});
