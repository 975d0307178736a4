/** What the daemon does for each call of onedrivectl: reads the store for reports, asks the acting parts for acts. */
import { join } from "node:path";
import type { Apply } from "../apply/apply.ts";
import { sleep, type Clock } from "../base/clock.ts";
import { ok, type Result } from "../base/result.ts";
import type { Content } from "../content/content.ts";
import { isPinned } from "../content/evict.ts";
import { FOUND_FOLDER } from "../content/found.ts";
import type {
  Calls,
  ConflictReport,
  DownloadReport,
  Handlers,
  InfoReport,
  OpReport,
  StatusReport,
} from "../control/control.ts";
import type { Quota } from "../drive/drive.ts";
import type { Flusher } from "../flusher/flusher.ts";
import type { Config } from "../model/config.ts";
import { fault, type Fault } from "../model/fault.ts";
import { opId, type ItemKey } from "../model/ids.ts";
import { SYNC_ROUNDS_MAX } from "../model/limits.ts";
import type { OpRecord } from "../op/op.ts";
import type { Puller } from "../puller/puller.ts";
import { isLocalOnly } from "../store/local-only.ts";
import { StoreFull, type Store } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import type { VfsControl } from "../vfs/create-vfs.ts";
import type { Reply, Vfs } from "../vfs/vfs.ts";
import { checks } from "./checks.ts";
import type { Downloads } from "./downloads.ts";
import type { KeptFound } from "./keep-found.ts";
import { mermaid } from "./mermaid.ts";
import { nodeAt, pathOf } from "./paths.ts";
import { filesBelow, missingBytes } from "./pins.ts";
import { resolveConflict } from "./resolve.ts";

export interface CommandParts {
  readonly config: Config;
  readonly store: Store;
  readonly content: Content;
  readonly vfs: Vfs & VfsControl;
  readonly apply: Apply;
  readonly flusher: Flusher;
  readonly puller: Puller;
  readonly clock: Clock;
  readonly found: KeptFound;
  readonly downloads: Pick<Downloads, "list">;
  /** Sentences about files of the store that are damaged. */
  verifyStore(): Promise<readonly string[]>;
  isSignedIn(): boolean;
  /** Resolves when the kernel has heard of every change made until now: what is answered is true for who looks afterwards. */
  told(): Promise<void>;
  /** What stat shows of the node has changed without a call of the kernel. */
  restat(node: ItemKey): void;
}

const PIN = "user.onedrive.pin";
const WAIT_STEP_MS = 100;

export function commands(parts: CommandParts): Handlers {
  const all: Handlers = { ...reports(parts), ...pushes(parts), ...keeping(parts), ...checks(parts) };
  return Object.fromEntries(
    Object.entries(all).map(([call, handle]) => [call, unlessFull(handle as Handle)]),
  ) as Handlers;
}

type Handle = (...takes: unknown[]) => Promise<Result<unknown, Fault>>;

/** What a command cannot record on a full disk it did not do. */
function unlessFull(handle: Handle): Handle {
  return async (...takes) => {
    try {
      return await handle(...takes);
    } catch (error) {
      if (error instanceof StoreFull) return fault("noSpace", "the disk of the state folder is full");
      throw error;
    }
  };
}

type Some<C extends keyof Handlers> = Pick<Handlers, C>;

function find({ store, config }: CommandParts, path: string): Result<ItemKey, Fault> {
  const node = nodeAt(store.read, config.mountpoint, path);
  return node === undefined ? fault("notFound", `${path}: nothing is there`) : ok(node);
}

type Reports = "status" | "wait" | "ops" | "graph" | "conflicts" | "downloads" | "info";

function reports(parts: CommandParts): Some<Reports> {
  const { store } = parts;
  return {
    status: async () => ok(await statusOf(parts)),
    wait: (takes, signal) => waitUntilPushed(parts, takes.timeoutSeconds, signal),
    ops: async () => ok({ ops: waitingOps(parts).map((record) => opReport(parts, record)) }),
    graph: async () => {
      const script = parts.apply.plan();
      return script.ok ? ok({ mermaid: mermaid(script.value, (node) => pathOf(store.read, "", node)) }) : script;
    },
    conflicts: async () => ok({ conflicts: conflictReports(parts) }),
    downloads: async ({ below }) => ok({ downloads: downloadsBelow(parts, below) }),
    async info({ path }) {
      const node = find(parts, path);
      return node.ok ? ok(infoOf(parts, node.value)) : node;
    },
  };
}

