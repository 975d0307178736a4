/**
 * The state of the service: drives, items by number, the sequence of changes, and what has to be made durable. It knows no
 * HTTP. Time comes from `now`, numbers from counters, so the same calls give the same world.
 *
 * Every change of an item ends in `touch`, which moves its tags, puts it at the end of its drive's journal and marks it for
 * the next `takeChanged`. Everything that happens between two `takeChanged` calls is one atomic step for persistence.
 */
import { collate } from "./names.ts";
import type { Blobs, Content } from "./content.ts";
import type { Drive } from "./drive.ts";
import { makeIds } from "./ids.ts";
import { newItem, type Actor, type Item } from "./item.ts";
import { Journal } from "./journal.ts";
import { mix } from "./mix.ts";
import type { Profile } from "./profile.ts";

const QUOTA_BYTES = 1024 ** 4;
export const SERVICE: Actor = { device: "service", app: "service" };

export interface WorldOptions {
  readonly profile: Profile;
  readonly seed: number;
  readonly blobs: Blobs;
  now(): number;
}

export class World {
  readonly profile: Profile;
  readonly seed: number;
  readonly blobs: Blobs;
  readonly drives: Drive[] = [];
  readonly #now: () => number;
  readonly #items: (Item | undefined)[] = [];
  readonly #uses = new Map<number, number>();
  #changed = new Set<Item>();
  #dropped: number[] = [];
  #lastNum = 0;
  #lastSeq = 0;
  #lastDeletion = 0;
  #answers = 0;
  /** Called after each change; faults use it to remember earlier states. */
  onTouch: ((item: Item) => void) | undefined;

  constructor(options: WorldOptions) {
    this.profile = options.profile;
    this.seed = options.seed;
    this.blobs = options.blobs;
    this.#now = options.now;
    this.#addDrive("Test Person");
    this.#addDrive("Other Person");
  }

  /** The service's time, as precise as the profile keeps it. */
  now(): number {
    return this.precise(this.#now());
  }

  /** Unrounded milliseconds, for ages and expiry. */
  clockMs(): number {
    return this.#now();
  }

  precise(ms: number): number {
    return this.profile.wholeSeconds ? Math.floor(ms / 1000) * 1000 : Math.floor(ms);
  }

  get main(): Drive {
    return this.drives[0]!;
  }

  get seq(): number {
    return this.#lastSeq;
  }

  item(num: number): Item | undefined {
    return this.#items[num];
  }

  /** The live or binned item of an id. */
  byId(drive: Drive, id: string): Item | undefined {
    const num = drive.ids.parseItemId(id);
    const item = num === undefined ? undefined : this.#items[num];
    return item?.drive === drive ? item : undefined;
  }

  /** Makes an item and puts it in its parent; the name must be free. */
  add(parent: Item, name: string, make: { content: Content | null; by: Actor }): Item {
    const item = newItem({ num: ++this.#lastNum, drive: parent.drive, parent, name, at: this.now(), ...make });
    this.#items[item.num] = item;
    if (item.content) this.hold(item.content);
    this.attach(item, parent);
    return item;
  }

  /** For loading: makes an item known by its number, without a place; counters go on behind it. */
  enlist(item: Item): void {
    this.#items[item.num] = item;
    this.#lastNum = Math.max(this.#lastNum, item.num);
    this.#lastSeq = Math.max(this.#lastSeq, item.seq);
    this.#lastDeletion = Math.max(this.#lastDeletion, item.binned);
  }

  allItems(): readonly (Item | undefined)[] {
    return this.#items;
  }

  /** The number the next item will have. */
  nextNum(): number {
    return this.#lastNum + 1;
  }

  /** Counts answers, for their request ids. */
  nextAnswer(): number {
    return ++this.#answers;
  }

  newDeletion(): number {
    return ++this.#lastDeletion;
  }

  attach(item: Item, parent: Item): void {
    parent.children!.set(collate(item.name), item);
    item.parent = parent;
    this.grow(parent, item.size);
  }

  detach(item: Item): void {
    const parent = item.parent!;
    parent.children!.delete(collate(item.name));
    this.grow(parent, -item.size);
  }

  /** Adds to the sizes from `folder` up to the root. */
  grow(folder: Item, bytes: number): void {
    if (bytes === 0) return;
    for (let at: Item | null = folder; at; at = at.parent) at.size += bytes;
  }

  /** Records a change of the item itself. */
  touch(item: Item, by?: Actor): void {
    item.changes++;
    item.modified = this.now();
    if (by) item.modifiedBy = by;
    this.note(item);
  }

  /** Puts the item at the end of the journal as it now is. */
  note(item: Item): void {
    item.seq = ++this.#lastSeq;
    item.drive.journal.append(item, this.#now());
    this.#changed.add(item);
    if (this.profile.folderCTag) this.#moveFolderTags(item);
    this.onTouch?.(item);
  }

  hold(content: Content): void {
    if (content.kind === "stored" && content.blob > 0)
      this.#uses.set(content.blob, (this.#uses.get(content.blob) ?? 0) + 1);
  }

  /** One use less; the bytes go when the last use is gone and that is durable. */
  release(content: Content): void {
    if (content.kind !== "stored" || content.blob === 0) return;
    const left = (this.#uses.get(content.blob) ?? 1) - 1;
    if (left > 0) return void this.#uses.set(content.blob, left);
    this.#uses.delete(content.blob);
    this.#dropped.push(content.blob);
  }

  forgetUses(): void {
    this.#uses.clear();
  }

  usedBlobs(): ReadonlySet<number> {
    return new Set(this.#uses.keys());
  }

  /** What changed since the last call, to be made durable in one step. */
  takeChanged(): ReadonlySet<Item> {
    const changed = this.#changed;
    if (changed.size > 0) this.#changed = new Set();
    return changed;
  }

  /** Removes bytes nothing refers to; call when the step that let go of them is durable. */
  dropUnused(): void {
    if (this.#dropped.length === 0) return;
    for (const blob of this.#dropped) this.blobs.drop(blob);
    this.#dropped = [];
  }

  #moveFolderTags(item: Item): void {
    for (let at = item.parent; at; at = at.parent) {
      at.contentChanges++;
      this.#changed.add(at);
    }
  }

  #addDrive(owner: string): void {
    const index = this.drives.length;
    const num = ++this.#lastNum;
    const ids = makeIds(this.profile, mix(this.seed, index, 41), num);
    const drive = { index, ids, owner, journal: new Journal(), bin: new Set<Item>(), quotaBytes: QUOTA_BYTES };
    const root = newItem({
      num,
      drive: drive as unknown as Drive,
      parent: null,
      name: "root",
      content: null,
      at: this.now(),
      by: SERVICE,
    });
    this.#items[num] = root;
    const whole = Object.assign(drive, { root });
    this.drives.push(whole);
    this.note(root);
  }
}
