/**
 * A small in-memory filesystem on the raw fuse-native API, for the probes: `probe-fs.ts PACKAGE_DIR MOUNTPOINT`. It runs on the
 * stock package and on the patched one (their callbacks differ in number of arguments, not in place of the callback), records
 * what reaches JavaScript, and answers questions over IPC. It judges nothing: run.ts does.
 */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";

type Callback = (error: number, ...values: unknown[]) => void;
type Op = (...args: unknown[]) => void;
interface Node {
  ino: number;
  mode: number;
  data: Buffer;
  atime: unknown;
  mtime: unknown;
}

const [packageDir, mountpoint] = process.argv.slice(2) as [string, string];
const require = createRequire(import.meta.url);
const Fuse = require(packageDir);
const ENOENT = -2;
const INODE_BASE = 2 ** 40;
const PRECISE = { s: 981_173_106, n: 123_456_789 };

let made = 0;
const nodes = new Map<string, Node>([["/", newNode(0o040755)]]);
const handles = new Map<number, Node>();
const seen = { utimens: [] as unknown[], writeMax: 0, createArgs: 0, createFlags: 0, opcodes: [] as unknown[] };
let opened = 0;
let grows = 3;
let leftover: ReturnType<typeof spawn> | undefined;

function newNode(mode: number): Node {
  made++;
  return { ino: INODE_BASE + made, mode, data: Buffer.alloc(0), atime: new Date(0), mtime: new Date(0) };
}

function stat(node: Node): object {
  const times = Fuse.mountOneDrivePatch ? [node.atime, node.mtime] : [node.atime, node.mtime].map(milliseconds);
  const [atime, mtime] = times;
  return { ino: node.ino, mode: node.mode, size: node.data.length, nlink: 1, atime, mtime, ctime: mtime };
}

/** What the stock package can take. */
function milliseconds(time: unknown): unknown {
  const t = time as { s?: number; n?: number };
  return typeof t?.s === "number" ? t.s * 1000 + Math.floor((t.n ?? 0) / 1e6) : time;
}

/** An operation: its arguments without the callback, which the two packages put at different places. */
function op(act: (args: unknown[], reply: Callback) => void): Op {
  return (...args) => {
    const at = args.findIndex((value) => typeof value === "function");
    const reply = args[at] as Callback;
    act(args.slice(0, at), reply);
  };
}

function onNode(act: (node: Node, args: unknown[]) => unknown[]): Op {
  return op((args, reply) => {
    const node = nodes.get(args[0] as string);
    if (!node) return reply(ENOENT);
    reply(0, ...act(node, args));
  });
}

function open(node: Node): number {
  handles.set(++opened, node);
  return opened;
}

const ops: Record<string, Op> = {
  getattr: op(([path], reply) => {
    if (Fuse.mountOneDrivePatch) seen.opcodes.push([fuse.context.opcode, path]);
    const node = nodes.get(path as string);
    const answer = (): void => (node ? reply(0, stat(node)) : reply(ENOENT));
    if (String(path).includes("slow")) setTimeout(answer, 200);
    else if (!String(path).includes("never")) answer();
  }),
  fgetattr: op(([, fd], reply) => {
    const node = handles.get(fd as number);
    return node ? reply(0, stat(node)) : reply(-9);
  }),
  readdir: op((_args, reply) => {
    const names = [...nodes.keys()].filter((path) => path !== "/");
    reply(
      0,
      names.map((path) => path.slice(1)),
      names.map((path) => stat(nodes.get(path) as Node)),
    );
  }),
  create: op((args, reply) => {
    const node = newNode((args[1] as number) | 0o100000);
    nodes.set(args[0] as string, node);
    seen.createArgs = args.length;
    seen.createFlags = Number(args[2] ?? 0);
    reply(0, open(node));
  }),
  open: onNode((node) => [open(node)]),
  read: op(([, fd, buffer, length, position], reply) => {
    const part = (handles.get(fd as number) as Node).data.subarray(
      position as number,
      Number(position) + Number(length),
    );
    part.copy(buffer as Buffer);
    reply(part.length);
  }),
  write: op(([, fd, buffer, length, position], reply) => {
    const node = handles.get(fd as number) as Node;
    const end = Number(position) + Number(length);
    seen.writeMax = Math.max(seen.writeMax, length as number);
    if (end > node.data.length) node.data = Buffer.concat([node.data, Buffer.alloc(end - node.data.length)]);
    (buffer as Buffer).copy(node.data, position as number);
    reply(length as number);
  }),
  release: op(([, fd], reply) => {
    handles.delete(fd as number);
    reply(0);
  }),
  flush: op((_args, reply) => reply(0)),
  truncate: onNode((node, [, size]) => {
    node.data = Buffer.from(node.data.subarray(0, size as number));
    return [];
  }),
  utimens: onNode((node, [, atime, mtime]) => {
    seen.utimens.push([atime, mtime]);
    const [before, after] = [atime, mtime].map((time) => ({ set: isSet(time), time }));
    if (before?.set) node.atime = before.time;
    if (after?.set) node.mtime = after.time;
    return [];
  }),
  chmod: onNode((node, [, mode]) => {
    node.mode = (node.mode & 0o170000) | ((mode as number) & 0o7777);
    return [];
  }),
  unlink: op(([path], reply) => reply(nodes.delete(path as string) ? 0 : ENOENT)),
  rename: op(([from, to], reply) => {
    if (Fuse.mountOneDrivePatch) seen.opcodes.push([fuse.context.opcode, from, to]);
    const node = nodes.get(from as string);
    if (!node) return reply(ENOENT);
    nodes.delete(from as string);
    nodes.set(to as string, node);
    reply(0);
  }),
  getxattr: op(([, name], reply) => {
    if (name !== "user.grows") return reply(-61);
    reply(0, Buffer.alloc((grows += 3000), 0x61)); // always more than the caller has just made room for
  }),
  statfs: op((_args, reply) => reply(0, { bsize: 4096, frsize: 4096, blocks: 2 ** 33, bfree: 2 ** 33, namemax: 255 })),
  gone: () => {
    process.send?.({ gone: true });
    setTimeout(() => process.disconnect?.(), 20);
  },
};

function isSet(time: unknown): boolean {
  return (time as { n?: number })?.n !== Fuse.UTIME_OMIT;
}

process.on("message", (question: string) => {
  if (question === "precise") Object.assign(nodes.get("/precise") ?? {}, { atime: PRECISE, mtime: PRECISE });
  if (question === "exit") process.exit(7);
  if (question === "child") leftover = spawn("sleep", ["5"], { stdio: "ignore", detached: true });
  const report = process.report.getReport() as unknown as { libuv: { type: string }[] };
  const asyncHandles = report.libuv.filter((handle) => handle.type === "async").length;
  process.send?.({ ...seen, names: [...nodes.keys()], asyncHandles, child: leftover?.pid });
});

const options = ["use_ino", "big_writes", "attr_timeout=0", "entry_timeout=0"];
const fuse = new Fuse(mountpoint, ops, { options, timeout: false });
fuse.mount((error: Error | null) => process.send?.({ mounted: !error, error: error?.message }));
