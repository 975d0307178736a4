/** The algebra of the merge on random deep trees with awkward names: histories of up to twenty acts a side, shrunk by fast-check. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { checkMerge, counts, merge, type Case } from "../world/check-merge.ts";
import { actBy, counted, start, type Side, type State } from "../world/histories.ts";
import {
  asTree,
  difference,
  file,
  folder,
  illFormed,
  key,
  show,
  treeOf,
  withOverlay,
  type PlainTree,
} from "../world/plain-tree.ts";
import { rebase } from "../../src/merge/rebase.ts";
import { fold } from "../../src/model/name.ts";
import { ROOT, type ItemKey } from "../../src/model/ids.ts";

const NAMES = [
  "a",
  "A",
  "ä",
  "A\u0308",
  "straße",
  "STRASSE",
  "ﬁ",
  "x.txt",
  "X (conflict laptop 1970-01-01 k3f9).txt",
  "日本",
];
const DEEP = treeOf({
  2: folder(1, "a"),
  3: folder(2, "b"),
  4: folder(3, "c"),
  5: folder(4, "d"),
  6: file(5, "f", "h6"),
  7: file(4, "x.txt", "h7"),
  8: folder(1, "e"),
  9: file(8, "日本", "h9"),
  10: file(1, "g", "h10"),
});

/** A history: each number picks one of the acts possible then. */
const picks = fc.array(fc.nat({ max: 1_000_000 }), { maxLength: 20 });

function history(base: PlainTree, side: Side, choices: readonly number[]): State {
  let state = start(base);
  for (const choice of choices) {
    const after = actBy(state, side, choice);
    if (foldsApart(after.tree)) state = after;
  }
  return state;
}

/** The tests' fold is simpler than the service's: trees that only the latter refuses are left out. */
function foldsApart(tree: PlainTree): boolean {
  const slots = [...tree].filter(([node]) => node !== ROOT).map(([, { parent, name }]) => `${parent}/${fold(name)}`);
  return new Set(slots).size === slots.length;
}

function narrow(side: "local" | "cloud", at: number): Side {
  return { side, names: [NAMES[at % NAMES.length]!, NAMES[(at * 7 + 3) % NAMES.length]!] };
}

const cases = fc.tuple(picks, picks, fc.nat({ max: 50 })).map(([here, there, at]): Case & { acts: string } => {
  const local = history(DEEP, narrow("local", at), here);
  const cloud = history(DEEP, narrow("cloud", at), there);
  const acts = `${local.acts.join("; ")} | ${cloud.acts.join("; ")}`;
  return { base: DEEP, local: local.tree, remote: cloud.tree, movedAt: local.movedAt, acts };
});

test("long histories on a deep tree keep merge S1, merge S2, merge S3, merge S4, merge S5, merge A2, merge A4", () => {
  fc.assert(
    fc.property(cases, (it) => {
      const wrong = checkMerge(it, counts());
      assert.equal(wrong, undefined, `${wrong}\n${it.acts}\n${show(it.local)}\n${show(it.remote)}`);
    }),
    { numRuns: Number(process.env["MERGE_RUNS"] ?? 250), seed: 7 },
  );
});

test("one side alone, and the same on both sides: merge A1", () => {
  fc.assert(
    fc.property(cases, ({ base, local, remote, movedAt }) => {
      assert.equal(show(merge({ base, local, remote: base, movedAt }).star), show(local), "merge(B,L,B) = L");
      assert.equal(show(merge({ base, local: base, remote, movedAt }).star), show(remote), "merge(B,B,R) = R");
      const twin = renumber(local);
      const { star } = merge({ base, local, remote: twin, movedAt });
      assert.equal(paths(star), paths(local), "merge(B,X,X) = X");
    }),
    { numRuns: 300, seed: 8 },
  );
});

/** The same tree as the cloud would tell it: own numbers for what is new, own versions for what was written. */
function renumber(tree: PlainTree): PlainTree {
  const to = (node: number): number => (node >= 100 && node < 200 ? node + 5_000 : node);
  return new Map(
    [...tree].map(([node, state]) => {
      const { seen: _, tag: __, ...bytes } = state.bytes ?? { version: "", size: 0 };
      const there = state.bytes && { ...bytes, version: bytes.version.replace("blob:", "c:") };
      return [key(to(node)), { ...state, parent: key(to(state.parent)), bytes: there }];
    }),
  );
}

const paths = (tree: PlainTree): string => show(tree).replace(/#\d+/g, "");

test("serial numbers play no part but for their order: what the pairs of histories leave out has been looked at", () => {
  fc.assert(
    fc.property(picks, picks, fc.nat({ max: 50 }), (here, there, at) => {
      const [mine, theirs] = [narrow("local", at), narrow("cloud", at)];
      const [local, cloud] = [history(DEEP, mine, here), history(DEEP, theirs, there)];
      const [a, b] = [counted(local, DEEP, mine), counted(cloud, DEEP, theirs)];
      const named = (node: ItemKey): ItemKey => a.named(b.named(node));
      const plain = merge({ base: DEEP, local: local.tree, remote: cloud.tree, movedAt: local.movedAt });
      const again = merge({ base: DEEP, local: a.state.tree, remote: b.state.tree, movedAt: a.state.movedAt });
      const renamed = new Map(
        [...plain.star].map(([node, state]) => {
          const bytes = state.bytes && { ...state.bytes, hash: a.word(b.word(state.bytes.hash!)) };
          return [named(node), { ...state, parent: named(state.parent), bytes }];
        }),
      );
      assert.equal(untagged(show(renamed)), untagged(show(again.star)));
    }),
    { numRuns: 300, seed: 10 },
  );
});

/** Names of conflicts are made of the tag of the bytes. */
const untagged = (text: string): string =>
  text
    .replace(/ \(conflict laptop [^)]*\)/g, " (aside)")
    .split(" /")
    .sort()
    .join(" /");

