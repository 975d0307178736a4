/**
 * Random acts of persons on devices and of somebody in the browser, with a ledger: every write has bytes of its own, and each act
 * notes the contents and the items that its actor could see and did away with.
 */
import type { Random } from "../../src/base/random.ts";
import { parkedOriginal } from "../../src/model/name.ts";
import { isGone, viewLocal } from "../../src/store/tree.ts";
import type { Device } from "./device.ts";
import type { World } from "./world.ts";

const NAMES = ["a", "b", "c", "D", "e.txt"];

export class Ledger {
  readonly made = new Set<string>();
  readonly destroyed = new Set<string>();
  /** Ids of items that somebody deleted. */
  readonly ended = new Set<string>();
  /** Devices that deleted an item whose id they did not know yet. */
  readonly loose = new Set<string>();
  /** Moved by somebody else than who wrote them. */
  readonly wandered = new Set<string>();
  /** By device: made since its last barrier, so a power cut may take it away. */
  readonly #unsure = new Map<string, Set<string>>();
  #serial = 0;

  wander(actor: string, texts: Iterable<string>): void {
    for (const text of texts) if (!text.startsWith(`${actor} `)) this.wandered.add(text);
  }

  /** What was made since then may never have been written. */
  doubt(since: number): void {
    this.destroy([...this.made].slice(since));
  }

  content(actor: string): string {
    const text = `${actor} wrote ${++this.#serial}`;
    this.made.add(text);
    if (actor !== "web") this.#unsure.set(actor, (this.#unsure.get(actor) ?? new Set()).add(text));
    return text;
  }

  destroy(contents: Iterable<string>): void {
    for (const text of contents) this.destroyed.add(text);
  }

  end(device: Device, path: string): void {
    const { read } = device.store;
    for (const each of [path, ...pathsBelow(device, path)]) {
      const id = read.mirror.get(device.at(each))?.id;
      if (id === undefined) this.loose.add(device.name);
      else this.ended.add(id);
    }
  }

  synced(device: string): void {
    this.#unsure.delete(device);
  }