type Pushes = "sync" | "retry" | "cancel" | "undo" | "undoHeld" | "release" | "resolve";

function pushes(parts: CommandParts): Some<Pushes> {
  const { store, vfs, flusher, puller, told } = parts;
  return {
    async sync(_takes, signal) {
      const pulled = await puller.sync();
      let settled = await vfs.settle();
      // What the merge wrote to the log meanwhile (the rest of a swap) has a settle window of its own.
      for (let round = 0; round < SYNC_ROUNDS_MAX; round++) {
        const { settling } = await flusher.sync(signal);
        if (settling === 0 || signal?.aborted || !settled.ok) break;
        settled = await vfs.settle();
      }
      await told();
      if (!pulled.ok) return pulled;
      return settled.ok ? ok(await statusOf(parts)) : settled;
    },
    retry: async ({ op }) => named(op, flusher.retry(opId(op))),
    async cancel({ op }) {
      const done = await flusher.cancel(opId(op));
      await told();
      return named(op, done);
    },
    async undo({ op }) {
      const done = await flusher.undo(opId(op));
      await told();
      return named(op, done);
    },
    async undoHeld() {
      const undone = flusher.undoHeld();
      await told();
      return undone.ok ? ok({ restored: undone.value }) : undone;
    },
    release: async () => ok({ released: flusher.releaseHeld() }),
    async resolve({ path, keep }) {
      const node = find(parts, path);
      if (!node.ok) return node;
      const done = await resolveConflict({ store, vfs, node: node.value, keep });
      await told();
      return done.ok ? ok({ path }) : done;
    },
  };
}

type Keeping = "pin" | "unpin" | "free";

function keeping(parts: CommandParts): Some<Keeping> {
  const { store, content, vfs } = parts;
  const setPin = (node: ItemKey, value: "0" | "1"): Reply<undefined> =>
    vfs.setxattr(node, PIN, new TextEncoder().encode(value), "any");
  return {
    async pin({ path }) {
      const node = find(parts, path);
      if (!node.ok) return node;
      const neededBytes = missingBytes(store.read, content, node.value);
      const freeBytes = (await content.use()).diskFreeBytes;
      if (neededBytes > Math.max(0, freeBytes - parts.config.cacheFreeBytes))
        return fault("noSpace", `it needs ${neededBytes} bytes, of ${freeBytes} free ones some have to stay free`);
      const set = await setPin(node.value, "1");
      return set.ok ? ok({ neededBytes, freeBytes }) : set;
    },
    async unpin({ path }) {
      const node = find(parts, path);
      if (!node.ok) return node;
      const removed = await vfs.removexattr(node.value, PIN);
      if (!removed.ok && removed.fault.kind !== "noAttribute") return removed;
      if (!isPinned(store.read, node.value)) return ok({ path });
      const set = await setPin(node.value, "0");
      return set.ok ? ok({ path }) : set;
    },
    async free({ path }) {
      const node = find(parts, path);
      if (!node.ok) return node;
      if (isPinned(store.read, node.value)) return fault("notPermitted", `${path} is pinned: unpin it first`);
      let [freedBytes, pinned] = [0, 0];
      for (const file of Array.from(filesBelow(store.read, node.value))) {
        if (isPinned(store.read, file)) {
          pinned++;
          continue;
        }
        freedBytes += await content.free(file);
        parts.restat(file);
      }
      await parts.told();
      return ok({ freedBytes, pinned });
    },
  };
}

function named(op: number, done: Result<undefined, Fault>): Result<{ op: number }, Fault> {
  return done.ok ? ok({ op }) : done;
}

async function statusOf(parts: CommandParts): Promise<StatusReport> {
  const { config, store, flusher, puller, content, clock } = parts;
  const pushing = flusher.status();
  const pulling = puller.status();
  const use = await content.use();
  return {
    account: config.account,
    mountpoint: config.mountpoint,
    pid: process.pid,
    online: pulling.online === true,
    signedIn: parts.isSignedIn(),
    cursorAgeSeconds: pulling.polledAt === undefined ? null : Math.max(0, (clock.now() - pulling.polledAt) / 1000),
    enumerated: pulling.enumerated,
    items: store.read.mirror.count,
    pending: pushing.pending,
    uploading: pushing.uploading.length,
    parked: pushing.parked,
    held: pushing.held,
    conflicts: store.read.conflicts.count,
    found: parts.found.left.length,
    reasons: [...reasonsOf(parts), ...use.notes],
    cache: {
      cleanBytes: use.cleanBytes,
      unpushedBytes: use.unpushedBytes,
      limitBytes: config.cacheSizeBytes,
      diskFreeBytes: use.diskFreeBytes,
    },
    quota: (store.read.meta.get("quota") as Quota | undefined) ?? null,
  };
}

