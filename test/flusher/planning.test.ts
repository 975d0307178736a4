/** A large plan: made in turns with everything else, on the tables as they were when it was begun. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { storeApply } from "../../src/apply/store-apply.ts";
import { manualClock } from "../../src/base/clock.ts";
import type { FlusherOptions } from "../../src/flusher/flusher.ts";
import { Planning } from "../../src/flusher/planning.ts";
import { blobId, itemId, ROOT, type ItemKey } from "../../src/model/ids.ts";
import { append } from "../../src/oplog/oplog.ts";
import { memoryStore, type MemoryStore } from "../../src/store/memory-store.ts";
import type { Reader, Store } from "../../src/store/store.ts";
import { changeTrees, newNode } from "../../src/store/tree.ts";

const FILES = 1_500;
const STEPS_PER_TURN = 50;

test("planning: a plan of thousands of steps reads little between two turns of everything else", async () => {
  const store = filled();
  const reads = { turn: 0, most: 0, all: 0, turns: 0 };
  const planning = new Planning(optionsFor(counting(store, reads)));
  let watching = true;
  const watch = (): void => {
    reads.most = Math.max(reads.most, reads.turn);
    reads.turn = 0;
    reads.turns++;
    if (watching) setImmediate(watch);
  };
  setImmediate(watch);
  let made = false;
  await planning.make({ signal: new AbortController().signal, made: () => (made = true) });
  watching = false;
  assert.ok(made && planning.current.entries.length === FILES + 10, "the whole plan");
  assert.ok(reads.all > 10 * FILES, `${reads.all} reads: the test counts nothing`);
  assert.ok(reads.most <= 10 * STEPS_PER_TURN, `${reads.most} reads in one turn`);
  assert.ok(reads.turns > FILES / STEPS_PER_TURN, `${reads.turns} turns`);
});

test("planning: what moves while a plan is made is for the next one", async () => {
  const store = filled();
  const planning = new Planning(optionsFor(store));
  const making = planning.make({ signal: new AbortController().signal, made: () => undefined });
  assert.ok(making && planning.making && !planning.mayMake);
  store.transact((tx) => newFile(tx, ROOT, "later"));
  planning.move();
  await making;
  assert.equal(planning.current.entries.length, FILES + 10);
  assert.ok(planning.moved && planning.stale && !planning.making);
  await planning.make({ signal: new AbortController().signal, made: () => undefined });
  assert.equal(planning.current.entries.length, FILES + 11);
});

test("planning: a plan that is cut by the end of the mount leaves the last one, and nothing open", async () => {
  const store = filled();
  const planning = new Planning(optionsFor(store));
  const cut = new AbortController();
  const making = planning.make({ signal: cut.signal, made: () => undefined });
  cut.abort();
  await making;
  assert.ok(planning.current.entries.length === 0 && planning.moved && !planning.making);
});

test("planning: in turns and at once make the same plan", async () => {
  const store = filled();
  const [turns, once] = [new Planning(optionsFor(store)), new Planning(optionsFor(store))];
  await turns.make({ signal: new AbortController().signal, made: () => undefined });
  assert.equal(once.make({ signal: new AbortController().signal, atOnce: true, made: () => undefined }), undefined);
  const steps = (planning: Planning) => planning.current.entries.map(({ step, touchedAt }) => ({ step, touchedAt }));
  assert.deepEqual(steps(turns), steps(once));
});

function filled(): MemoryStore {
  const store = memoryStore();
  const root = { id: itemId("r"), parent: ROOT, name: "", kind: "folder" as const, size: 0, mtime: 1, birth: 1 };
  store.transact((tx) => changeTrees(tx, new Map([[ROOT, { mirror: root }]])));
  store.transact((tx) => {
    for (let at = 0; at < 10; at++) {
      const folder = newNode(tx);
      const local = { kind: "folder", parent: ROOT, name: `d${at}`, mtime: 1, content: { from: "cloud" } } as const;
      changeTrees(tx, new Map([[folder, { local }]]));
      append(tx, { type: "createFolder", node: folder, parent: ROOT, name: `d${at}` }, 1);
      for (let file = 0; file < FILES / 10; file++) newFile(tx, folder, `f${file}`);
    }
  });
  return store;
}

function newFile(tx: Parameters<Parameters<Store["transact"]>[0]>[0], parent: ItemKey, name: string): void {
  const node = newNode(tx);
  const blob = blobId(node);
  tx.blobs.put(blob, { state: "frozen", size: 4, hash: `h${node}`, sha256: "ab".repeat(32) } as never);
  const local = { kind: "file", parent, name, mtime: 1, content: { from: "blob", blob, size: 4 } } as const;
  changeTrees(tx, new Map([[node, { local }]]));
  append(tx, { type: "createFile", node, parent, name }, 1);
  append(tx, { type: "writeContent", node, blob }, 1);
}

function optionsFor(store: Store): FlusherOptions {
  const clock = manualClock();
  const apply = storeApply({ store, clock, device: "pc" });
  const log = { fault: (message: string) => assert.fail(message), trace: () => undefined };
  return { store, apply, clock, log, writeBackMs: 0, planning: { atOnce: 20, perTurn: STEPS_PER_TURN } } as never;
}

/** The same store, every read of a snapshot counted. */
function counting(store: Store, reads: { turn: number; all: number }): Store {
  const count = (): void => void (reads.turn++, reads.all++);
  const counted = (read: Reader): Reader =>
    new Proxy(read, {
      get(target, name: keyof Reader) {
        const table = target[name];
        return {
          get: (key: never) => (count(), table.get(key)),
          *range(range: never) {
            for (const row of table.range(range)) yield (count(), row);
          },
        };
      },
    });
  return new Proxy(store, {
    get(target, name: keyof Store) {
      if (name !== "snapshot") return Reflect.get(target, name) as unknown;
      return () => {
        const snapshot = target.snapshot();
        return { read: counted(snapshot.read), end: () => snapshot.end() };
      };
    },
  });
}
