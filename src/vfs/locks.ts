/**
 * Advisory locks of this machine: fcntl byte ranges and flock, in memory. Ranges of one owner merge, split and change kind as
 * fcntl(2) says; flock locks are whole files in a space of their own. Waiting requests are tried again, in the order they came,
 * whenever something is let go. A lock never outlives the process that serves the mount.
 */
import { ok } from "../base/result.ts";
import { fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import type { Answer, Lock, Reply } from "./vfs.ts";

export interface Locks {
  getlk(node: ItemKey, lock: Lock): Answer<Lock>;
  setlk(node: ItemKey, lock: Lock, wait: boolean, signal?: AbortSignal): Reply<undefined>;
  unlockAll(node: ItemKey, owner: Lock["owner"]): void;
}

interface Waiter {
  readonly lock: Lock;
  readonly granted: () => void;
}

export function makeLocks(): Locks {
  const held = new Map<ItemKey, Lock[]>();
  const waiting = new Map<ItemKey, Waiter[]>();

  const blocker = (node: ItemKey, lock: Lock): Lock | undefined => held.get(node)?.find((other) => clash(other, lock));
  const place = (node: ItemKey, lock: Lock): void => {
    const rest = (held.get(node) ?? []).flatMap((other) => without(other, lock));
    const next = lock.kind === "unlock" ? rest : merged(rest, lock);
    if (next.length > 0) held.set(node, next);
    else held.delete(node);
  };
  const retry = (node: ItemKey): void => {
    for (const waiter of waiting.get(node) ?? []) {
      if (blocker(node, waiter.lock)) continue;
      place(node, waiter.lock);
      waiter.granted();
    }
  };
  const wait = (node: ItemKey, lock: Lock, signal?: AbortSignal): Promise<Answer<undefined>> =>
    new Promise((resolve) => {
      const leave = (answer: Answer<undefined>): void => {
        signal?.removeEventListener("abort", abandon);
        const rest = (waiting.get(node) ?? []).filter((other) => other !== waiter);
        if (rest.length > 0) waiting.set(node, rest);
        else waiting.delete(node);
        resolve(answer);
      };
      const abandon = (): void => leave(fault("interrupted", "the wait for a lock was interrupted"));
      const waiter: Waiter = { lock, granted: () => leave(ok()) };
      if (signal?.aborted) return resolve(fault("interrupted", "the wait for a lock was interrupted"));
      waiting.set(node, [...(waiting.get(node) ?? []), waiter]);
      signal?.addEventListener("abort", abandon, { once: true });
    });

  return {
    getlk: (node, lock) => ok(blocker(node, lock) ?? { ...lock, kind: "unlock" }),
    setlk(node, lock, mayWait, signal) {
      if (lock.start < 0 || lock.end < lock.start) return fault("invalid", "not a range");
      if (blocker(node, lock))
        return mayWait ? wait(node, lock, signal) : fault("wouldBlock", "somebody else has a lock there");
      place(node, lock);
      retry(node);
      return ok();
    },
    unlockAll(node, owner) {
      const rest = (held.get(node) ?? []).filter((lock) => lock.owner !== owner);
      if (rest.length > 0) held.set(node, rest);
      else held.delete(node);
      retry(node);
    },
  };
}

function clash(a: Lock, b: Lock): boolean {
  if (b.kind === "unlock" || !!a.flock !== !!b.flock || a.owner === b.owner) return false;
  return (a.kind === "write" || b.kind === "write") && a.start <= b.end && b.start <= a.end;
}

/** What is left of `held` when its owner sets `lock`. */
function without(held: Lock, lock: Lock): Lock[] {
  if (held.owner !== lock.owner || !!held.flock !== !!lock.flock) return [held];
  if (held.end < lock.start || lock.end < held.start) return [held];
  const left: Lock[] = [];
  if (held.start < lock.start) left.push({ ...held, end: lock.start - 1 });
  if (held.end > lock.end) left.push({ ...held, start: lock.end + 1 });
  return left;
}

/** Adds a lock, joined with what it touches of the same owner and kind. */
function merged(locks: readonly Lock[], lock: Lock): Lock[] {
  let { start, end } = lock;
  const rest: Lock[] = [];
  for (const other of locks) {
    const mine = other.owner === lock.owner && !!other.flock === !!lock.flock && other.kind === lock.kind;
    if (mine && other.start <= end + 1 && start <= other.end + 1) {
      start = Math.min(start, other.start);
      end = Math.max(end, other.end);
    } else rest.push(other);
  }
  return [...rest, { ...lock, start, end }].sort((a, b) => a.start - b.start);
}
