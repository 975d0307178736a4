/**
 * A device of a few functions, synchronous, for the apply tests: acts of a person straight into the trees and the log, a puller that
 * repairs by reading ids, a flusher that sends one step at a time and may lose answers, die, and be asked again.
 */
import assert from "node:assert/strict";
import { isApart } from "../../src/apply/apart.ts";
import type { Applied, Apply } from "../../src/apply/apply.ts";
import { noteAsked } from "../../src/apply/echo.ts";
import { readChanges } from "../../src/apply/incoming.ts";
import { rebaseAll } from "../../src/apply/merge-in.ts";
import { storeApply } from "../../src/apply/store-apply.ts";
import { manualClock } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import type { Random } from "../../src/base/random.ts";
import type { Overlay, Step } from "../../src/merge/merge.ts";
import { blobId, ROOT, type BlobId, type ItemId, type ItemKey } from "../../src/model/ids.ts";
import { contentVersion, type LocalItem } from "../../src/model/item.ts";
import { fold } from "../../src/model/name.ts";
import type { Op } from "../../src/op/op.ts";
import { append, ofNode } from "../../src/oplog/oplog.ts";
import type { MemoryStore } from "../../src/store/memory-store.ts";
import { memoryStore } from "../../src/store/memory-store.ts";
import type { Writer } from "../../src/store/store.ts";
import {
  changeTrees,
  localAt,
  localChildren,
  mirrorChildren,
  newNode,
  viewLocal,
  type LocalView,
} from "../../src/store/tree.ts";
import type { SmallCloud, Reply } from "./small-cloud.ts";

export interface Faults {
  /** Chance that an answer never arrives. */
  lost: number;
  /** Chance that the process dies instead of hearing an answer. */
  die: number;
}

export class SmallDevice {
  store: MemoryStore = memoryStore();
  apply: Apply;
  readonly name: string;
  readonly cloud: SmallCloud;
  readonly clock = manualClock(1_760_000_000_000);
  readonly complaints: string[] = [];
  /** How often news met local differences, and how often they were apart. */
  readonly merged = { news: 0, apart: 0 };
  trace: (line: string) => void = () => undefined;
  #seq = 0;

  constructor(name: string, cloud: SmallCloud) {
    this.name = name;
    this.cloud = cloud;
    this.apply = this.#open();
  }