test("a delete covers only what the deleter saw: merge S6", () => {
  fc.assert(
    fc.property(cases, ({ base, local, remote, movedAt }) => {
      const { star } = merge({ base, local, remote, movedAt });
      for (const [node, state] of remote) {
        const was = base.get(node);
        const moved = was && (was.name !== state.name || was.parent !== state.parent);
        if (moved || (was && was.bytes?.hash !== state.bytes?.hash))
          assert.ok(star.has(node), `item ${node} was changed in the cloud and is gone`);
        if (was && local.has(node)) assert.ok(star.has(node), `item ${node} was deleted by nobody and is gone`);
      }
    }),
    { numRuns: 300, seed: 9 },
  );
});

test("a node with a parking name of ours counts as carrying its own: merge S7", () => {
  const parked = new Map([[key(10), "g"]]);
  const mirror = new Map(DEEP).set(key(10), file(1, "g.od-park-x1", "h10"));
  const wanted = (local: PlainTree, remote = mirror): string =>
    show(merge({ base: mirror, local, remote, movedAt: new Map(), parked }).star);
  assert.match(wanted(new Map(DEEP)), /\/g=h10#10/, "it gets its name back");
  assert.match(wanted(new Map(DEEP).set(key(10), file(8, "h", "h10"))), /\/e\/h=h10#10/, "or the one that is wanted");
  const renamed = new Map(mirror).set(key(10), file(1, "theirs", "h10"));
  assert.match(wanted(new Map(DEEP), renamed), /\/theirs=h10#10/, "unless somebody gave it another");
  const edited = new Map(mirror).set(key(10), file(1, "g.od-park-x1", "new"));
  const deleted = new Map(DEEP);
  deleted.delete(key(10));
  assert.match(wanted(deleted, edited), /\/g=new#10/, "a cancelled delete does not make it permanent");
});

test("times: a write carries its own, both sides' times are the cloud's", () => {
  const at = (mtime: number, hash = "h10"): PlainTree => new Map(DEEP).set(key(10), file(1, "g", hash, mtime));
  const written = new Map(DEEP).set(key(10), {
    ...file(1, "g", "mine", 40),
    bytes: { version: "blob:1", size: 1, hash: "mine", seen: "c:h10" },
  });
  const mtime = (local: PlainTree, remote: PlainTree): number | undefined =>
    merge({ base: DEEP, local, remote, movedAt: new Map() }).star.get(key(10))?.mtime;
  assert.equal(mtime(written, at(77)), 40);
  assert.equal(mtime(at(40), at(77)), 77);
  assert.equal(mtime(at(40), at(1)), 40);
  assert.equal(mtime(at(40), at(77, "theirs")), 77);
});

test("copies are numbered the same whatever the order of the inputs: merge A4", () => {
  const wrote = (node: number, hash: string) => ({
    ...DEEP.get(key(node))!,
    bytes: { version: `blob:${hash}`, size: 1, hash, tag: hash, seen: DEEP.get(key(node))!.bytes!.version },
  });
  const local = new Map(DEEP).set(key(6), wrote(6, "m6")).set(key(7), wrote(7, "m7")).set(key(9), wrote(9, "m9"));
  const remote = new Map(DEEP)
    .set(key(6), file(5, "f", "t6"))
    .set(key(7), file(4, "x.txt", "t7"))
    .set(key(9), file(8, "日本", "t9"));
  const it = { base: DEEP, local, remote, movedAt: new Map() };
  const shown = show(merge(it).star);
  assert.match(shown, /=m6#1000 .*=m7#1001 |=m7#1001 .*=m6#1000 /);
  assert.equal(show(merge(it, (a, b) => b - a).star), shown);
});

test("the size of the tree costs nothing: merge C1", () => {
  const reads = (items: number): number => {
    let count = 0;
    const counted = <T>(value: T): T => (count++, value);
    const base = {
      get: (node: number) =>
        counted(node === ROOT ? folder(1, "root") : node <= items ? file(1, `n${node}`, `h${node}`) : undefined),
      at: (_: number, name: string) => counted(/^n\d+$/.test(name) ? key(Number(name.slice(1))) : undefined),
      children: () => assert.fail("a folder's children are not needed"),
    };
    const local = new Map(
      Array.from({ length: 10 }, (_, i) => [
        key(10 + i),
        { ...file(1, `moved${i}`, "x"), bytes: base.get(10 + i)!.bytes },
      ]),
    );
    const remote = new Map([[key(50), { ...file(1, "theirs", "h50") }]]);
    rebase({
      base,
      local,
      remote,
      movedAt: new Map(),
      parked: new Map(),
      localOnly: new Set(),
      device: "d",
      fresh: () => key(items + 1),
    });
    return count;
  };
  assert.equal(reads(1_000), reads(1_000_000));
  assert.ok(reads(1_000_000) < 1_000);
});

test("the checker sees what it looks for", () => {
  const broken = new Map(DEEP).set(key(11), file(1, "G", "h11"));
  assert.match(illFormed(broken) ?? "", /W3/);
  const ring = new Map(DEEP).set(key(2), folder(4, "a"));
  assert.match(illFormed(ring) ?? "", /W2/);
  assert.equal(show(withOverlay(DEEP, difference(DEEP, broken))), show(broken));
  assert.equal(asTree(broken).at(ROOT, fold("G")), 11);
});
