/**
 * From states by id to new Mirror rows by node, validated: pages of the feed are no atomic snapshot, so what they add up to may not be
 * a tree. Then nothing is taken; the ids that would clear it up are named. Nothing is ever dropped because its folder is missing.
 *
 *   1 the last entry of an id counts        4 a gone folder takes along what is below it in the Mirror and not moved elsewhere
 *   2 ids become nodes, new ones get fresh  5 every parent is a living folder, no slot has two items, nobody is above himself
 *   3 entries that look older are doubted, and new items in the place of something made here
 * An item that is what an unanswered create of ours asked for, where it asked for it, gets that create's node (`claimed`), also
 * when the file was deleted here meanwhile: then the item is one to delete, or the file in its place takes it over.
 */
import { failed, ok, type Result } from "../base/result.ts";
import type { Stepwise } from "../base/stepwise.ts";
import type { CloudChange } from "../model/change.ts";
import { itemKey, ROOT, type ItemId, type ItemKey } from "../model/ids.ts";
import { contentVersion, type CloudItem, type MirrorItem } from "../model/item.ts";
import { conflictName, fold } from "../model/name.ts";
import type { Reader } from "../store/store.ts";
import { localAt, mirrorAt, mirrorChildren, viewLocal } from "../store/tree.ts";
import { echoOf } from "./echo.ts";
import { completed, looksOlder } from "./tags.ts";

export interface Incoming {
  /** New Mirror rows; null: the cloud has it no more. Rows that say what the Mirror says are left out. */
  readonly rows: ReadonlyMap<ItemKey, MirrorItem | null>;
  /** What the cloud is known to have got from us: these rows count as Base, whatever the Mirror says. */
  readonly claimed: ReadonlyMap<ItemKey, MirrorItem>;
  /** The first node number not used yet. */
  readonly nextNode: number;
}

export interface Doubts {
  /** Ids whose entries are certain. */
  readonly read: ReadonlySet<ItemId>;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A file without a hash may be what a create of ours just made; for so long an answer is worth waiting for. */
const CREATE_DOUBT_MS = 120_000;

export function readChanges(
  read: Reader,
  changes: readonly CloudChange[],
  doubts: Doubts,
): Result<Incoming, readonly ItemId[]> {
  const last = new Map<ItemId, CloudChange>();
  for (const change of changes) last.set(change.deleted ? change.id : change.item.id, change);
  const intake = new Intake(read, last, doubts);
  intake.numberNewItems();
  intake.placeItems();
  intake.removeGone();
  intake.checkParents();
  intake.checkSlots();
  intake.checkCycles();
  if (intake.wanted.size > 0) return failed([...intake.wanted]);
  return ok({ rows: intake.rows, claimed: intake.claimed, nextNode: intake.nextNode });
}

/** A Mirror row of an item; `held` fills in what the answer left out. */
export function rowOf(item: CloudItem, parent: ItemKey, held?: MirrorItem): MirrorItem {
  // One by one: this is done for every item of every page, and spreading costs more than all the rest of it.
  const { id, name, kind, size, mtime, birth, eTag, cTag, hash, opaque } = completed(item, held);
  const row: { -readonly [K in keyof MirrorItem]: MirrorItem[K] } = { id, parent, name, kind, size, mtime, birth };
  // The feed may leave the address out, which is one of the place.
  const webUrl = item.webUrl ?? (held?.parent === parent && held.name === name ? held.webUrl : undefined);
  if (eTag !== undefined) row.eTag = eTag;
  if (cTag !== undefined) row.cTag = cTag;
  if (hash !== undefined) row.hash = hash;
  if (webUrl !== undefined) row.webUrl = webUrl;
  if (opaque !== undefined) row.opaque = opaque;
  return row;
}

/**
 * The last entry of each id, without those that say what the Mirror says: our own changes come back by thousands. With a tombstone among
 * them every entry counts, since what is below it may contradict it.
 */
export function* newsOf(read: Reader, changes: readonly CloudChange[]): Stepwise<readonly CloudChange[]> {
  if (changes.some((change) => change.deleted)) return changes;
  const last = new Map<ItemId, CloudChange & { deleted: false }>();
  for (const change of changes) if (!change.deleted) last.set(change.item.id, change);
  const news: CloudChange[] = [];
  for (const change of last.values()) {
    yield;
    if (!isEcho(read, change.item)) news.push(change);
  }
  return news;
}

function isEcho(read: Reader, item: CloudItem): boolean {
  const node = read.ids.get(item.id);
  const parent = item.parentId === undefined ? ROOT : read.ids.get(item.parentId);
  const held = node === undefined ? undefined : read.mirror.get(node);
  return held !== undefined && parent !== undefined && sameRow(held, rowOf(item, parent, held));
}

class Intake {
  readonly rows = new Map<ItemKey, MirrorItem | null>();
  readonly claimed = new Map<ItemKey, MirrorItem>();
  readonly wanted = new Set<ItemId>();
  nextNode: number;
  readonly #fresh = new Map<ItemId, ItemKey>();
  readonly #read: Reader;
  readonly #last: ReadonlyMap<ItemId, CloudChange>;
  readonly #doubts: Doubts;

