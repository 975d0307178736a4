/**
 * A vfs with everything it needs and nothing more: a store in memory, content in memory, a clock that is moved by hand, and a cloud
 * that is only Mirror rows. `kill` is the next process on the same disk. `check` is what must hold whenever nothing is open.
 */
import assert from "node:assert/strict";
import { manualClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Result } from "../../src/base/result.ts";
import { fault, type Fault } from "../../src/model/fault.ts";
import { cTag, eTag, itemId, itemKey, ROOT, type BlobId, type HandleId, type ItemKey } from "../../src/model/ids.ts";
import type { MirrorItem } from "../../src/model/item.ts";
import { DEFAULT_LOCAL_ONLY_NAMES, fold } from "../../src/model/name.ts";
import type { Op } from "../../src/op/op.ts";
import { quickXorHash } from "../../src/content/quick-xor.ts";
import { memoryStore, type MemoryStore } from "../../src/store/memory-store.ts";
import { changeTrees, localAt, localChildren, newNode, viewLocal, type LocalView } from "../../src/store/tree.ts";
import { createVfs, type VfsControl, type VfsEvent, type VfsOptions } from "../../src/vfs/create-vfs.ts";
import type { Attributes, Caller, Reply, Vfs } from "../../src/vfs/vfs.ts";
import { origin } from "../contract/content-origin.ts";
import { fakeContent, fakeDisk, type FakeContent } from "../support/fake-content.ts";

export const me: Caller = { uid: 1000, gid: 1000, pid: 42 };

export interface WorldOptions extends Partial<
  Pick<
    VfsOptions,
    "readOnly" | "umask" | "umaskOfNew" | "uidOfNew" | "gidOfNew" | "localOnlyNames" | "writeBackMs" | "asker" | "asks"
  >
> {
  readonly seed?: string;
  /** False: folders are unknown until listed. */
  readonly enumerated?: boolean;
}

