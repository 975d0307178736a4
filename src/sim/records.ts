/** How items are written down: one short JSON record holds an item's whole present state. */
import type { Content } from "./content.ts";
import { newItem, type Actor, type Extra, type Item, type Version } from "./item.ts";
import { collate } from "./names.ts";
import type { World } from "./world.ts";

type ContentRecord =
  readonly ["b", number, number, string] | readonly ["g", number, number] | readonly ["u", number, string];
type ActorRecord = readonly [string, string];

export interface ItemRecord {
  readonly i: number;
  readonly d: number;
  readonly p: number;
  readonly n: string;
  /** Changes, content changes, seq, deletion. */
  readonly k: readonly [number, number, number, number];
  /** Created, modified, client created, client modified. */
  readonly t: readonly [number, number, number, number];
  readonly a: readonly [ActorRecord, ActorRecord];
  readonly c?: ContentRecord;
  readonly v?: readonly (readonly [number, number, ActorRecord, ContentRecord])[];
  readonly x?: Omit<Extra, "versions">;
}

export function toRecord(item: Item): ItemRecord {
  const { versions, ...extra } = item.extra ?? {};
  return {
    i: item.num,
    d: item.drive.index,
    p: item.parent?.num ?? 0,
    n: item.name,
    k: [item.changes, item.contentChanges, item.seq, item.binned],
    t: [item.created, item.modified, item.clientCreated, item.clientModified],
    a: [fromActor(item.createdBy), fromActor(item.modifiedBy)],
    ...(item.content ? { c: fromContent(item.content) } : {}),
    ...(versions?.length
      ? {
          v: versions.map(
            (each) => [each.label, each.modified, fromActor(each.by), fromContent(each.content)] as const,
          ),
        }
      : {}),
    ...(Object.keys(extra).length > 0 ? { x: extra } : {}),
  };
}

/** Puts records, the last of each item, into a world that may hold populated items. */
export function applyRecords(world: World, records: Iterable<ItemRecord>): void {
  const changed: [Item, ItemRecord][] = [];
  for (const record of records) changed.push([applyFields(world, record), record]);
  for (const [item, record] of changed) {
    const parent = world.item(record.p) ?? null;
    item.parent = parent;
    if (parent && (item.binned === 0 || item.binned === parent.binned)) parent.children!.set(collate(item.name), item);
    else if (parent && !item.extra?.purged) item.drive.bin.add(item);
  }
  changed.sort(([a], [b]) => a.seq - b.seq);
  for (const [item] of changed) item.drive.journal.append(item, item.modified);
  recountSizes(world);
  recountUses(world);
}

function applyFields(world: World, record: ItemRecord): Item {
  const drive = world.drives[record.d]!;
  const content = record.c ? toContent(record.c) : null;
  const by = toActor(record.a[0]);
  const item =
    world.item(record.i) ??
    newItem({ num: record.i, drive, parent: null, name: record.n, content, at: record.t[0], by });
  const before = item.parent?.children;
  if (before?.get(collate(item.name)) === item) before.delete(collate(item.name));
  item.name = record.n;
  item.content = content;
  [item.changes, item.contentChanges, item.seq, item.binned] = record.k;
  [item.created, item.modified, item.clientCreated, item.clientModified] = record.t;
  item.createdBy = by;
  item.modifiedBy = toActor(record.a[1]);
  item.extra = toExtra(record);
  world.enlist(item);
  return item;
}

function toExtra(record: ItemRecord): Extra | null {
  if (!record.x && !record.v) return null;
  const versions = record.v?.map(([label, modified, by, content]): Version => ({
    label,
    modified,
    by: toActor(by),
    content: toContent(content),
  }));
  return { ...record.x, ...(versions ? { versions } : {}) };
}

function recountSizes(world: World): void {
  for (const item of world.allItems()) if (item) item.size = item.content?.size ?? 0;
  for (const item of world.allItems()) {
    const bytes = item?.content?.size ?? 0;
    if (!item || bytes === 0) continue;
    for (let at: Item | null = item.parent; at && at.binned === item.binned; at = at.parent) at.size += bytes;
  }
}

function recountUses(world: World): void {
  world.forgetUses();
  for (const item of world.allItems()) {
    if (!item || item.extra?.purged) continue;
    if (item.content) world.hold(item.content);
    for (const version of item.extra?.versions ?? []) world.hold(version.content);
  }
}

const actors = new Map<string, Actor>();

/** One object for each actor, however many items name it. */
function toActor([device, app]: ActorRecord): Actor {
  const key = `${device}\n${app}`;
  let actor = actors.get(key);
  if (!actor) actors.set(key, (actor = { device, app }));
  return actor;
}

function fromActor(actor: Actor): ActorRecord {
  return [actor.device, actor.app];
}

function fromContent(content: Content): ContentRecord {
  switch (content.kind) {
    case "stored":
      return ["b", content.blob, content.size, content.hash];
    case "made":
      return ["g", content.stamp, content.size];
    case "unkept":
      return ["u", content.size, content.hash];
  }
}

function toContent(record: ContentRecord): Content {
  switch (record[0]) {
    case "b":
      return { kind: "stored", blob: record[1], size: record[2], hash: record[3] };
    case "g":
      return { kind: "made", stamp: record[1], size: record[2] };
    case "u":
      return { kind: "unkept", size: record[1], hash: record[2] };
  }
}
