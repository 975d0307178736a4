/** Serves the memory vfs through the parts of the kernel host, for probes.ts: changes it behind the kernel's back and writes notices as told. */
import { systemClock } from "../../src/base/clock.ts";
import { connection } from "../../src/host/kernel/connection.ts";
import { fuseDevice, NOTICE_WRITER } from "../../src/host/kernel/fuse-device.ts";
import { newSession } from "../../src/host/kernel/new-session.ts";
import { noticeWriter } from "../../src/host/kernel/notice-writer.ts";
import { obtainDevice } from "../../src/host/kernel/obtain-device.ts";
import { ROOT, type HandleId } from "../../src/model/ids.ts";
import type { Attributes } from "../../src/vfs/vfs.ts";
import { memoryVfs } from "../../test/support/memory-vfs.ts";

/** What happens elsewhere, and which notice tells of it. */
export interface Act {
  readonly act: "remove" | "make" | "rewrite";
  readonly name: string;
  readonly notice: "entry" | "delete" | "node" | "none";
}

interface Made {
  readonly value: { readonly handle: HandleId; readonly attributes: Attributes };
}

const TWO_TO_32 = 2 ** 32;
const vfs = memoryVfs();
const device = fuseDevice();
if (!device.ok) throw new Error(device.fault.why);
const onDefect = (error: unknown): never => {
  throw error;
};
const options = {
  mountpoint: process.argv[2]!,
  attrTimeoutMs: 3_600_000,
  entryTimeoutMs: 3_600_000,
  readOnly: false,
  allowOther: false,
  source: "probe",
  onDefect,
};
const fd = await obtainDevice(device.value, options);
if (!fd.ok) throw new Error(fd.fault.why);
const writer = await noticeWriter({ program: NOTICE_WRITER, fd: fd.value, onDefect });
if (!writer) throw new Error("the process that writes notices does not start");
const ended = (): void => {
  writer.end();
  process.disconnect();
};
const line = connection({ device: device.value, fd: fd.value, onDefect, ended });
const { take } = newSession(
  vfs,
  { ...line, notify: (frames, done) => writer.write(frames, done) },
  { clock: systemClock, ...options, onGreeting: () => process.send?.("up") },
);
line.start(take);

process.on("message", ({ act, name, notice }: Act) => {
  const { inode } = change(act, name);
  if (notice === "none") return void process.send?.("done");
  writer.write(frame(notice, name, inode), () => process.send?.("done"));
});

function change(act: Act["act"], name: string): { inode: number } {
  if (act === "rewrite") return { inode: vfs.replaceBytes(`/${name}`, "other bytes") };
  const found = vfs.lookup(ROOT, name) as { ok: boolean; value: Attributes };
  const me = { uid: 0, gid: 0, pid: 1 };
  if (act === "make") {
    const flags = { read: true, write: true, append: false, truncate: false, exclusive: true };
    const made = vfs.create(ROOT, name, 0o644, flags, me) as unknown as Made;
    void vfs.release(made.value.handle);
    return made.value.attributes;
  }
  void vfs.unlink(ROOT, name);
  return found.value;
}

/** INVAL_INODE is 2, INVAL_ENTRY 3, DELETE 6. */
function frame(notice: Act["notice"], name: string, inode: number): Buffer {
  const text = Buffer.from(`${name}\0`);
  const bodies = {
    none: Buffer.alloc(0),
    node: Buffer.concat([u64(inode), u64(0), u64(0)]),
    entry: Buffer.concat([u64(ROOT), u32(text.length - 1, 0), text]),
    delete: Buffer.concat([u64(ROOT), u64(inode), u32(text.length - 1, 0), text]),
  };
  const body = bodies[notice];
  const code = { none: 0, node: 2, entry: 3, delete: 6 }[notice];
  return Buffer.concat([u32(16 + body.length, code, 0, 0), body]);
}

function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, i * 4);
  return bytes;
}

function u64(value: number): Buffer {
  return u32(value % TWO_TO_32, Math.floor(value / TWO_TO_32));
}
