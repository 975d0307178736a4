/**
 * The kernel's side of the protocol for tests: builds requests, and keeps the answers that a session gives. What is checked of every
 * answer: it is to a request that waits for one, it comes once, and its header is true.
 */
import assert from "node:assert/strict";
import type { Clock } from "../../../src/base/clock.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { room, type Room } from "../../../src/host/kernel/frame.ts";
import { newSession } from "../../../src/host/kernel/new-session.ts";
import type { Session } from "../../../src/host/kernel/session.ts";
import { opcode } from "../../../src/host/kernel/wire.ts";
import type { Vfs } from "../../../src/vfs/vfs.ts";

export const NEVER_ANSWERED: ReadonlySet<number> = new Set([opcode.forget, opcode.batchForget, opcode.interrupt]);

export interface Reply {
  readonly error: number;
  readonly body: Buffer;
}

export interface WireTalk {
  readonly session: Session;
  readonly defects: unknown[];
  readonly notices: Buffer[];
  /** Requests without an answer so far. */
  readonly open: ReadonlySet<number>;
  /** How many answers came. */
  readonly answered: number;
  /** Sends a whole request. Its answer, when it came in the same turn. */
  ask(code: number, node: number, ...body: readonly Uint8Array[]): Reply | undefined;
  /** The answer to the request sent last, or to `unique`. */
  reply(unique?: number): Reply | undefined;
  /** Sends bytes as they are. `answerable`: whether an answer must come. */
  raw(frame: Uint8Array, answerable: boolean): void;
  readonly lastUnique: number;
  /** The kernel does not take answers from now on. */
  deaf: boolean;
}

export function wireTalk(vfs: Vfs, options: { readonly clock?: Clock; readonly timeoutMs?: number } = {}): WireTalk {
  const { clock = systemClock, timeoutMs = 3_600_000 } = options;
  const open = new Set<number>();
  const replies = new Map<number, Reply>();
  const defects: unknown[] = [];
  const notices: Buffer[] = [];
  let current = room(2 ** 20 + 4096);
  const spare: Room[] = [];
  let last = 0;
  let answered = 0;
  const talk = newSession(
    vfs,
    {
      send(head, length, payload) {
        if (state.deaf) return false;
        const frame = Buffer.concat([head.subarray(0, length), payload ?? new Uint8Array(0)]);
        const unique = Number(frame.readBigUInt64LE(8));
        const error = frame.readInt32LE(4);
        assert.equal(frame.readUInt32LE(0), frame.length, "the header tells the length");
        assert.ok(error <= 0 && error > -4096, `an errno, not ${error}`);
        assert.ok(error === 0 || frame.length === 16, "an error has no body");
        assert.ok(open.delete(unique), `request ${unique} waits for an answer`);
        replies.set(unique, { error: Math.abs(error), body: frame.subarray(16) });
        if (replies.size > 1000) for (const [oldest] of replies) if (replies.delete(oldest)) break;
        answered++;
        return true;
      },
      notify(frames, done) {
        notices.push(Buffer.from(frames));
        setImmediate(done);
      },
      keepRoom() {
        const kept = current;
        current = spare.pop() ?? room(2 ** 20 + 4096);
        return kept;
      },
      giveBack: (given) => void spare.push(given),
    },
    {
      clock,
      attrTimeoutMs: timeoutMs,
      entryTimeoutMs: timeoutMs,
      onDefect: (error) => void defects.push(error),
      onGreeting: () => undefined,
    },
  );
  const state: WireTalk = {
    session: talk.session,
    defects,
    notices,
    open,
    get answered() {
      return answered;
    },
    get lastUnique() {
      return last;
    },
    deaf: false,
    ask(code, node, ...body) {
      const unique = (last += 2);
      state.raw(request(code, unique, node, ...body), !NEVER_ANSWERED.has(code));
      return replies.get(unique);
    },
    reply: (unique = last) => replies.get(unique),
    raw(frame, answerable) {
      if (answerable) {
        last = Number(Buffer.from(frame).readBigUInt64LE(8));
        open.add(last);
      }
      current.bytes.set(frame.subarray(0, current.bytes.length));
      talk.take(current, frame.length);
    },
  };
  return state;
}

/** Version and offered flags as Linux 6 sends them. */
export function greet(talk: WireTalk): Reply | undefined {
  return talk.ask(opcode.init, 0, u32(7, 45, 1024 ** 2, 0xffff_ffff));
}

export function request(code: number, unique: number, node: number, ...body: readonly Uint8Array[]): Buffer {
  const rest = Buffer.concat(body);
  const head = Buffer.alloc(40);
  head.writeUInt32LE(40 + rest.length, 0);
  head.writeUInt32LE(code, 4);
  head.writeBigUInt64LE(BigInt(unique), 8);
  head.writeBigUInt64LE(BigInt(node), 16);
  head.writeUInt32LE(1000, 24);
  head.writeUInt32LE(1000, 28);
  head.writeUInt32LE(4242, 32);
  return Buffer.concat([head, rest]);
}

export function u32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, i * 4);
  return bytes;
}

export function u64(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  for (const [i, value] of values.entries()) bytes.writeBigInt64LE(BigInt(value), i * 8);
  return bytes;
}

export const text = (name: string): Buffer => Buffer.from(`${name}\0`);
