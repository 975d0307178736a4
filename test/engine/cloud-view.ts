/**
 * The cloud as a person in the browser sees and changes it, whichever cloud it is: paths, texts, ids. What the service itself adds to a
 * file (its marks) is left out of the texts.
 */
import { Defect } from "../../src/base/assert.ts";
import { createFolder, occupant, removeItem, updateItem, writeSlot, type Slot } from "../../src/sim/mutate.ts";
import { pathOf, subtree, type Item } from "../../src/sim/item.ts";
import { eTagOf } from "../../src/sim/item-json.ts";
import { Refusal } from "../../src/sim/refusal.ts";
import type { Sim } from "../../src/sim/sim.ts";
import type { FakeCloud } from "../support/fake-cloud.ts";

export interface SeenItem {
  readonly path: string;
  readonly id: string;
  readonly tag: string;
  readonly createdBy: string;
  /** Undefined for folders. */
  readonly text: string | undefined;
  /** The service has changed the bytes; `text` is without that. */
  readonly marked: boolean;
}

export interface CloudView {
  readonly lagMs: number;
  tree(): readonly SeenItem[];
  /** False: the service refused (a lock, a full drive); nothing has changed. */
  put(path: string, text: string): boolean;
  mkdir(path: string): boolean;
  move(from: string, to: string): boolean;
  remove(path: string): boolean;
  /** Every text an item ever had; with a hash, those with it. */
  texts(id: string, hash: string | undefined): string[];
}

export function viewOfFake(cloud: FakeCloud): CloudView {
  const web = cloud.as("web");
  const text = (bytes: Uint8Array): string => plain(Buffer.from(bytes).toString());
  return {
    get lagMs() {
      return cloud.knobs.lagMs;
    },
    tree: () =>
      cloud.tree().map(({ path, item, createdBy, bytes }) => ({
        path,
        id: item.id,
        tag: item.eTag ?? "",
        createdBy,
        text: bytes && text(bytes),
        marked: false,
      })),
    put: (path, content) => allowed(() => web.put(path, content)),
    mkdir: (path) => allowed(() => web.mkdir(path)),
    move: (from, to) => allowed(() => web.move(from, to)),
    remove: (path) => allowed(() => web.remove(path)),
    texts(id, hash) {
      const all = hash === undefined ? cloud.versions(id as never) : cloud.everyVersion();
      return all.filter((each) => hash === undefined || each.hash === hash).map((each) => text(each.bytes));
    },
  };
}

const WEB = { device: "web", app: "browser" };

export function viewOfSim(sim: Sim): CloudView {
  const { world } = sim;
  const rawOf = (content: Item["content"]): string =>
    content?.kind === "stored" && content.blob > 0 ? Buffer.from(world.blobs.bytes(content.blob)).toString() : "";
  const textOf = (content: Item["content"]): string => plain(rawOf(content));
  const find = (path: string): Item | undefined => {
    let item: Item | undefined = world.main.root;
    for (const name of path.split("/").filter(Boolean)) item = item && occupant({ parent: item, name });
    return item;
  };
  const slot = (path: string): Slot => {
    const names = path.split("/");
    const name = names.pop() ?? "";
    let parent: Item = world.main.root;
    for (const each of names)
      parent =
        occupant({ parent, name: each }) ??
        createFolder(world, { parent, name: each }, { conflict: "fail", by: WEB }).item;
    return { parent, name };
  };
  const existing = (path: string): Item => {
    const item = find(path);
    if (!item) throw new Error(`${path} is not in the cloud`);
    return item;
  };
  const living = (): Item[] => [...subtree(world.main.root)].filter((item) => item.parent);
  const step = (change: () => void): boolean => {
    const done = allowed(change);
    sim.commit();
    return done;
  };
  return {
    lagMs: 0,
    tree: () =>
      living()
        .map((item) => ({
          path: pathOf(item),
          id: item.drive.ids.itemId(item.num),
          tag: eTagOf(item, world),
          createdBy: item.createdBy.device,
          text: item.content ? textOf(item.content) : undefined,
          marked: rawOf(item.content) !== textOf(item.content),
        }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    put: (path, text) =>
      step(
        () => void writeSlot(world, slot(path), world.blobs.store(Buffer.from(text)), { conflict: "replace", by: WEB }),
      ),
    mkdir: (path) => step(() => void createFolder(world, slot(path), { conflict: "fail", by: WEB })),
    move: (from, to) =>
      step(() => {
        const item = existing(from);
        const times = { modified: item.clientModified };
        updateItem(world, item, { ...slot(to), times }, { conflict: "fail", by: WEB });
      }),
    remove: (path) => step(() => removeItem(world, existing(path), WEB)),
    texts(id, hash) {
      const items = world
        .allItems()
        .filter((item) => item?.content && (hash !== undefined || item.drive.ids.itemId(item.num) === id));
      const contents = items.flatMap((item) => [
        ...(item?.extra?.versions ?? []).map((each) => each.content),
        item!.content!,
      ]);
      return contents.filter((each) => hash === undefined || sim.service.reader.hash(each) === hash).map(textOf);
    },
  };
}

function allowed(change: () => unknown): boolean {
  try {
    change();
    return true;
  } catch (error) {
    if (error instanceof Refusal || error instanceof Defect) return false;
    throw error;
  }
}

function plain(text: string): string {
  return text.replaceAll(/\n<!-- marked by the service: \d+ -->\n/g, "").replaceAll("<enriched/>", "");
}
