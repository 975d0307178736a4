/** `check` on bytes: rot in clean ones goes and is fetched again, rot in unpushed ones is told and stays, orphans are told. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { identities } from "../../src/content/identity.ts";
import { blobId, type ItemKey } from "../../src/model/ids.ts";
import type { LocalItem } from "../../src/model/item.ts";
import { changeTrees, viewLocal } from "../../src/store/tree.ts";
import { equal, noise, value } from "../contract/content-world.ts";
import { onDisk, type DiskWorld } from "./disk-world.ts";

const never = new AbortController().signal;

function cacheFile(disk: DiskWorld, node: number): string {
  const folder = join(disk.cacheDir, (node % 256).toString(16).padStart(2, "0"));
  return join(
    folder,
    readdirSync(folder).find((name) => name.startsWith(`${node}.`))!,
  );
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 4;
  writeFileSync(path, bytes);
}

async function problems(disk: DiskWorld): Promise<readonly { what: string; mended: boolean }[]> {
  const verified = await disk.content.verify(never);
  assert.equal(verified.complete, true);
  return verified.problems;
}

onDisk(
  "content/verify: a flipped bit in clean bytes is found, the bytes go, and the next read fetches them again",
  {},
  async (disk) => {
    const [small, large] = [noise(50_000, 1), noise(700_000, 2)];
    const nodes = [disk.world.cloud("small", small), disk.world.cloud("large", large)] as const;
    for (const node of nodes) value(await disk.content.hydrate(node));
    assert.deepEqual(await problems(disk), []);
    for (const node of nodes) flip(cacheFile(disk, node), 40_000);
    const open = disk.content.open(nodes[1]);
    const found = await problems(disk);
    assert.equal(found.length, 2);
    assert.ok(found.every(({ mended, what }) => mended && /damaged/.test(what)));
    assert.equal(disk.content.have(nodes[0]), "none");
    equal(value(await open.read(0, large.length)), large);
    equal(await disk.world.read(nodes[0]), small);
    await open.close();
    assert.deepEqual(await problems(disk), []);
  },
);

onDisk("content/verify: bytes that the service describes wrongly are not taken for rot", {}, async (disk) => {
  const node = disk.world.cloud("photo.heic", noise(50_000, 1), { hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" });
  value(await disk.content.hydrate(node));
  assert.equal(disk.content.have(node), "all");
  assert.deepEqual(await problems(disk), []);
  flip(cacheFile(disk, node), 7);
  assert.equal((await problems(disk)).length, 1);
});

onDisk("content/verify: an emptied cache is no problem", {}, async (disk) => {
  const bytes = noise(50_000, 1);
  const node = disk.world.cloud("a", bytes);
  value(await disk.content.hydrate(node));
  rmSync(disk.cacheDir, { recursive: true });
  assert.deepEqual(await problems(disk), []);
  equal(await disk.world.read(node), bytes);
});

onDisk("content/verify: unpushed bytes that were damaged, cut or lost are told and never dropped", {}, async (disk) => {
  const names = ["flipped", "cut", "gone", "fine"];
  const blobs: number[] = [];
  for (const name of names) {
    const node = await disk.world.create(name);
    await disk.world.write(node, noise(300_000, blobs.length));
    blobs.push(disk.world.blobOf(node));
    value(await disk.content.freeze(disk.world.blobOf(node)));
  }
  assert.deepEqual(await problems(disk), []);
  const path = (index: number): string => join(disk.stateDir, "blobs", String(blobs[index]));
  flip(path(0), 123_456);
  writeFileSync(path(1), readFileSync(path(1)).subarray(0, 1000));
  rmSync(path(2));
  const found = await problems(disk);
  assert.equal(found.length, 3);
  assert.ok(found.every(({ mended }) => !mended));
  assert.match(found[0]!.what, /damaged/);
  assert.match(found[1]!.what, /1000 of 300000/);
  assert.match(found[2]!.what, /not there/);
  assert.deepEqual(readdirSync(join(disk.stateDir, "blobs")).length, 3);
});

onDisk("content/verify: what says the wrong thing of itself is described again; orphans are told", {}, async (disk) => {
  const node = await disk.world.create("a");
  await disk.world.write(node, noise(1000));
  const blob = disk.world.blobOf(node);
  const path = join(disk.stateDir, "blobs", String(blob));
  await disk.world.store.barrier();
  await identities(() => undefined).write(path, { node: 77, blob: 99 });
  const clean = disk.world.cloud("clean", noise(10));
  value(await disk.content.hydrate(clean));
  const stray = cacheFile(disk, clean).replace(/[^.]*$/, "0123456789ab");
  writeFileSync(stray, "nobody's");
  appendFileSync(join(disk.stateDir, "blobs/900000"), "nobody's either");
  const found = await problems(disk);
  assert.deepEqual(
    found.map(({ what, mended }) => [/900000|0123456789ab/.exec(what)?.[0], mended]),
    [
      ["900000", false],
      ["0123456789ab", true],
    ],
  );
  await disk.world.store.barrier();
  assert.equal((await identities(() => undefined).read(path))?.node, node);
});

onDisk("content/verify: bytes that are here in part go when they are cut short or became holes", {}, async (disk) => {
  const bytes = noise(3_000_000, 5);
  const node = disk.world.cloud("large", bytes);
  const source = disk.content.open(node);
  const part = async (): Promise<string> => {
    equal(value(await source.read(0, 1000)), bytes.subarray(0, 1000));
    equal(value(await source.read(2_000_000, 1000)), bytes.subarray(2_000_000, 2_001_000));
    assert.equal(disk.content.have(node), "some");
    // What is on its way is not looked at.
    for (let look = 0; look < 500 && (await disk.content.verify(never)).bytes === 0; look++)
      await new Promise((done) => setTimeout(done, 5));
    return cacheFile(disk, node);
  };
  await part();
  assert.deepEqual(await problems(disk), []);
  truncateSync(await part(), 100_000);
  assert.match((await problems(disk)).map(({ what }) => what).join(), /100000 of .* bytes long/);
  assert.equal(disk.content.have(node), "none");
  const path = await part();
  const { size } = statSync(path);
  truncateSync(path, 0);
  truncateSync(path, size);
  assert.match((await problems(disk)).map(({ what }) => what).join(), /holes/);
  await part();
  assert.deepEqual(await problems(disk), []);
  await source.close();
});

onDisk("content/verify: bytes that may still change can be read, and belong to a file", {}, async (disk) => {
  const node = await disk.world.create("a");
  await disk.world.write(node, noise(400_000));
  const verified = await disk.content.verify(never);
  assert.deepEqual(verified.problems, []);
  assert.equal(verified.bytes, 400_000, "they were read");
  const path = join(disk.stateDir, "blobs", String(disk.world.blobOf(node)));
  rmSync(path);
  mkdirSync(path); // opens, is long enough, and gives no bytes
  truncateLocal(disk, node);
  assert.match((await problems(disk)).map(({ what }) => what).join(), /cannot be read/);
  rmSync(path, { recursive: true });
  writeFileSync(path, noise(400_000));
  disk.world.store.transact((tx) => tx.blobs.put(blobId(60), { node, size: 0, state: "open" }));
  writeFileSync(join(disk.stateDir, "blobs", "60"), "nobody's");
  assert.match((await problems(disk)).map(({ what }) => what).join(), /belong to no file/);
});

/** The Local row says that the file is empty. */
function truncateLocal(disk: DiskWorld, node: ItemKey): void {
  const { kind, parent, name, mtime, content } = viewLocal(disk.world.store.read, node)!;
  const row = { kind, parent, name, mtime, content: { ...content, size: 0 } } as LocalItem;
  disk.world.store.transact((tx) => changeTrees(tx, new Map([[node, { local: row }]])));
}
