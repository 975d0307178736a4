/**
 * Several devices and a web user on one cloud, from a seed: acts, pulls, pushes, lost answers and deaths in any order; then quiet. At
 * the end all say the same, every content nobody knowingly overwrote or deleted is there once, and every item nobody deleted lives.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { ROOT, type ItemId } from "../../src/model/ids.ts";
import { SmallCloud } from "./small-cloud.ts";
import { SmallDevice } from "./small-device.ts";

const NAMES = ["a", "b", "C", "c", "ä", "d.txt"];
const QUIET = { lost: 0, die: 0 };

class World {
  readonly cloud = new SmallCloud();
  readonly devices: SmallDevice[];
  readonly random: Random;
  readonly made = new Set<string>();
  readonly destroyed = new Set<string>();
  readonly deleted = new Set<ItemId>();
  readonly trace: string[] = [];
  #serial = 0;

  constructor(seed: number, devices: number) {
    this.random = seededRandom(seed);
    this.devices = Array.from({ length: devices }, (_, index) => new SmallDevice(`pc${index}`, this.cloud));
    for (let i = 0; i < 6; i++) this.web();
    for (const device of this.devices) device.trace = (line) => void this.trace.push(line);
    for (const device of this.devices) device.pull(this.random);
  }

  content(): string {
    const hash = `h${++this.#serial}x`;
    this.made.add(hash);
    return hash;
  }

  destroy(hash: string | undefined): void {
    if (hash !== undefined) this.destroyed.add(hash);
  }

  web(): void {
    const { random, cloud } = this;
    const items = [...cloud.items.values()];
    const item = random.pick(items);
    const folder = random.pick(items.filter(({ kind }) => kind === "folder"));
    const name = random.pick(NAMES);
    const what = random.below(7);
    this.trace.push(`web ${what} ${cloud.path(item.id)} ${cloud.path(folder.id)}/${name}`);
    if (what < 2) {
      const hash = what === 0 ? this.content() : undefined;
      const made = cloud.create(folder.id, name, {
        kind: hash ? "file" : "folder",
        mtime: 7_000 + this.#serial,
        ...(hash ? { hash } : {}),
      });
      if (!made.ok) this.made.delete(hash ?? "");
    } else if (item.parentId === undefined) return;
    else if (what < 4) cloud.update(item.id, { parentId: folder.id, name });
    else if (what === 4 && item.kind === "file") {
      this.destroy(item.hash);
      cloud.write(item.id, this.content(), 8_000 + this.#serial);
    } else if (what === 5) cloud.update(item.id, { mtime: 9_000 + ++this.#serial });
    else if (what === 6 && random.next() < 0.5) {
      for (const id of cloud.below(item.id)) {
        this.destroy(cloud.items.get(id)?.hash);
        this.deleted.add(id);
      }
      cloud.remove(item.id);
    }
  }

  act(device: SmallDevice): void {
    const { random } = this;
    const nodes = device.nodes();
    const node = random.pick(nodes);
    const view = device.view(node);
    const folder = random.pick(nodes.filter((each) => each === ROOT || device.view(each)?.kind === "folder"));
    const name = random.pick(NAMES);
    const what = random.below(7);
    this.trace.push(`${device.name} ${what} ${node}(${view?.name}) ${folder}/${name}`);
    if (what < 2) {
      if (device.isFree(folder, name)) device.make(folder, name, what === 0 ? this.content() : undefined);
    } else if (!view || node === ROOT) return;
    else if (what < 4) {
      for (let at = folder; at !== ROOT; at = device.view(at)!.parent) if (at === node) return;
      if (device.isFree(folder, name, node)) device.move(node, folder, name);
    } else if (what === 4 && view.kind === "file") {
      this.destroy(device.hashOf(node));
      device.write(node, this.content());
    } else if (what === 5 && view.kind === "file") device.touch(node);
    else if (what === 6 && random.next() < 0.6) {
      for (const each of subtree(device, node)) {
        this.destroy(device.hashOf(each));
        const id = device.view(each)?.mirror?.id;
        if (id) this.deleted.add(id);
      }
      device.remove(node);
    }
  }

  step(): void {
    const { random } = this;
    const device = random.pick(this.devices);
    const what = random.below(10);
    if (what < 4) this.act(device);
    else if (what < 5) this.web();
    else if (what < 6) device.pull(random);
    else device.push(random, { lost: 0.1, die: 0.1 });
    device.check();
  }

  settle(): void {
    for (let round = 0; round < 200; round++) {
      let busy = false;
      for (const device of this.devices) {
        device.pull(this.random);
        for (let steps = 0; device.push(this.random, QUIET); steps++) {
          busy = true;
          assert.ok(steps < 500, "pushing ends");
        }
        device.check();
      }
      if (!busy && round > 1) return;
    }
    assert.fail("the devices never come to rest");
  }

  verify(): void {
    const inCloud = new Map(
      [...this.cloud.items.values()]
        .filter(({ parentId }) => parentId)
        .map((item) => [this.cloud.path(item.id), item.hash ?? "/"]),
    );
    for (const device of this.devices) {
      assert.equal(device.store.read.local.count, 0, `${device.name} has nothing left to say`);
      assert.equal(device.store.read.ops.count, 0, `${device.name} has an empty log`);
      assert.equal(device.store.read.intents.count + device.store.read.parks.count, 0);
      const here = new Map<string, string>();
      const path = (node: ReturnType<SmallDevice["nodes"]>[number]): string =>
        node === ROOT ? "" : `${path(device.view(node)!.parent)}/${device.view(node)!.name}`;
      for (const node of device.nodes()) if (node !== ROOT) here.set(path(node), device.hashOf(node) ?? "/");
      assert.deepEqual(
        Object.fromEntries(here),
        Object.fromEntries(inCloud),
        `${device.name} shows what the cloud has`,
      );
    }
    const found = [...inCloud.values()].filter((hash) => hash !== "/");
    for (const hash of this.made)
      if (!this.destroyed.has(hash)) assert.ok(found.includes(hash), `S1: ${hash} is there`);
    assert.equal(new Set(found).size, found.length, "S2: every content is there once");
    for (const path of inCloud.keys()) assert.ok(!path.includes(".od-park-"), "S9: no parking name is left");
  }
}

function subtree(device: SmallDevice, node: ReturnType<SmallDevice["nodes"]>[number]) {
  const inside = new Set([node]);
  for (const each of device.nodes())
    if (inside.has(device.view(each)?.parent ?? ROOT) && each !== ROOT) inside.add(each);
  return inside;
}

const first = Number(process.env["APPLY_SEED"] ?? 1);
const seeds = Number(process.env["APPLY_SEEDS"] ?? 60);

for (const devices of [1, 2, 3])
  test(`${devices} devices and a web user come to the same tree (apply B1, apply B10, apply B12), seeds ${first} to ${first + seeds - 1}`, () => {
    const merged = { news: 0, apart: 0 };
    for (let seed = first; seed < first + seeds; seed++) {
      const world = new World(seed, devices);
      try {
        for (let step = 0; step < 60; step++) world.step();
        world.settle();
        world.verify();
        for (const device of world.devices) {
          merged.news += device.merged.news;
          merged.apart += device.merged.apart;
        }
      } catch (error) {
        throw new Error(`seed ${seed}, ${devices} devices: ${String(error)}\n${world.trace.join("\n")}`, {
          cause: error,
        });
      }
    }
    assert.ok(merged.apart > seeds / 4 && merged.apart < merged.news, `${merged.apart} of ${merged.news} were apart`);
  });
