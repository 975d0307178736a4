/**
 * A OneDrive in memory: the state behind fake-drive.ts, shared by all connections to it. Synchronous and deterministic: time comes
 * from the given clock, chance from the given Random. It is a fake: every rule of the service that the product relies on holds.
 *
 *  - Ids are never reused. Names are unique in a folder by the service's own fold (NFC, lower case, `æ` = `ae`).
 *  - eTag moves with every change of an item, cTag with its content; a folder's eTag ignores descendants; folders have a cTag
 *    only with the knob `folderCTags` (then it moves with any descendant).
 *  - Every content an item ever had is kept in `versions`; deleted items stay in the recycle bin.
 *  - The feed is a journal of states: `feedRound` gives the last visible state per id, ancestors too, and tombstones once.
 *
 * Knobs (`cloud.knobs`, change them at any time) are documented in cloud-knobs.ts. Acting as another device: `cloud.as("web")`.
 */
import { assert, present } from "../../src/base/assert.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { Random } from "../../src/base/random.ts";
import { ok, type Result } from "../../src/base/result.ts";
import { fault, type Fault } from "../../src/model/fault.ts";
import { cTag, eTag, itemId, type ItemId } from "../../src/model/ids.ts";
import type { CloudItem, Kind } from "../../src/model/item.ts";
import { DEFAULT_KNOBS, type CloudKnobs } from "./cloud-knobs.ts";
import { FakeFeed, type FeedRound } from "./fake-feed.ts";
import { quickXorOf } from "./quick-xor.ts";

export type { CloudKnobs } from "./cloud-knobs.ts";

/** One content an item had. The last one is the current. */
export interface Version {
  readonly bytes: Uint8Array;
  readonly hash: string;
  readonly by: string;
  readonly at: number;
}

/** A living item as tests see it. */
export interface CloudRow {
  readonly item: CloudItem;
  /** From the root, without a leading slash; the root itself is "". */
  readonly path: string;
  readonly createdBy: string;
  readonly bytes: Uint8Array | undefined;
}

interface Row {
  readonly id: ItemId;
  readonly kind: Kind;
  readonly birth: number;
  readonly createdBy: string;
  parent: ItemId | undefined;
  name: string;
  mtime: number;
  eTagCount: number;
  cTagCount: number;
  lockedUntil: number;
  versions: Version[];
}

export type Slot = { readonly parent: ItemId; readonly name: string };
export type Update = { readonly name?: string; readonly parent?: ItemId; readonly mtime?: number };

export type FakeCloud = ReturnType<typeof fakeCloud>;

export interface CloudOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly knobs?: Partial<CloudKnobs>;
}

export function fakeCloud(options: CloudOptions) {
  return new Cloud(options);
}

/** The service's notion of equal names; independent of the product's. */
export function serverFold(name: string): string {
  return name.normalize("NFC").toLowerCase().normalize("NFC").replaceAll("æ", "ae");
}

class Cloud {
  readonly knobs: CloudKnobs;
  readonly rootId: ItemId;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #rows = new Map<ItemId, Row>();
  readonly #children = new Map<ItemId, Map<string, ItemId>>();
  readonly #bin = new Map<ItemId, Row[]>();
  readonly #feed: FakeFeed;
  #serial = 0;
  #used = 0;
  /** Moves with `expireCursors`. */
  epoch = 0;

  constructor(options: CloudOptions) {
    this.#clock = options.clock;
    this.#random = options.random.split("cloud");
    this.knobs = { ...DEFAULT_KNOBS, ...options.knobs };
    const root = this.#newRow("folder", undefined, "root", "service");
    this.rootId = root.id;
    this.#feed = new FakeFeed(root.id, this.#random.split("feed"));
    this.#place(root);
    this.#record(root);
  }

  // ---- what a connection asks (fake-drive.ts) ----

