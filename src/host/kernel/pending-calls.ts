/**
 * Calls that wait for their answer. Kept for three reasons: an interrupted call is told so (its signal is aborted, or it is answered
 * with EINTR at once when nothing hangs on its outcome); notices about a node wait while a call on it does, because the kernel holds a
 * lock of that node until we answer; and the end of the mount ends them all.
 */
export interface PendingCall {
  readonly node: number;
  /** Aborted by an interrupt and by the end of the mount. */
  readonly abort: AbortController | undefined;
  /** Only looks: it can be answered with EINTR now, and its outcome thrown away. */
  readonly droppable: boolean;
  /** It was, so it has its answer. */
  dropped: boolean;
}

export interface PendingCalls {
  add(unique: number, call: Omit<PendingCall, "dropped">): PendingCall;
  finish(unique: number): void;
  get(unique: number): PendingCall | undefined;
  /** True while a call on the node waits. */
  on(node: number): boolean;
  abortAll(): void;
  readonly count: number;
}

/** `quiet` is called whenever the last call on a node was answered. */
export function pendingCalls(quiet: () => void): PendingCalls {
  const calls = new Map<number, PendingCall>();
  const perNode = new Map<number, number>();
  return {
    add(unique, { node, abort, droppable }) {
      const call = { node, abort, droppable, dropped: false };
      calls.set(unique, call);
      perNode.set(node, (perNode.get(node) ?? 0) + 1);
      return call;
    },
    finish(unique) {
      const call = calls.get(unique);
      if (!call) return;
      calls.delete(unique);
      const left = perNode.get(call.node)! - 1;
      if (left > 0) return void perNode.set(call.node, left);
      perNode.delete(call.node);
      quiet();
    },
    get: (unique) => calls.get(unique),
    on: (node) => perNode.has(node),
    abortAll() {
      for (const { abort } of calls.values()) abort?.abort();
    },
    get count() {
      return calls.size;
    },
  };
}