  lostPower(device: string): void {
    this.destroy(this.#unsure.get(device) ?? []);
    this.synced(device);
  }
}

/** All folders and files of a device, as its person sees them. */
function look(device: Device): { folders: string[]; files: string[] } {
  const folders = [""];
  const files: string[] = [];
  for (let i = 0; i < folders.length; i++) {
    for (const name of device.names(folders[i])) {
      const path = folders[i] === "" ? name : `${folders[i]}/${name}`;
      const kind = viewLocal(device.store.read, device.at(path))?.kind;
      (kind === "folder" ? folders : files).push(path);
    }
  }
  return { folders, files };
}

function pathsBelow(device: Device, path: string): string[] {
  const { folders, files } = look(device);
  return [...folders, ...files].filter((each) => each.startsWith(`${path}/`));
}

function isWithin(path: string, top: string): boolean {
  return path === top || path.startsWith(`${top}/`);
}

/** What a path shows, without the network: the bytes here, or those the cloud has had. */
function textsAt(world: World, device: Device, path: string): string[] {
  const node = device.at(path);
  const row = device.store.read.local.get(node);
  if (row && !isGone(row) && row.content.from === "blob")
    return [Buffer.from(device.content.disk.blobs.get(row.content.blob)?.bytes ?? []).toString()];
  const mirror = device.store.read.mirror.get(node);
  return mirror ? world.view.texts(mirror.id, mirror.hash) : [];
}

function textsBelow(world: World, device: Device, path: string): string[] {
  const { files } = look(device);
  return files.filter((file) => isWithin(file, path)).flatMap((file) => textsAt(world, device, file));
}

/** One act of the person at a device; faults of the filesystem (a name that is taken, a folder in itself) are no news. */
export async function actHere(world: World, device: Device, ledger: Ledger, random: Random): Promise<string> {
  const { folders, files } = look(device);
  const place = (): string => {
    const folder = random.pick(folders);
    const name = random.pick(NAMES);
    return folder === "" ? name : `${folder}/${name}`;
  };
  const kind = random.below(13);
  if (kind < 3 || (files.length === 0 && kind !== 5 && kind < 8)) {
    const path = place();
    if (device.find(path) !== undefined) return "";
    const text = ledger.content(device.name);
    if (!(await device.create(path, text))) ledger.destroy([text]);
    return `${device.name} makes ${path}`;
  }
  if (kind < 5) {
    const path = random.pick(files);
    ledger.destroy(textsAt(world, device, path));
    await device.write(path, ledger.content(device.name));
    return `${device.name} writes ${path}`;
  }
  if (kind === 5) {
    const path = place();
    if (device.find(path) !== undefined || path.split("/").length > 3) return "";
    await device.mkdir(path);
    return `${device.name} makes folder ${path}`;
  }
  if (files.length + folders.length === 1) return "";
  if (kind >= 10 && files.length > 0) return rarely(world, { device, ledger, random, files }, kind);
  if (kind < 8) return move(world, { device, ledger, from: random.pick([...files, ...folders.slice(1)]), to: place() });
  const path = random.pick([...files, ...files, ...folders.slice(1)]);
  ledger.destroy(textsBelow(world, device, path));
  ledger.end(device, path);
  await device.remove(path);
  return `${device.name} removes ${path}`;
}

interface Person {
  readonly device: Device;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly files: readonly string[];
}

/** What editors do: a save by rename, two names swapped, a time set. */
async function rarely(world: World, { device, ledger, random, files }: Person, kind: number): Promise<string> {
  const path = random.pick(files);
  if (kind === 10) {
    await device.touch(path, 1_700_000_000 + random.below(1_000_000));
    return `${device.name} sets the time of ${path}`;
  }
  const aside = `${path}.new`;
  if (device.find(aside) !== undefined) return "";
  if (kind === 11) {
    if (!(await device.create(aside, ledger.content(device.name)))) return "";
    const told = await move(world, { device, ledger, from: aside, to: path });
    return told && `${device.name} saves ${path} by rename`;
  }
  const other = random.pick(files);
  // Who gives a file a name of ours for good, does so on purpose.
  if (other === path || [path, other].some((each) => parkedOriginal(each) !== undefined)) return "";
  await device.rename(path, aside);
  await device.rename(other, path);
  await device.rename(aside, other);
  return `${device.name} swaps ${path} and ${other}`;
}

async function move(
  world: World,
  { device, ledger, from, to }: { device: Device; ledger: Ledger; from: string; to: string },
): Promise<string> {
  const target = device.find(to);
  const read = device.store.read;
  const source = device.at(from);
  if (to.startsWith(`${from}/`) || to.toLowerCase() === from.toLowerCase()) return "";
  if (target !== undefined) {
    const kinds = [viewLocal(read, source)?.kind, viewLocal(read, target)?.kind];
    if (kinds[0] !== "file" || kinds[1] !== "file") return "";
    ledger.destroy(textsAt(world, device, to));
    // A rename over a file is one save: which of the two items goes on depends on what the cloud knows of them.
    ledger.end(device, to);
    ledger.end(device, from);
  }
  ledger.wander(device.name, textsBelow(world, device, from));
  await device.rename(from, to);
  return `${device.name} moves ${from} to ${to}`;
}

/** One act of somebody who sees the cloud itself. */
export function actThere(world: World, ledger: Ledger, random: Random): string {
  const { view } = world;
  const rows = view.tree();
  const folders = ["", ...rows.filter((row) => row.text === undefined).map((row) => row.path)];
  const folder = random.pick(folders);
  const path = folder === "" ? random.pick(NAMES) : `${folder}/${random.pick(NAMES)}`;
  const there = rows.find((row) => row.path.toLowerCase() === path.toLowerCase());
  const kind = random.below(8);
  if (kind < 4) {
    if (there && there.text === undefined) return "";
    const text = ledger.content("web");
    const done = view.put(path, text);
    ledger.destroy(done ? (there?.text === undefined ? [] : [there.text]) : [text]);
    return done ? `web writes ${path}` : "";
  }
  if (rows.length === 0) return "";
  const row = random.pick(rows);
  if (kind < 6) {
    if (there || path.startsWith(`${row.path}/`)) return "";
    ledger.wander(
      "web",
      rows.flatMap((each) => (isWithin(each.path, row.path) && each.text ? [each.text] : [])),
    );
    return view.move(row.path, path) ? `web moves ${row.path} to ${path}` : "";
  }
  if (kind === 6 && !there) {
    return view.mkdir(path) ? `web makes folder ${path}` : "";
  }
  const gone = rows.filter((each) => isWithin(each.path, row.path));
  if (!view.remove(row.path)) return "";
  ledger.destroy(gone.flatMap(({ text }) => (text === undefined ? [] : [text])));
  for (const { id } of gone) ledger.ended.add(id);
  return `web removes ${row.path}`;
}