  item(id: ItemId): Result<CloudItem, Fault> {
    const row = this.#rows.get(id);
    return row ? ok(this.#shown(row)) : gone(id);
  }

  itemAt(slot: Slot): Result<CloudItem, Fault> {
    const folder = this.#folder(slot.parent);
    if (!folder.ok) return folder;
    const id = present(this.#children.get(slot.parent), "children of a folder").get(serverFold(slot.name));
    return id ? this.item(id) : fault("notFound", "no item has this name", { status: 404 });
  }

  children(parent: ItemId): Result<CloudItem[], Fault> {
    const folder = this.#folder(parent);
    if (!folder.ok) return folder;
    const ids = [...present(this.#children.get(parent), "children of a folder").entries()];
    ids.sort(([a], [b]) => (a < b ? -1 : 1));
    return ok(ids.map(([, id]) => this.#shown(this.#row(id))));
  }

  createFolder(slot: Slot, by: string): Result<CloudItem, Fault> {
    const free = this.#freeSlot(slot);
    if (!free.ok) return free;
    const row = this.#newRow("folder", slot.parent, slot.name, by);
    return this.#commit(row);
  }

  createFile(slot: Slot, bytes: Uint8Array, by: string, mtime?: number): Result<CloudItem, Fault> {
    const free = this.#freeSlot(slot);
    if (!free.ok) return free;
    if (this.#used + bytes.length > this.knobs.quotaBytes)
      return fault("noSpace", "the drive is full", { status: 507 });
    const row = this.#newRow("file", slot.parent, slot.name, by);
    this.#newVersion(row, bytes, by);
    row.mtime = mtime ?? row.mtime;
    return this.#commit(row);
  }

  writeContent(
    id: ItemId,
    seen: string | undefined,
    bytes: Uint8Array,
    by: string,
    mtime?: number,
  ): Result<CloudItem, Fault> {
    const found = this.#writable(id, seen);
    if (!found.ok) return found;
    const row = found.value;
    if (row.kind !== "file") return fault("invalid", "a folder has no content", { status: 400 });
    const grows = bytes.length - this.#sizeOf(row);
    if (this.#used + grows > this.knobs.quotaBytes) return fault("noSpace", "the drive is full", { status: 507 });
    this.#newVersion(row, bytes, by);
    row.mtime = mtime ?? this.#seconds();
    return this.#commit(row);
  }

  update(id: ItemId, change: Update, seen: string | undefined): Result<CloudItem, Fault> {
    const found = this.#writable(id, seen);
    if (!found.ok) return found;
    const row = found.value;
    const moves = change.name !== undefined || change.parent !== undefined;
    if (moves) {
      if (row.id === this.rootId) return fault("invalid", "the root cannot be moved", { status: 400 });
      const moved = this.#move(row, {
        parent: change.parent ?? present(row.parent, "parent"),
        name: change.name ?? row.name,
      });
      if (!moved.ok) return moved;
    }
    if (change.mtime !== undefined) row.mtime = change.mtime;
    else if (moves && this.knobs.renameResetsMtime) row.mtime = this.#seconds();
    row.eTagCount++;
    return this.#commit(row);
  }

  remove(id: ItemId, seen: string | undefined): Result<undefined, Fault> {
    const found = this.#writable(id, seen);
    if (!found.ok) return found;
    if (id === this.rootId) return fault("invalid", "the root cannot be deleted", { status: 400 });
    const parent = found.value.parent;
    const all = [...this.#below(found.value)];
    for (const row of all) this.#unplace(row);
    this.#bin.set(id, all);
    for (const row of all) if (row.id === id || this.knobs.tombstonesBelow) this.#recordGone(row.id);
    this.#touchFolders(parent);
    return ok();
  }

  restore(id: ItemId): Result<CloudItem, Fault> {
    if (!this.knobs.restores) return fault("notSupported", "this account cannot restore", { status: 405 });
    const rows = this.#bin.get(id);
    const top = rows?.[0];
    if (!rows || !top) return gone(id);
    const free = this.#freeSlot({ parent: present(top.parent, "parent"), name: top.name });
    if (!free.ok) return free;
    this.#bin.delete(id);
    for (const row of rows) {
      row.eTagCount++;
      this.#place(row);
      this.#record(row);
    }
    this.#touchFolders(top.parent);
    return ok(this.#shown(top));
  }

  copy(id: ItemId, slot: Slot, by: string): Result<CloudItem, Fault> {
    const source = this.#rows.get(id);
    if (!source) return gone(id);
    const inside = this.#chain(slot.parent).some((row) => row.id === id);
    if (inside) return fault("invalid", "a folder cannot be copied into itself", { status: 400 });
    const bytes = source.versions.at(-1)?.bytes;
    const made = bytes ? this.createFile(slot, bytes, by) : this.createFolder(slot, by);
    if (!made.ok) return made;
    for (const child of this.#children.get(id)?.values() ?? []) {
      const copied = this.copy(child, { parent: made.value.id, name: this.#row(child).name }, by);
      if (!copied.ok) return copied;
    }
    return this.item(made.value.id);
  }

  bytesOf(id: ItemId): Result<Uint8Array, Fault> {
    const row = this.#rows.get(id);
    if (!row) return gone(id);
    const current = row.versions.at(-1);
    return current ? ok(current.bytes) : fault("invalid", "a folder has no content", { status: 400 });
  }

  /** What a session or a replacing upload checks before it takes bytes. */
  checkTarget(target: Slot | { readonly item: ItemId; readonly seen: string | undefined }): Result<unknown, Fault> {
    return "item" in target ? this.#writable(target.item, target.seen) : this.#freeSlot(target);
  }

  quota(): { total: number; used: number; remaining: number } {
    return {
      total: this.knobs.quotaBytes,
      used: this.#used,
      remaining: Math.max(0, this.knobs.quotaBytes - this.#used),
    };
  }

  // ---- the feed ----

  /** Serial of the last change that the feed tells now. */
  feedEnd(): number {
    return this.#feed.end(this.#clock.now() - this.knobs.lagMs);
  }

  /** Every cursor given out until now answers `resync` from now on. */
  expireCursors(): void {
    this.epoch++;
  }

  feedRound(since: number | undefined, end: number): FeedRound {
    return this.#feed.round(since, end, this.knobs);
  }

  // ---- for tests ----

  /** All living items, sorted by path, the root left out. */
  tree(): CloudRow[] {
    const rows = [...this.#rows.values()].filter((row) => row.id !== this.rootId);
    const out = rows.map((row) => this.#asSeen(row));
    return out.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** The living item at a path, or undefined. "" is the root. */
  at(path: string): CloudRow | undefined {
    let row = this.#row(this.rootId);
    for (const name of path.split("/").filter(Boolean)) {
      const id = this.#children.get(row.id)?.get(serverFold(name));
      if (!id) return undefined;
      row = this.#row(id);
    }
    return this.#asSeen(row);
  }

  /** Every content an item ever had, oldest first; also of deleted items. */
  versions(id: ItemId): readonly Version[] {
    const dead = [...this.#bin.values()].flat().find((row) => row.id === id);
    return this.#rows.get(id)?.versions ?? dead?.versions ?? [];
  }

  /** Every content that ever was in this drive, of living and deleted items. */
  everyVersion(): Version[] {
    return [...this.#rows.values(), ...[...this.#bin.values()].flat()].flatMap((row) => row.versions);
  }

  /** Ids of the items in the recycle bin. */
  bin = (): ItemId[] => [...this.#bin.keys()];

  /** Changes of the item answer 423 for this long. */
  lock(id: ItemId, ms: number): void {
    this.#row(id).lockedUntil = this.#clock.now() + ms;
  }

  /** Moves the eTag without any other change, as the service does on its own. */
  bumpETag(id: ItemId): void {
    const row = this.#row(id);
    row.eTagCount++;
    this.#record(row);
  }

  /** Acts on paths as another device, unconditionally; a missing parent folder is made. Faults throw. */
  as(device: string) {
    return {
      put: (path: string, content: Uint8Array | string, mtime?: number): CloudItem => {
        const bytes = typeof content === "string" ? Buffer.from(content) : content;
        const there = this.at(path);
        if (there) return must(this.writeContent(there.item.id, undefined, bytes, device, mtime));
        return must(this.createFile(this.#slotOf(path, device), bytes, device, mtime));
      },
      mkdir: (path: string): CloudItem =>
        this.at(path)?.item ?? must(this.createFolder(this.#slotOf(path, device), device)),
      move: (from: string, to: string): CloudItem => {
        const item = present(this.at(from), from).item;
        return must(this.update(item.id, { ...this.#slotOf(to, device), mtime: item.mtime }, undefined));
      },
      remove: (path: string): void => void must(this.remove(present(this.at(path), path).item.id, undefined)),
      touch: (path: string, mtime: number): CloudItem =>
        must(this.update(present(this.at(path), path).item.id, { mtime }, undefined)),
      content: (path: string): string => Buffer.from(present(this.at(path)?.bytes, path)).toString(),
    };
  }

  // ---- inside ----

  #slotOf(path: string, device: string): Slot {
    const names = path.split("/").filter(Boolean);
    const name = present(names.pop(), "name in a path");
    return { parent: this.as(device).mkdir(names.join("/")).id, name };
  }

  #asSeen(row: Row): CloudRow {
    const names = this.#chain(row.id).map((ancestor) => ancestor.name);
    const path = names.slice(1).join("/");
    return { item: this.#shown(row), path, createdBy: row.createdBy, bytes: row.versions.at(-1)?.bytes };
  }

  #newRow(kind: Kind, parent: ItemId | undefined, name: string, by: string): Row {
    const serial = (++this.#serial).toString(16).padStart(8, "0");
    const noise = this.#random
      .below(2 ** 32)
      .toString(16)
      .padStart(8, "0");
    const id = itemId(`1D641CFAE05579A4!s${serial}${noise}`);
    const now = this.#seconds();
    const counts = { eTagCount: 1, cTagCount: 1, lockedUntil: 0 };
    return { id, kind, parent, name, birth: now, mtime: now, createdBy: by, versions: [], ...counts };
  }

  #newVersion(row: Row, sent: Uint8Array, by: string): void {
    const enriched = this.#random.next() < this.knobs.enriches;
    const bytes = enriched ? Buffer.concat([sent, Buffer.from("<enriched/>")]) : Uint8Array.from(sent);
    if (this.#rows.has(row.id)) this.#used -= this.#sizeOf(row);
    row.versions = [...row.versions, { bytes, hash: quickXorOf(bytes), by, at: this.#clock.now() }];
    if (this.#rows.has(row.id)) this.#used += bytes.length;
    row.eTagCount++;
    row.cTagCount++;
  }

  #move(row: Row, slot: Slot): Result<undefined, Fault> {
    const folder = this.#folder(slot.parent);
    if (!folder.ok) return folder;
    if (this.#chain(slot.parent).some((ancestor) => ancestor.id === row.id)) {
      return fault("invalid", "a folder cannot be moved into itself", { status: 400 });
    }
    const occupant = this.#children.get(slot.parent)?.get(serverFold(slot.name));
    if (occupant && occupant !== row.id) return taken();
    const from = present(row.parent, "parent");
    this.#unplace(row);
    row.parent = slot.parent;
    row.name = slot.name;
    this.#place(row);
    this.#touchFolders(from);
    return ok();
  }

  #writable(id: ItemId, seen: string | undefined): Result<Row, Fault> {
    const row = this.#rows.get(id);
    if (!row) return gone(id);
    if (row.lockedUntil > this.#clock.now()) return fault("locked", "the item is locked", { status: 423 });
    const shown = this.#shown(row);
    const matches = seen === undefined || seen === shown.eTag || seen === shown.cTag;
    return matches ? ok(row) : fault("changed", "the item has changed", { status: 412 });
  }

  #freeSlot(slot: Slot): Result<undefined, Fault> {
    const folder = this.#folder(slot.parent);
    if (!folder.ok) return folder;
    if (!/^[^/\0]{1,255}$/.test(slot.name) || slot.name === "." || slot.name === "..") {
      return fault("invalid", "the service refuses this name", { status: 400 });
    }
    return this.#children.get(slot.parent)?.has(serverFold(slot.name)) ? taken() : ok();
  }

  #folder(id: ItemId): Result<Row, Fault> {
    const row = this.#rows.get(id);
    if (!row) return gone(id);
    return row.kind === "folder" ? ok(row) : fault("invalid", "not a folder", { status: 400 });
  }

  #commit(row: Row): Result<CloudItem, Fault> {
    if (!this.#rows.has(row.id)) this.#place(row);
    this.#record(row);
    this.#touchFolders(row.parent);
    return ok(this.#shown(row));
  }

  #place(row: Row): void {
    this.#rows.set(row.id, row);
    if (row.kind === "folder" && !this.#children.has(row.id)) this.#children.set(row.id, new Map());
    if (row.kind === "file") this.#used += this.#sizeOf(row);
    if (!row.parent) return;
    const siblings = present(this.#children.get(row.parent), "parent folder");
    assert(!siblings.has(serverFold(row.name)), `the fake cloud keeps names unique (${row.name})`);
    siblings.set(serverFold(row.name), row.id);
  }

  #unplace(row: Row): void {
    this.#rows.delete(row.id);
    if (row.kind === "file") this.#used -= this.#sizeOf(row);
    if (row.parent) this.#children.get(row.parent)?.delete(serverFold(row.name));
  }

  #touchFolders(from: ItemId | undefined): void {
    if (!this.knobs.folderCTags || !from) return;
    for (const folder of this.#chain(from)) {
      folder.cTagCount++;
      this.#record(folder);
    }
  }

  #record(row: Row): void {
    this.#feed.record(this.#clock.now(), { deleted: false, item: this.#shown(row) });
  }

  #recordGone(id: ItemId): void {
    this.#feed.record(this.#clock.now(), { deleted: true, id });
  }

  *#below(row: Row): Generator<Row> {
    yield row;
    for (const id of this.#children.get(row.id)?.values() ?? []) yield* this.#below(this.#row(id));
  }

  /** From the root down to the item itself. */
  #chain(id: ItemId): Row[] {
    const out: Row[] = [];
    for (let row = this.#rows.get(id); row; row = row.parent ? this.#rows.get(row.parent) : undefined) out.unshift(row);
    return out;
  }

  #row(id: ItemId): Row {
    return present(this.#rows.get(id), `item ${id}`);
  }

  #sizeOf(row: Row): number {
    return row.versions.at(-1)?.bytes.length ?? 0;
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }

  #shown(row: Row): CloudItem {
    const guid = row.id.slice(row.id.indexOf("!s") + 2);
    const tagged = row.kind === "file" || this.knobs.folderCTags;
    const version = row.versions.at(-1);
    return {
      id: row.id,
      parentId: row.parent,
      name: row.name,
      kind: row.kind,
      size: version?.bytes.length ?? 0,
      mtime: row.mtime,
      birth: row.birth,
      eTag: eTag(`"{${guid}},${row.eTagCount}"`),
      ...(tagged ? { cTag: cTag(`"c:{${guid}},${row.cTagCount}"`) } : {}),
      ...(version ? { hash: version.hash } : {}),
      webUrl: `https://onedrive.example/${guid}`,
    };
  }
}

function gone(id: ItemId): Result<never, Fault> {
  return fault("notFound", `the item ${id} is not there`, { status: 404 });
}

function taken(): Result<never, Fault> {
  return fault("nameTaken", "the name is taken", { status: 409 });
}

function must<T>(result: Result<T, Fault>): T {
  assert(result.ok, result.ok ? "" : `as another device: ${result.fault.why}`);
  return result.value;
}