  #open(): Apply {
    const log: Log = {
      fault: (message, details) => void this.complaints.push(`${message} ${JSON.stringify(details)}`),
      trace: () => undefined,
    };
    return storeApply({ store: this.store, clock: this.clock, device: this.name, log });
  }

  // ---- what a person does ----

  nodes(): ItemKey[] {
    const found: ItemKey[] = [ROOT];
    for (const at of found) if (this.view(at)?.kind !== "file") found.push(...localChildren(this.store.read, at));
    return found;
  }

  view(node: ItemKey): LocalView | undefined {
    return viewLocal(this.store.read, node);
  }

  hashOf(node: ItemKey): string | undefined {
    const view = this.view(node);
    if (view?.kind !== "file") return undefined;
    return view.content.from === "blob" ? this.store.read.blobs.get(view.content.blob)?.hash : view.mirror?.hash;
  }

  isFree(parent: ItemKey, name: string, mover?: ItemKey): boolean {
    const there = localAt(this.store.read, parent, fold(name));
    return there === undefined || there === mover;
  }

  make(parent: ItemKey, name: string, hash?: string): void {
    this.store.transact((tx) => {
      const node = newNode(tx);
      const mtime = this.#now();
      if (hash === undefined) {
        this.#set(tx, node, { kind: "folder", parent, name, mtime: 0, content: { from: "cloud" } });
        return void this.#log(tx, { type: "createFolder", node, parent, name });
      }
      const blob = this.#blob(tx, node, hash);
      this.#set(tx, node, { kind: "file", parent, name, mtime, content: { from: "blob", blob, size: 1 } });
      this.#log(tx, { type: "createFile", node, parent, name });
      this.#log(tx, { type: "writeContent", node, blob });
    });
  }

  write(node: ItemKey, hash: string): void {
    const view = this.view(node)!;
    this.store.transact((tx) => {
      const blob = this.#blob(tx, node, hash);
      const busy = tx.intents.get(node) || ofNode(tx, node).some(({ status }) => status.state === "inflight");
      const before = view.content.from === "blob" ? view.content : undefined;
      const seen = before ? (busy ? `blob:${before.blob}` : before.seen) : contentVersion(view.mirror!);
      const content = { from: "blob", blob, size: 1, ...(seen === undefined ? {} : { seen }) } as const;
      this.#set(tx, node, { ...placed(view), mtime: this.#now(), content });
      this.#log(tx, { type: "writeContent", node, blob, ...(seen === undefined ? {} : { seen }) });
    });
  }

  move(node: ItemKey, parent: ItemKey, name: string): void {
    const view = this.view(node)!;
    this.store.transact((tx) => {
      this.#set(tx, node, { ...placed(view), parent, name });
      this.#log(tx, { type: "move", node, parent, name, fromParent: view.parent, fromName: view.name });
    });
  }

  touch(node: ItemKey): void {
    const view = this.view(node)!;
    const mtime = this.#now();
    this.store.transact((tx) => {
      this.#set(tx, node, { ...placed(view), mtime });
      this.#log(tx, { type: "setMetadata", node, mtime });
    });
  }

  /** With everything below, the deepest first. */
  remove(node: ItemKey): void {
    for (const child of Array.from(localChildren(this.store.read, node))) this.remove(child);
    const view = this.view(node)!;
    this.store.transact((tx) => {
      changeTrees(tx, new Map([[node, { local: null }]]));
      for (const { seq, status } of ofNode(tx, node))
        if (status.state !== "inflight") {
          tx.ops.remove(seq);
          tx.nodeOps.remove([node, seq]);
        }
      const busy = tx.intents.get(node) || ofNode(tx, node).length > 0;
      if (view.mirror || busy) this.#log(tx, { type: view.kind === "folder" ? "deleteFolder" : "deleteFile", node });
    });
  }

  #now(): number {
    return 1_000_000 + ++this.#seq;
  }

  #set(tx: Writer, node: ItemKey, local: LocalItem): void {
    changeTrees(tx, new Map([[node, { local }]]));
  }

  #log(tx: Writer, op: Op): void {
    append(tx, op, this.clock.now());
  }

  #blob(tx: Writer, node: ItemKey, hash: string): BlobId {
    const blob = blobId((tx.meta.get("nextBlob") as number | undefined) ?? 1);
    tx.meta.put("nextBlob", blob + 1);
    const sha256 = Buffer.from(hash).toString("hex").padEnd(64, "0");
    tx.blobs.put(blob, { node, size: 1, state: "frozen", hash, sha256 });
    return blob;
  }

  // ---- puller ----

  pull(random: Random): void {
    const from = (this.store.read.meta.get("cursor") as string | undefined) ?? "0";
    const { changes, cursor } = this.cloud.since(Number(from));
    this.trace(`${this.name} pulls ${changes.map((each) => (each.deleted ? `-${each.id}` : each.item.id)).join(" ")}`);
    const told = [...changes, ...changes.filter(() => random.next() < 0.2)].sort(() => random.next() - 0.5);
    this.#batch(told, String(cursor));
  }

  #batch(changes: ReturnType<SmallCloud["since"]>["changes"], cursor?: string): void {
    const read = new Set<ItemId>();
    for (let round = 0; ; round++) {
      const all = [...changes, ...[...read].map((id) => this.cloud.change(id))];
      this.#checkApart(all, read);
      const outcome = this.apply.batch({ changes: all, read: [...read], ...(cursor === undefined ? {} : { cursor }) });
      if (outcome.ok) return this.#heard(outcome.value);
      assert.ok(
        round < 10,
        `a batch is repaired in a few rounds: ${JSON.stringify(outcome.fault)} ${JSON.stringify(all)}`,
      );
      for (const id of outcome.fault.read) read.add(id);
    }
  }

  /** News that are said to be apart from all that differs here: the whole rebase would have said the same. */
  #checkApart(changes: ReturnType<SmallCloud["since"]>["changes"], certain: ReadonlySet<ItemId>): void {
    const settings = { device: this.name, localOnlyPatterns: [], now: this.clock.now() };
    const { read } = this.store;
    const incoming = readChanges(read, changes, { read: certain, now: settings.now });
    if (!incoming.ok || read.local.count === 0 || incoming.value.rows.size === 0) return;
    this.merged.news++;
    if (!isApart(read, incoming.value)) return;
    this.merged.apart++;
    const { local, rebased } = rebaseAll(read, incoming.value, settings);
    assert.deepEqual(byNode(rebased.local), byNode(local), "what differs here stays so");
    const { copies, bound, reborn, conflicts } = rebased;
    assert.deepEqual([copies, bound, reborn, conflicts], [[], [], [], []]);
  }

  #heard({ adopt }: Applied): void {
    this.store.transact((tx) => {
      for (const { blob } of adopt) if (tx.blobs.get(blob)) tx.blobs.remove(blob);
    });
  }

  // ---- flusher ----

  /** Sends the first step of the plan (or any ready one); false when there is nothing to send. */
  push(random: Random, faults: Faults): boolean {
    this.#resolve();
    const plan = this.apply.plan();
    assert.ok(plan.ok);
    const ready = plan.value.steps.filter((step) => step.needs.length === 0);
    if (ready.length === 0) {
      assert.equal(plan.value.steps.length, 0, "some step needs nothing");
      return false;
    }
    const step = random.pick(ready);
    this.trace(
      `${this.name} sends ${step.action} ${step.node}${"name" in step ? ` to ${step.parent}/${step.name}` : ""}`,
    );
    const upTo = this.#begin(step);
    const reply = this.#send(step);
    if (reply.why !== undefined) this.trace(`  refused: ${reply.why}`);
    if (random.next() < faults.die) {
      this.trace("  dies");
      this.store = this.store.kill();
      this.apply = this.#open();
      return true;
    }
    if (reply.why === undefined && random.next() < faults.lost) {
      this.trace("  does not hear");
      return true;
    }
    if (reply.why === undefined) this.#acknowledge(step, { upTo, item: reply.item });
    else this.#refused(step);
    return true;
  }

  #begin(step: Step): number {
    return this.store.transact((tx) => {
      const records = ofNode(tx, step.node);
      for (const record of records) tx.ops.put(record.seq, { ...record, status: { state: "inflight" } });
      if (step.action === "createFolder" || step.action === "createFile") {
        const { parent, name } = step;
        const bytes =
          step.action === "createFile" ? { size: step.bytes.size, hash: step.bytes.hash!, blob: blobOf(step)! } : {};
        const kind = step.action === "createFile" ? "file" : "folder";
        tx.intents.put(step.node, { parent, name, kind, at: this.clock.now(), ...bytes });
      }
      const held = tx.mirror.get(step.node);
      if (held && step.action === "move")
        noteAsked(tx, step.node, { parent: step.parent, name: step.name, mtime: held.mtime });
      if (held && step.action === "setMetadata")
        noteAsked(tx, step.node, { parent: held.parent, name: held.name, mtime: step.mtime });
      if (step.action === "move" && step.park) {
        const originalName = tx.parks.get(step.node)?.originalName ?? tx.mirror.get(step.node)!.name;
        tx.parks.put(step.node, { originalName, parkingName: step.name, at: 0 });
      }
      return records.at(-1)?.seq ?? 0;
    });
  }

  #send(step: Step): { item?: Reply & { ok: true }; why?: string } {
    const mirror = this.store.read.mirror.get(step.node);
    const parent = "parent" in step ? this.store.read.mirror.get(step.parent)!.id : undefined;
    const said = (reply: Reply): { item?: Reply & { ok: true }; why?: string } =>
      reply.ok ? { item: reply } : { why: reply.why };
    switch (step.action) {
      case "createFolder":
        return said(this.cloud.create(parent!, step.name, { kind: "folder", mtime: 0 }));
      case "createFile":
        return said(this.cloud.create(parent!, step.name, { kind: "file", hash: step.bytes.hash!, mtime: step.mtime }));
      case "writeContent":
        return said(this.cloud.write(mirror!.id, step.bytes.hash!, step.mtime, mirror!.cTag));
      case "move":
        return said(this.cloud.update(mirror!.id, { parentId: parent!, name: step.name }, mirror!.eTag));
      case "setMetadata":
        return said(this.cloud.update(mirror!.id, { mtime: step.mtime }, mirror!.eTag));
      case "deleteFile":
        return gone(this.cloud.remove(mirror!.id, mirror!.eTag));
      case "deleteFolder":
        return this.#isAsKnown(step) ? gone(this.cloud.remove(mirror!.id, mirror!.eTag)) : { why: "changed" };
    }
  }

  /** The validated delete: the cloud has just what the Mirror has below it. */
  #isAsKnown(step: Step & { action: "deleteFolder" }): boolean {
    const { mirror } = this.store.read;
    const known = new Set([step.node, ...step.covers].map((node) => mirror.get(node)!.id));
    const there = this.cloud.below(mirror.get(step.node)!.id);
    if (there.length !== known.size || !there.every((id) => known.has(id))) return false;
    return [step.node, ...step.covers].every(
      (node) => this.cloud.items.get(mirror.get(node)!.id)?.eTag === mirror.get(node)!.eTag,
    );
  }

  #acknowledge(step: Step, { upTo, item }: { upTo: number; item: (Reply & { ok: true }) | undefined }): void {
    const blob = blobOf(step);
    const pushed = { node: step.node, action: step.action, upTo, ...(blob === undefined ? {} : { blob }) };
    this.#heard(this.apply.acknowledge(pushed, item?.item));
  }

  /** Reads what the refusal is about, and forgets the request. */
  #refused(step: Step): void {
    const { mirror } = this.store.read;
    const wanted = new Set<ItemId>();
    const known = [step.node, ...("parent" in step ? [step.parent] : []), ...("covers" in step ? step.covers : [])];
    for (const node of known) if (mirror.get(node)) wanted.add(mirror.get(node)!.id);
    if ("parent" in step) {
      const there = this.cloud.at(mirror.get(step.parent)!.id, step.name);
      if (there) wanted.add(there.id);
    }
    if (step.action === "deleteFolder") for (const id of this.cloud.below(mirror.get(step.node)!.id)) wanted.add(id);
    this.#forget(step.node);
    this.#batch([...wanted].map((id) => this.cloud.change(id)));
  }

  #forget(node: ItemKey): void {
    this.store.transact((tx) => {
      tx.intents.remove(node);
      for (const record of ofNode(tx, node)) tx.ops.put(record.seq, { ...record, status: { state: "pending" } });
    });
  }

  /** What became of requests without an answer. */
  #resolve(): void {
    const { read } = this.store;
    const unclear = new Set<ItemKey>([...read.intents.range()].map(([node]) => node));
    for (const [, { op, status }] of read.ops.range()) if (status.state === "inflight") unclear.add(op.node);
    for (const node of unclear) {
      const intent = read.intents.get(node);
      const id = read.mirror.get(node)?.id;
      if (!intent || id !== undefined) {
        this.#forget(node);
        if (id !== undefined) this.#batch([this.cloud.change(id)]);
        continue;
      }
      const parent = read.mirror.get(intent.parent)?.id;
      const there = parent && this.cloud.at(parent, intent.name);
      const item = there?.hash === intent.hash ? there : (this.#elsewhere(intent.hash) ?? there);
      const ours = item && item.kind === intent.kind && item.hash === intent.hash && this.view(node);
      if (item && ours) {
        const sent = ofNode(read, node).filter(({ status }) => status.state === "inflight");
        const blob = intent.blob === undefined ? {} : { blob: intent.blob };
        const action = intent.kind === "folder" ? ("createFolder" as const) : ("createFile" as const);
        this.#heard(this.apply.acknowledge({ node, action, upTo: sent.at(-1)?.seq ?? 0, ...blob }, item));
      } else {
        this.#forget(node);
        if (item) this.#batch([this.cloud.change(item.id)]);
      }
    }
  }

  #elsewhere(hash: string | undefined): ReturnType<SmallCloud["at"]> {
    return hash === undefined ? undefined : [...this.cloud.items.values()].find((item) => item.hash === hash);
  }

  // ---- what must always hold ----

  check(): void {
    const { read } = this.store;
    const seen = new Set<ItemKey>();
    for (const node of this.nodes()) {
      assert.ok(!seen.has(node), `node ${node} is in Local once`);
      seen.add(node);
      const view = this.view(node);
      if (node === ROOT) continue;
      assert.ok(view, `node ${node} is there`);
      assert.equal(localAt(read, view.parent, fold(view.name)), node, `node ${node} has its slot`);
      if (view.content.from === "blob")
        assert.equal(read.blobs.get(view.content.blob)?.node, node, `the bytes of ${node} are its own`);
    }
    for (const [node, row] of read.local.range())
      assert.equal(seen.has(node), !("gone" in row), `the Local row of ${node} hangs in the tree`);
    const known = new Set<ItemKey>([ROOT]);
    for (const at of known) for (const child of mirrorChildren(read, at)) known.add(child);
    for (const [node, row] of read.mirror.range()) {
      assert.ok(known.has(node), `the Mirror row of ${node} hangs in the tree`);
      assert.equal(read.ids.get(row.id), node, `the id of ${node} is bound`);
    }
    assert.deepEqual(this.complaints, []);
  }
}

function byNode(overlay: Overlay): Record<ItemKey, unknown> {
  return Object.fromEntries(overlay);
}

function placed(view: LocalView): LocalItem {
  const { kind, parent, name, mtime, content } = view;
  return { kind, parent, name, mtime, content };
}

function blobOf(step: Step): BlobId | undefined {
  if (step.action !== "createFile" && step.action !== "writeContent") return undefined;
  return blobId(Number(step.bytes.version.slice(5)));
}

function gone(why: string | undefined): { why?: string } {
  return why === undefined || why === "gone" ? {} : { why };
}
