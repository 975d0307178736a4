/** A OneDrive of a few functions, synchronous, for the apply tests: conditional changes, a feed of states by id, nothing lost. */
import type { CloudChange } from "../../src/model/change.ts";
import { cTag, eTag, itemId, type CTag, type ETag, type ItemId } from "../../src/model/ids.ts";
import type { CloudItem, Kind } from "../../src/model/item.ts";
import { alike } from "../world/plain-tree.ts";

type Refusal = "exists" | "changed" | "gone";
export type Reply = { ok: true; item: CloudItem } | { ok: false; why: Refusal };

export class SmallCloud {
  readonly items = new Map<ItemId, CloudItem>();
  readonly root = itemId("root");
  /** Ids in the order they changed; a cursor is a position in it. */
  readonly journal: ItemId[] = [];
  #serial = 0;

  constructor() {
    this.#put({ id: this.root, parentId: undefined, name: "root", kind: "folder", size: 0, mtime: 0, birth: 0 }, true);
  }

  create(parent: ItemId, name: string, made: { kind: Kind; hash?: string; mtime: number }): Reply {
    if (this.items.get(parent)?.kind !== "folder") return { ok: false, why: "gone" };
    if (this.at(parent, name)) return { ok: false, why: "exists" };
    const id = itemId(`id${++this.#serial}`);
    const file = made.hash === undefined ? { size: 0 } : { size: 1, hash: made.hash };
    return this.#put({ id, parentId: parent, name, kind: made.kind, mtime: made.mtime, birth: 0, ...file }, true);
  }

  update(id: ItemId, change: { name?: string; parentId?: ItemId; mtime?: number }, seen?: ETag | CTag): Reply {
    const item = this.items.get(id);
    if (!item || (change.parentId && !this.items.has(change.parentId))) return { ok: false, why: "gone" };
    if (seen !== undefined && item.eTag !== seen && item.cTag !== seen) return { ok: false, why: "changed" };
    const next = { ...item, ...change };
    const other = next.parentId && this.at(next.parentId, next.name);
    if (other && other.id !== id) return { ok: false, why: "exists" };
    for (let at = next.parentId; at; at = this.items.get(at)?.parentId)
      if (at === id) return { ok: false, why: "changed" };
    return this.#put(next, false);
  }

  write(id: ItemId, hash: string, mtime: number, seen?: CTag | ETag): Reply {
    const item = this.items.get(id);
    if (!item) return { ok: false, why: "gone" };
    if (seen !== undefined && item.cTag !== seen && item.eTag !== seen) return { ok: false, why: "changed" };
    return this.#put({ ...item, hash, size: 1, mtime }, true);
  }

  remove(id: ItemId, seen?: ETag): Refusal | undefined {
    const item = this.items.get(id);
    if (!item) return "gone";
    if (seen !== undefined && item.eTag !== seen) return "changed";
    for (const each of this.below(id)) {
      this.items.delete(each);
      this.journal.push(each);
    }
    return undefined;
  }

  below(id: ItemId): ItemId[] {
    const found = [id];
    for (const at of found) for (const item of this.items.values()) if (item.parentId === at) found.push(item.id);
    return found;
  }

  at(parent: ItemId, name: string): CloudItem | undefined {
    for (const item of this.items.values())
      if (item.parentId === parent && alike(item.name) === alike(name)) return item;
    return undefined;
  }

  change(id: ItemId): CloudChange {
    const item = this.items.get(id);
    return item ? { deleted: false, item } : { deleted: true, id };
  }

  /** Everything that changed since the cursor, as states of now. */
  since(cursor: number): { changes: CloudChange[]; cursor: number } {
    const ids = [...new Set(this.journal.slice(cursor))];
    return { changes: ids.map((id) => this.change(id)), cursor: this.journal.length };
  }

  path(id: ItemId): string {
    const item = this.items.get(id);
    return !item || item.parentId === undefined ? "" : `${this.path(item.parentId)}/${item.name}`;
  }

  #put(item: Omit<CloudItem, "eTag" | "cTag"> & { cTag?: CTag }, content: boolean): Reply {
    const n = ++this.#serial;
    const tag = content || item.cTag === undefined ? cTag(`"c:{${item.id}},${n}"`) : item.cTag;
    const guid = `{${Buffer.from(item.id).toString("hex")}}`;
    const next: CloudItem = { ...item, eTag: eTag(`"${guid},${n}"`), ...(item.kind === "file" ? { cTag: tag } : {}) };
    this.items.set(item.id, next);
    this.journal.push(item.id);
    return { ok: true, item: next };
  }
}