function reasonsOf({ config, flusher, puller, found, isSignedIn }: CommandParts): readonly string[] {
  const reasons = flusher.status().waiting.map(({ reason, count }) => (count === 1 ? reason : `${reason} (${count})`));
  const { lastFault } = puller.status();
  if (!isSignedIn()) reasons.unshift("signed out: run onedrivectl login");
  else if (lastFault) reasons.unshift(lastFault.why);
  if (found.left.length > 0)
    reasons.push(
      `unpushed files that belong nowhere known are kept in ${join(config.stateDir, FOUND_FOLDER)} (${found.left.length})`,
    );
  return reasons;
}

async function waitUntilPushed(
  parts: CommandParts,
  timeoutSeconds: number | null,
  signal: AbortSignal,
): Promise<Result<Calls["wait"]["gives"], Fault>> {
  const deadline = timeoutSeconds === null ? Infinity : parts.clock.now() + timeoutSeconds * 1000;
  for (;;) {
    const { pending, parked, held } = parts.flusher.status();
    if (pending === 0) return ok({ outcome: parked + held > 0 ? "stuck" : "done", status: await statusOf(parts) });
    if (parts.clock.now() >= deadline || signal.aborted)
      return ok({ outcome: "timeout", status: await statusOf(parts) });
    await sleep(parts.clock, WAIT_STEP_MS, signal);
  }
}

/** What is on its way to the cloud; what never leaves this machine is not. */
function waitingOps({ store, config }: CommandParts): OpRecord[] {
  const records = [...store.read.ops.range()].map(([, record]) => record);
  return records.filter(({ op }) => !isLocalOnly(store.read, op.node, config.localOnlyNames));
}

function opReport({ store, config }: CommandParts, record: OpRecord): OpReport {
  const { status } = record;
  const reason = "reason" in status ? status.reason : (record.lastFault ?? null);
  const path = pathOf(store.read, config.mountpoint, record.op.node);
  return {
    id: record.seq,
    type: record.op.type,
    path,
    state: status.state,
    reason,
    at: record.at,
    tries: record.tries,
  };
}

function conflictReports({ store, config }: CommandParts): readonly ConflictReport[] {
  return [...store.read.conflicts.range()]
    .filter(([node]) => viewLocal(store.read, node))
    .map(([node, row]) => ({
      path: pathOf(store.read, config.mountpoint, node),
      of: pathOf(store.read, config.mountpoint, row.of),
      why: row.why,
      at: row.at,
    }));
}

function downloadsBelow({ downloads }: CommandParts, below: string): readonly DownloadReport[] {
  const inside = below === "/" ? "/" : `${below}/`;
  return downloads.list().filter(({ path }) => path === below || path.startsWith(inside));
}

function infoOf(parts: CommandParts, node: ItemKey): InfoReport {
  const { store, vfs, config } = parts;
  const view = viewLocal(store.read, node)!;
  const attribute = (name: string): string | null => {
    const value = vfs.getxattr(node, `user.onedrive.${name}`);
    return value.ok ? new TextDecoder().decode(value.value) : null;
  };
  const mine = waitingOps(parts).filter(({ op }) => op.node === node);
  return {
    path: pathOf(store.read, config.mountpoint, node),
    inode: node,
    kind: view.kind,
    size: view.size,
    state: attribute("state") ?? "cached",
    pinned: isPinned(store.read, node),
    id: view.mirror?.id ?? null,
    eTag: view.mirror?.eTag ?? null,
    cTag: view.mirror?.cTag ?? null,
    hash: view.mirror?.hash ?? null,
    webUrl: view.mirror?.webUrl ?? null,
    pending: mine.map((record) => opReport(parts, record)),
    error: attribute("error"),
    downloads: parts.downloads.list(node),
  };
}
