/**
 * What the store on disk costs. Prints one line per figure.
 * Run: node --import tsx native-notes/lmdb/speed.ts [ROWS]
 */
import { cpSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { blobId, folded, itemId, itemKey, opId, ROOT } from "../../src/model/ids.ts";
import type { MirrorItem } from "../../src/model/item.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import { changeTrees, localAt, viewLocal, type NodeChange } from "../../src/store/tree.ts";

const rows = Number(process.argv[2] ?? 100_000);
const folder = mkdtempSync(join(tmpdir(), "store-speed-"));
const line = (what: string, value: number, unit: string): void => console.log(`${what}: ${value.toFixed(2)} ${unit}`);

const mirror = (n: number): MirrorItem => ({
  id: itemId(`01ABCDEFGHIJKLMNOPQRSTUVWXYZ${n}`),
  parent: n < 1_000 ? ROOT : itemKey((n % 998) + 2),
  name: `some file name ${n}.txt`,
  kind: n < 1_000 ? "folder" : "file",
  size: n,
  mtime: 1_700_000_000 + n,
  birth: 1_700_000_000,
  eTag: `"{5E1C5B8C-3F5E-4B8C-9F5E-${n}},2"` as never,
  cTag: `"c:{5E1C5B8C-3F5E-4B8C-9F5E-${n}},2"` as never,
  hash: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
});

async function start(bootId: string, dir = folder) {
  const begun = performance.now();
  const opened = await openLmdbStore({ dir, bootId, clock: systemClock });
  if (!opened.ok) throw new Error(opened.fault.why);
  line(`open (${opened.value.recovered.how})`, performance.now() - begun, "ms");
  return opened.value.store;
}

function timed(what: string, count: number, act: (i: number) => void): void {
  const begun = performance.now();
  const cpu = process.cpuUsage();
  for (let i = 0; i < count; i++) act(i);
  const { user, system } = process.cpuUsage(cpu);
  line(what, ((performance.now() - begun) * 1_000) / count, `us (CPU ${((user + system) / count).toFixed(2)} us)`);
}

async function main(): Promise<void> {
  const store = await start("a");
  let begun = performance.now();
  for (let n = 2; n < rows + 2; n += 1_000) {
    store.transact((tx) => {
      const changes = new Map<ReturnType<typeof itemKey>, NodeChange>();
      for (let i = n; i < n + 1_000; i++) changes.set(itemKey(i), { mirror: mirror(i) });
      changeTrees(tx, changes);
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { user, system } = process.cpuUsage();
  line(
    `${rows} items in transactions of 1,000`,
    performance.now() - begun,
    `ms (CPU ${((user + system) / 1e3).toFixed(0)} ms)`,
  );
  begun = performance.now();
  await store.barrier();
  line("barrier after it", performance.now() - begun, "ms");
  line("database", statSync(`${folder}/store.mdb`).size / 1e6, "MB");

  timed("slot -> node -> view", 50_000, (i) => {
    const n = 2 + ((i * 7_919) % rows);
    const item = mirror(n);
    const node = localAt(store.read, item.parent, folded(item.name));
    if (node !== n || !viewLocal(store.read, node)) throw new Error(`lost ${n}`);
  });
  timed("transaction like a create (6 puts)", 10_000, (i) => {
    const node = itemKey(rows + 10 + i);
    store.transact((tx) => {
      tx.meta.put("nextNode", node + 1);
      tx.local.put(node, {
        kind: "file",
        parent: ROOT,
        name: `n${i}`,
        mtime: 1,
        content: { from: "blob", blob: blobId(i + 1), size: 0 },
      });
      tx.localSlots.put([ROOT, folded(`n${i}`)], node);
      tx.blobs.put(blobId(i + 1), { node, size: 0, state: "open" });
      tx.ops.put(opId(i + 1), {
        seq: opId(i + 1),
        op: { type: "createFile", node, parent: ROOT, name: `n${i}` },
        at: 1,
        status: { state: "pending" },
        tries: 0,
      });
      tx.nodeOps.put([node, i + 1], true);
    });
  });
  timed("transaction of one put", 10_000, (i) => store.transact((tx) => tx.listed.put(itemKey(1), i)));
  await store.barrier();
  begun = performance.now();
  for (let i = 0; i < 50; i++) {
    store.transact((tx) => tx.listed.put(itemKey(1), i));
    await store.barrier();
  }
  line("barrier of one commit", (performance.now() - begun) / 50, "ms");
  begun = performance.now();
  await store.close();
  line("close, with a checkpoint", performance.now() - begun, "ms");

  const kept = await start("a");
  kept.transact((tx) => tx.listed.put(itemKey(1), -1));
  cpSync(folder, `${folder}-killed`, { recursive: true });
  await kept.close();
  await afterKill(`${folder}-killed`);
  rmSync(`${folder}/store.mdb`);
  await (await start("b")).close();
}

/** After the death of a process the first barrier makes a checkpoint; the loop must not notice. */
async function afterKill(dir: string): Promise<void> {
  const store = await start("a", dir);
  let longest = 0;
  let last = performance.now();
  const tick = setInterval(() => {
    longest = Math.max(longest, performance.now() - last - 1);
    last = performance.now();
    store.transact((tx) => tx.listed.put(itemKey(1), last));
  }, 1);
  const begun = performance.now();
  await store.barrier();
  clearInterval(tick);
  line("first barrier after a kill (a checkpoint)", performance.now() - begun, "ms");
  line("longest stall of the loop meanwhile", longest, "ms");
  await store.close();
  rmSync(dir, { recursive: true });
}

main().finally(() => rmSync(folder, { recursive: true, force: true }));