export class World {
  readonly clock = manualClock();
  readonly events: VfsEvent[] = [];
  readonly listed: ItemKey[] = [];
  /** What listing a folder does; throws away the default to fail or to bring items. */
  list: (folder: ItemKey) => Promise<Result<undefined, Fault>> = async () => fault("offline", "no network");
  store: MemoryStore = memoryStore();
  content!: FakeContent;
  vfs!: Vfs & VfsControl;
  readonly cloud = origin();
  readonly #disk = fakeDisk();
  readonly #options: WorldOptions;
  #versions = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.store.transact((tx) => {
      const root = {
        id: itemId("root"),
        parent: ROOT,
        name: "root",
        kind: "folder",
        size: 0,
        mtime: 0,
        birth: 0,
      } as const;
      changeTrees(tx, new Map([[ROOT, { mirror: root }]]));
      if (options.enumerated !== false) tx.meta.put("enumerated", true);
    });
    this.#start();
  }

  #start(): void {
    const {
      seed,
      readOnly = false,
      umask = 0o022,
      umaskOfNew = 0,
      uidOfNew,
      gidOfNew,
      localOnlyNames = DEFAULT_LOCAL_ONLY_NAMES,
      writeBackMs = 3000,
      asker,
      asks,
    } = this.#options;
    this.content = fakeContent({
      store: this.store,
      drive: this.cloud,
      dirtied: (event) => this.vfs.dirtied(event),
      disk: this.#disk,
      ...(seed === undefined ? {} : { random: seededRandom(seed) }),
    });
    const quiet = { fault: () => undefined, trace: () => undefined };
    this.vfs = createVfs({
      store: this.store,
      content: this.content,
      clock: this.clock,
      log: quiet,
      uid: me.uid,
      gid: me.gid,
      umask,
      umaskOfNew,
      ...(uidOfNew === undefined ? {} : { uidOfNew }),
      ...(gidOfNew === undefined ? {} : { gidOfNew }),
      localOnlyNames,
      readOnly,
      writeBackMs,
      ...(asker && { asker }),
      ...(asks && { asks }),
      list: (folder) => {
        this.listed.push(folder);
        return this.list(folder);
      },
      changed: (event) => void this.events.push(event),
    });
  }

  /** kill -9 and the next start. */
  kill(): void {
    this.vfs.stopAccepting();
    this.store = this.store.kill();
    this.#start();
  }

  // ---- the cloud's side -----------------------------------------------------------------------------------------------------

  /** An item of the cloud, as the puller would have brought it. `text` undefined: a folder. */
  inCloud(name: string, text?: string, more: Partial<MirrorItem> & { readonly here?: boolean } = {}): ItemKey {
    const { here = true, ...rest } = more;
    const bytes = Buffer.from(text ?? "");
    const version = `c${++this.#versions}`;
    const node = this.store.transact((tx) => {
      const node = newNode(tx);
      const mirror: MirrorItem = {
        id: itemId(`id-${node}`),
        parent: ROOT,
        name,
        kind: text === undefined ? "folder" : "file",
        size: bytes.length,
        mtime: 1_000_000_000,
        birth: 900_000_000,
        eTag: eTag(`e${version}`),
        ...(text === undefined ? {} : { cTag: cTag(version), hash: quickXorHash(bytes) }),
        ...rest,
      };
      changeTrees(tx, new Map([[node, { mirror }]]));
      return node;
    });
    if (text !== undefined) {
      this.cloud.put(itemId(`id-${node}`), version, bytes);
      if (here) this.cache(node, bytes);
    }
    return node;
  }

  cache(node: ItemKey, bytes: Uint8Array): void {
    const version = this.store.read.mirror.get(node)!.cTag!;
    this.#disk.clean.set(node, { version, bytes });
    const size = bytes.length;
    this.store.transact((tx) =>
      tx.cached.put(node, { version, size, ranges: size ? [0, size] : [], durable: true, usedAt: 0 }),
    );
  }

  /** A request for the node is under way: an upload when there is something to upload. */
  sending(node: ItemKey, on = true): void {
    const upload = this.ops(node).some((op) => op.type === "writeContent");
    this.store.transact((tx) => {
      for (const [seq, record] of tx.ops.range())
        if (record.op.node === node && (!upload || record.op.type === "writeContent"))
          tx.ops.put(seq, { ...record, status: { state: on ? "inflight" : "pending" } });
    });
  }

  /** The upload of `blob` was answered: the cloud has a new version of the node. What apply, content and the flusher then do. */
  async acknowledge(node: ItemKey, blob: BlobId): Promise<void> {
    const version = `c${++this.#versions}`;
    const bytes = this.#disk.blobs.get(blob)!.bytes;
    this.cloud.put(this.store.read.mirror.get(node)!.id, version, bytes);
    this.store.transact((tx) => {
      const size = bytes.length;
      const view = viewLocal(tx, node);
      const mirror = {
        ...tx.mirror.get(node)!,
        cTag: cTag(version),
        eTag: eTag(`e${version}`),
        size,
        mtime: view?.mtime ?? 7,
      };
      const done = view?.content.from === "blob" && view.content.blob === blob;
      const row = view && {
        kind: view.kind,
        parent: view.parent,
        name: view.name,
        mtime: view.mtime,
        content: view.content,
      };
      const local = !row ? null : done ? { ...row, content: { from: "cloud" } as const } : row;
      changeTrees(tx, new Map([[node, { mirror, local }]]));
      for (const [seq, record] of Array.from(tx.ops.range()))
        if (record.op.node === node && record.status.state === "inflight") {
          tx.ops.remove(seq);
          tx.nodeOps.remove([node, seq]);
        }
    });
    this.vfs.reunite(node);
    await this.content.adopt(blob, node, version, true);
  }

  // ---- the person's side ------------------------------------------------------------------------------------------------------

  /** The value of a reply; a fault fails the test. */
  async do<T>(reply: Reply<T>): Promise<T> {
    const answer = await reply;
    assert.ok(answer.ok, answer.ok ? "" : `${answer.fault.kind}: ${answer.fault.why}`);
    return answer.value;
  }

  /** The kind of fault, or "ok". */
  async kind(reply: Reply<unknown>): Promise<string> {
    const answer = await reply;
    return answer.ok ? "ok" : answer.fault.kind;
  }

  at(name: string, parent: ItemKey = ROOT): ItemKey {
    const node = localAt(this.store.read, parent, fold(name));
    assert.ok(node !== undefined, `${name} is there`);
    return node;
  }

  async make(name: string, text = "", options: { mode?: number; parent?: ItemKey } = {}): Promise<ItemKey> {
    const flags = { read: true, write: true, append: false, truncate: true, exclusive: false };
    const parent = options.parent ?? ROOT;
    const { handle, attributes } = await this.do(this.vfs.create(parent, name, options.mode ?? 0o644, flags, me));
    if (text) await this.do(this.vfs.write(handle, 0, Buffer.from(text)));
    await this.close(handle);
    return attributes.inode;
  }

  open(node: ItemKey, how: "r" | "r+" | "w" | "a" = "r+"): Promise<HandleId> {
    const flags = { read: how !== "w" && how !== "a", write: how !== "r", append: how === "a", truncate: how === "w" };
    return this.do(this.vfs.open(node, flags, me));
  }

  async close(handle: HandleId): Promise<void> {
    await this.do(this.vfs.flush(handle));
    await this.do(this.vfs.release(handle));
  }

  async read(node: ItemKey): Promise<string> {
    const handle = await this.open(node, "r");
    const bytes = await this.do(this.vfs.read(handle, 0, 1_000_000));
    await this.close(handle);
    return Buffer.from(bytes).toString();
  }

  async stat(node: ItemKey): Promise<Attributes> {
    return this.do(this.vfs.getattr(node));
  }

  rename(from: string, to: string, how: "replace" | "noReplace" | "exchange" = "replace"): Promise<undefined> {
    return this.do(this.vfs.rename({ parent: ROOT, name: from }, { parent: ROOT, name: to }, how));
  }

  unlink(name: string): Promise<undefined> {
    return this.do(this.vfs.unlink(ROOT, name));
  }

  async ls(folder: ItemKey = ROOT): Promise<string[]> {
    return (await this.do(this.vfs.readdir(folder, undefined, 1000))).map((entry) => entry.name).sort();
  }

  async xattr(node: ItemKey, name: string): Promise<string> {
    const answer = this.vfs.getxattr(node, name);
    return answer.ok ? Buffer.from(answer.value).toString() : answer.fault.kind;
  }

  // ---- looking inside ---------------------------------------------------------------------------------------------------------

  view(node: ItemKey): LocalView | undefined {
    return viewLocal(this.store.read, node);
  }

  ops(node?: ItemKey): Op[] {
    const all = [...this.store.read.ops.range()].map(([, record]) => record.op);
    return node === undefined ? all : all.filter((op) => op.node === node);
  }

  opTypes(node?: ItemKey): string[] {
    return this.ops(node).map((op) => op.type);
  }

  /** Lets waiting microtasks and timers due within `ms` run. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  }

  /** Closes nothing, asserts: the log stands for Local, every named blob is here, nothing else is. */
  async check(): Promise<void> {
    assert.equal(this.vfs.openHandles(), 0, "every handle was closed");
    await this.pass(60_000);
    const { read } = this.store;
    const named = new Set<BlobId>();
    for (const [node, row] of read.local.range()) {
      if ("gone" in row) {
        assert.ok(read.mirror.get(node), `gone node ${node} is known to the cloud`);
        continue;
      }
      assert.ok(
        !(row.content.from === "cloud" && row.kind === "file" && !read.mirror.get(node)),
        `node ${node} has bytes`,
      );
      if (row.content.from !== "blob") continue;
      named.add(row.content.blob);
      assert.equal(read.blobs.get(row.content.blob)?.node, node, `the row of blob ${row.content.blob} names its node`);
      const bytes = this.#disk.blobs.get(row.content.blob)?.bytes;
      assert.equal(bytes?.length, row.content.size, `the recorded length of node ${node}`);
    }
    for (const [blob] of read.blobs.range()) assert.ok(named.has(blob), `blob row ${blob} is of use`);
    for (const [node] of read.facts.range())
      assert.ok(read.mirror.get(node) ?? read.local.get(node), `facts of ${node} are of use`);
    const logged = new Set([...read.ops.range()].map(([, record]) => record.op.node));
    for (const [node] of read.local.range())
      assert.ok(logged.has(node), `node ${node} differs, so the log speaks of it`);
    for (const node of logged) assert.ok(read.local.get(node), `the log speaks of ${node}, so it differs`);
    for (const [[, seq]] of read.nodeOps.range())
      assert.ok(read.ops.get(seq as never), "the index of the log is exact");
    this.#checkTree(ROOT);
  }

  #checkTree(folder: ItemKey): void {
    for (const node of localChildren(this.store.read, folder)) {
      const view = this.view(node);
      assert.equal(view?.parent, folder);
      assert.equal(localAt(this.store.read, folder, fold(view.name)), node);
      if (view.kind === "folder") this.#checkTree(node);
    }
  }
}

export const nobody = itemKey(999_999);