  constructor(read: Reader, last: ReadonlyMap<ItemId, CloudChange>, doubts: Doubts) {
    this.#read = read;
    this.#last = last;
    this.#doubts = doubts;
    this.nextNode = (read.meta.get("nextNode") as number | undefined) ?? ROOT + 1;
  }

  numberNewItems(): void {
    const creates = this.#read.intents.count > 0;
    for (const [id, change] of this.#last) {
      if (change.deleted || this.#read.ids.get(id) !== undefined) continue;
      const { item } = change;
      if (item.parentId === undefined) this.#fresh.set(id, ROOT);
      else this.#fresh.set(id, (creates ? this.#create(item) : undefined) ?? itemKey(this.nextNode++));
    }
  }

  placeItems(): void {
    for (const [id, change] of this.#last) {
      if (change.deleted) continue;
      const node = this.#nodeOf(id);
      const parent = change.item.parentId === undefined ? ROOT : this.#nodeOf(change.item.parentId);
      if (node === undefined) continue;
      if (parent === undefined) this.#want(change.item.parentId);
      else this.#place(node, change.item, parent);
    }
  }

  #place(node: ItemKey, item: CloudItem, parent: ItemKey): void {
    const held = this.#read.mirror.get(node);
    const row = rowOf(item, parent, held);
    const isHeld = held?.id === item.id;
    // A kind never changes: an entry that says so is not of this item.
    if (isHeld && (sameRow(held, row) || held.kind !== row.kind)) return;
    const isCertain = this.#doubts.read.has(item.id);
    if (isHeld && !isCertain && (looksOlder(item, held) || this.#mayBeOurs(node, row, held)))
      return this.#want(item.id);
    if (!held && !isCertain && this.#meetsSomebody(node, row)) return this.#want(item.id);
    this.rows.set(node, row);
    const ours = isHeld
      ? echoOf(this.#read, node, { held, told: row })
      : !held && this.#read.intents.get(node)
        ? row
        : undefined;
    if (ours) this.claimed.set(node, ours);
  }

  /** New bytes told without a hash, where bytes of ours wait or are on their way: only the hash tells whether they are ours. */
  #mayBeOurs(node: ItemKey, told: MirrorItem, held: MirrorItem): boolean {
    if (told.kind === "folder" || told.size === 0 || told.hash !== undefined) return false;
    return contentVersion(told) !== contentVersion(held) && viewLocal(this.#read, node)?.content.from === "blob";
  }

  /** An item nobody knows in the place of something made here: a feed that lags may still tell of what was deleted. */
  #meetsSomebody(node: ItemKey, row: MirrorItem): boolean {
    if (this.#read.intents.get(node)) return false;
    const there = localAt(this.#read, row.parent, fold(row.name));
    return there !== undefined && there !== node && there !== mirrorAt(this.#read, row.parent, fold(row.name));
  }

  removeGone(): void {
    const gone: ItemKey[] = [];
    for (const [id, change] of this.#last) {
      const node = change.deleted ? this.#read.ids.get(id) : undefined;
      if (node !== undefined && node !== ROOT && !this.rows.has(node)) gone.push(node);
    }
    for (const node of gone) this.rows.set(node, null);
    for (let at = 0; at < gone.length; at++)
      for (const child of mirrorChildren(this.#read, gone[at]!)) if (this.#goesAlong(child)) gone.push(child);
  }

  /** True when a child of a folder that is gone is gone as well, and was not known to be. */
  #goesAlong(child: ItemKey): boolean {
    const id = this.#read.mirror.get(child)?.id;
    const change = id === undefined ? undefined : this.#last.get(id);
    // An entry that keeps it where it was contradicts the tombstone of the folder; one that moves it is checked like any other.
    if (change && !change.deleted && !this.rows.has(child)) this.#want(id);
    if (this.rows.has(child) || (change && !change.deleted)) return false;
    this.rows.set(child, null);
    return true;
  }

  checkParents(): void {
    for (const row of this.rows.values()) {
      if (!row || row.parent === ROOT) continue;
      const parent = this.#rowNow(row.parent);
      if (parent?.kind === "folder") continue;
      this.#want(row.id);
      this.#want(this.#read.mirror.get(row.parent)?.id ?? parent?.id);
    }
  }

  checkSlots(): void {
    const taken = new Map<string, ItemKey>();
    for (const [node, row] of this.rows) {
      if (!row || node === ROOT) continue;
      const slot = `${row.parent}/${fold(row.name)}`;
      const other = this.#occupant(node, row) ?? taken.get(slot);
      if (other === undefined) {
        taken.set(slot, node);
        continue;
      }
      this.#settleSlot(node, row, other);
      const now = this.rows.get(node);
      if (now) taken.set(`${now.parent}/${fold(now.name)}`, node);
    }
  }

  /** Two items in one slot: both are read; when both were, one is shown under another name. */
  #settleSlot(node: ItemKey, row: MirrorItem, other: ItemKey): void {
    const rival = this.#rowNow(other);
    const known = [row.id, rival?.id].every((id) => id === undefined || this.#doubts.read.has(id));
    if (!known) {
      this.#want(row.id);
      this.#want(rival?.id);
      return;
    }
    const taken = (name: string): boolean => this.#occupant(node, { ...row, name }) !== undefined;
    const name = conflictName(row.name, { device: "cloud", date: "same name", tag: node.toString(36) }, taken);
    this.rows.set(node, { ...row, name });
  }

  /** Who is at a row's slot already: of the nodes that this batch does not touch. */
  #occupant(node: ItemKey, row: MirrorItem): ItemKey | undefined {
    const there = mirrorAt(this.#read, row.parent, fold(row.name));
    return there === undefined || there === node || this.rows.has(there) ? undefined : there;
  }

  checkCycles(): void {
    for (const [node, row] of this.rows) {
      if (!row || row.kind !== "folder" || node === ROOT) continue;
      if (this.#read.mirror.get(node)?.parent === row.parent) continue;
      const seen = new Set<ItemKey>([node]);
      for (let at = row.parent; at !== ROOT; at = this.#rowNow(at)?.parent ?? ROOT) {
        if (seen.has(at)) {
          for (const each of seen) this.#want(this.#rowNow(each)?.id);
          break;
        }
        seen.add(at);
      }
    }
  }

  /** The node of an unanswered create that asked for just this item. */
  #create(item: CloudItem): ItemKey | undefined {
    const parent = item.parentId === undefined ? undefined : this.#read.ids.get(item.parentId);
    if (parent === undefined) return undefined;
    for (const [node, intent] of this.#read.intents.range()) {
      if (intent.parent !== parent || intent.kind !== item.kind || fold(intent.name) !== fold(item.name)) continue;
      if (this.#read.mirror.get(node)) continue;
      // A folder that was deleted here meanwhile cannot be told from somebody else's; a file can by its bytes, and one without is no loss.
      if (!viewLocal(this.#read, node) && intent.kind === "folder") continue;
      if ([...this.#fresh.values()].includes(node)) continue;
      if (item.kind === "folder" || (intent.size === item.size && (item.size === 0 || isHash(intent.hash, item.hash))))
        return node;
      const mayBeOurs = item.hash === undefined && intent.size === item.size;
      if (mayBeOurs && this.#doubts.now - intent.at < CREATE_DOUBT_MS) this.#want(item.id);
    }
    return undefined;
  }

  #nodeOf(id: ItemId): ItemKey | undefined {
    return this.#read.ids.get(id) ?? this.#fresh.get(id);
  }

  #rowNow(node: ItemKey): MirrorItem | undefined {
    const row = this.rows.get(node);
    return row === undefined ? this.#read.mirror.get(node) : (row ?? undefined);
  }

  #want(id: ItemId | undefined): void {
    if (id !== undefined) this.wanted.add(id);
  }
}

function isHash(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && a === b;
}

function sameRow(a: MirrorItem, b: MirrorItem): boolean {
  return (
    a.id === b.id &&
    a.parent === b.parent &&
    a.name === b.name &&
    a.kind === b.kind &&
    a.size === b.size &&
    a.mtime === b.mtime &&
    a.eTag === b.eTag &&
    a.cTag === b.cTag &&
    a.hash === b.hash &&
    a.opaque === b.opaque &&
    a.birth === b.birth &&
    a.webUrl === b.webUrl
  );
}
