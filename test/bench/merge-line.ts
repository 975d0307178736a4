/**
 * How long a merge takes against the size of the drive: ten operations here (creates, moves, deletes) and ten changes there, on the
 * store on disk. Timed are taking the changes in (rebase, one transaction) and the plan with the strict executor after it. In
 * process; the median of several rounds.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { storeApply } from "../../src/apply/store-apply.ts";
import { systemClock } from "../../src/base/clock.ts";
import { cTag, eTag, itemId, itemKey, ROOT, type ItemKey } from "../../src/model/ids.ts";
import type { CloudItem, LocalItem, MirrorItem } from "../../src/model/item.ts";
import { append } from "../../src/oplog/oplog.ts";
import { openLmdbStore } from "../../src/store/lmdb-store.ts";
import type { Store, Writer } from "../../src/store/store.ts";
import { changeTrees, newNode, type NodeChange } from "../../src/store/tree.ts";

export const MERGE_SIZES = [10_000, 100_000, 1_000_000];
const PER_FOLDER = 1_000;
/** The first ones find nothing in memory. */
const ROUNDS = 41;

/** Milliseconds of a merge and of the plan after it. */
export async function measureMerge(items: number): Promise<{ mergeMs: number; planMs: number }> {
  const dir = mkdtempSync(join(tmpdir(), "onedrive-bench-merge-"));
  try {
    const opened = await openLmdbStore({ dir, bootId: "bench", clock: systemClock });
    if (!opened.ok) throw new Error(opened.fault.why);
    const { store } = opened.value;
    await fill(store, items);
    const apply = storeApply({ store, clock: systemClock, device: "bench" });
    actHere(store);
    const merges: number[] = [];
    const plans: number[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const changes = changedThere(items, round);
      const began = performance.now();
      const applied = apply.batch({ changes, cursor: `cursor-${round}` });
      const merged = performance.now();
      const planned = apply.plan();
      const ended = performance.now();
      if (!applied.ok || !planned.ok || planned.value.steps.length !== 10) throw new Error("the merge went wrong");
      merges.push(merged - began);
      plans.push(ended - merged);
    }
    await store.close();
    return { mergeMs: median(merges), planMs: median(plans) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const folderKey = (folder: number): ItemKey => itemKey(2 + folder * (PER_FOLDER + 1));
const fileFolder = (file: number): ItemKey => folderKey(Math.floor(file / PER_FOLDER));
const fileKey = (file: number): ItemKey => itemKey(fileFolder(file) + 1 + (file % PER_FOLDER));

async function fill(store: Store, items: number): Promise<void> {
  const root = row(ROOT, { name: "root", kind: "folder", parent: ROOT });
  store.transact((tx) => {
    changeTrees(tx, new Map([[ROOT, { mirror: root }]]));
    tx.meta.put("enumerated", true);
  });
  for (let folder = 0; folder < Math.ceil(items / PER_FOLDER); folder++) {
    const node = folderKey(folder);
    const rows: [ItemKey, NodeChange][] = [
      [node, { mirror: row(node, { name: `d${folder}`, kind: "folder", parent: ROOT }) }],
    ];
    for (let i = 0; i < PER_FOLDER && folder * PER_FOLDER + i < items; i++) {
      const file = itemKey(node + 1 + i);
      rows.push([file, { mirror: row(file, { name: `f${i}`, kind: "file", parent: node }) }]);
    }
    store.transact((tx) => changeTrees(tx, new Map(rows)));
    if (folder % 50 === 0) await store.barrier();
  }
  store.transact((tx) => tx.meta.put("nextNode", folderKey(Math.ceil(items / PER_FOLDER))));
}

function row(node: ItemKey, at: { name: string; kind: "file" | "folder"; parent: ItemKey }): MirrorItem {
  const file = at.kind === "file" ? { cTag: cTag(`c${node}`), hash: `hash-of-${node}` } : {};
  return {
    ...at,
    ...file,
    id: itemId(`ID!${node}`),
    eTag: eTag(`e${node}`),
    size: 100,
    mtime: 1_760_000_000,
    birth: 1_760_000_000,
  };
}

/** Four new folders, three moves, three deletes. */
function actHere(store: Store): void {
  store.transact((tx) => {
    const at = Date.now();
    for (let i = 0; i < 4; i++) {
      const node = newNode(tx);
      put(tx, node, {
        kind: "folder",
        parent: ROOT,
        name: `new-${i}`,
        mtime: 1_760_000_001,
        content: { from: "cloud" },
      });
      append(tx, { type: "createFolder", node, parent: ROOT, name: `new-${i}` }, at);
    }
    for (let i = 0; i < 3; i++) {
      const node = fileKey(i * 3_001);
      const was = tx.mirror.get(node)!;
      put(tx, node, {
        kind: "file",
        parent: folderKey(1),
        name: `moved-${i}`,
        mtime: was.mtime,
        content: { from: "cloud" },
      });
      const from = { fromParent: was.parent, fromName: was.name };
      append(tx, { type: "move", node, parent: folderKey(1), name: `moved-${i}`, ...from }, at);
      const gone = fileKey(i * 3_001 + 1);
      put(tx, gone, null);
      append(tx, { type: "deleteFile", node: gone }, at);
    }
  });
}

function put(tx: Writer, node: ItemKey, local: LocalItem | null): void {
  changeTrees(tx, new Map([[node, { local }]]));
}

/** Ten files all over the drive were written. */
function changedThere(items: number, round: number): { deleted: false; item: CloudItem }[] {
  return Array.from({ length: 10 }, (_, i) => {
    const file = Math.floor((items / 10) * i) + 5;
    const node = fileKey(file);
    const { parent, ...rest } = row(node, { name: `f${file % PER_FOLDER}`, kind: "file", parent: fileFolder(file) });
    const tags = { cTag: cTag(`c${node}-${round}`), eTag: eTag(`e${node}-${round}`) };
    return { deleted: false as const, item: { ...rest, ...tags, parentId: itemId(`ID!${parent}`), size: 100 + round } };
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
