/**
 * The merge matrices as acts on two sides of one drive and the tree that must come out: every cell of "same file", "folders" and "one
 * slot", and what people do that crosses them (swaps, case, cycles). The acts are in merge-acts.ts.
 */
import { both, mkdir, move, nothing, remove, touch, write, type Act, type Cell, type Tree } from "./merge-acts.ts";

const FILE: Tree = { "f.txt": "base" };
const FOLDER: Tree = { "d/a.txt": "base a", "d/b.txt": "base b", "x.txt": "base x" };
const HERE_S = 1_500_000_000;
const THERE_S = 1_400_000_000;
const CONFLICT = "f (conflict).txt";

interface Row {
  readonly acts: Act;
  /** Tree by the other side's act; a string is the text of f.txt. */
  readonly write: Tree;
  readonly move: Tree;
  readonly delete: Tree;
  readonly mtime: Tree;
}

/** The matrix of one file: rows are acts here, columns acts in the cloud. */
const sameFile: Readonly<Record<string, Row>> = {
  write: {
    acts: write("f.txt", "here"),
    write: { "f.txt": "there", [CONFLICT]: "here" },
    move: { "g.txt": "here" },
    delete: { "f.txt": "here" },
    mtime: { "f.txt": "here" },
  },
  move: {
    acts: move("f.txt", "h.txt"),
    write: { "h.txt": "there" },
    move: { "g.txt": "base" },
    delete: {},
    mtime: { "h.txt": "base" },
  },
  delete: {
    acts: remove("f.txt"),
    write: { "f.txt": "there" },
    move: { "g.txt": "base" },
    delete: {},
    mtime: {},
  },
  mtime: {
    acts: touch("f.txt", HERE_S),
    write: { "f.txt": "there" },
    move: { "g.txt": "base" },
    delete: {},
    mtime: { "f.txt": "base" },
  },
  "write+move": {
    acts: both(write("f.txt", "here"), move("f.txt", "h.txt")),
    write: { "h.txt": "there", "h (conflict).txt": "here" },
    move: { "g.txt": "here" },
    delete: { "h.txt": "here" },
    mtime: { "h.txt": "here" },
  },
};

const columns: Readonly<Record<"write" | "move" | "delete" | "mtime", Act>> = {
  write: write("f.txt", "there"),
  move: move("f.txt", "g.txt"),
  delete: remove("f.txt"),
  mtime: touch("f.txt", THERE_S),
};

function sameFileCells(): Cell[] {
  const cells: Cell[] = [];
  for (const [here, row] of Object.entries(sameFile))
    for (const there of ["write", "move", "delete", "mtime"] as const) {
      const after = row[there];
      const [lasting] = Object.keys(after).filter((path) => !path.includes("(conflict)"));
      const keeps = there !== "delete" && lasting !== undefined;
      cells.push({
        name: `file: ${here} here, ${there} there`,
        base: FILE,
        here: row.acts,
        there: columns[there],
        after,
        ...(keeps ? { same: { "f.txt": lasting } } : {}),
        ...(there === "mtime" ? { online: true as const } : {}),
      });
    }
  return cells;
}

const files: readonly Cell[] = [
  ...sameFileCells(),
  {
    name: "file: the same bytes written on both sides are one",
    base: FILE,
    here: write("f.txt", "the same"),
    there: write("f.txt", "the same"),
    after: { "f.txt": "the same" },
    same: { "f.txt": "f.txt" },
  },
  {
    name: "file: renamed here, moved to another folder there: both",
    base: { ...FILE, "sub/": "" },
    here: move("f.txt", "h.txt"),
    there: move("f.txt", "sub/f.txt"),
    after: { "sub/": "", "sub/h.txt": "base" },
    same: { "f.txt": "sub/h.txt" },
  },
  {
    name: "file: edited here in a folder that is deleted there: the folder is made again with just this",
    base: FOLDER,
    here: write("d/a.txt", "here"),
    there: remove("d"),
    after: { "d/": "", "d/a.txt": "here", "x.txt": "base x" },
  },
];

const D = { "d/": "" };
const folders: readonly Cell[] = [
  {
    name: "folder: moved here and there: the cloud's place",
    base: FOLDER,
    here: move("d", "e"),
    there: move("d", "c"),
    after: { "c/": "", "c/a.txt": "base a", "c/b.txt": "base b", "x.txt": "base x" },
    same: { d: "c" },
  },
  {
    name: "folder: moved into another here, renamed there: both",
    base: { ...FOLDER, "p/": "" },
    here: move("d", "p/d"),
    there: move("d", "c"),
    after: { "p/": "", "p/c/": "", "p/c/a.txt": "base a", "p/c/b.txt": "base b", "x.txt": "base x" },
    same: { d: "p/c" },
  },
  {
    name: "folder: moved here, deleted there: what is clean goes",
    base: FOLDER,
    here: move("d", "e"),
    there: remove("d"),
    after: { "x.txt": "base x" },
  },
  {
    name: "folder: moved here with an edit in it, deleted there: the edit stays, at the place here",
    base: FOLDER,
    here: both(move("d", "e"), write("e/a.txt", "here")),
    there: remove("d"),
    after: { "e/": "", "e/a.txt": "here", "x.txt": "base x" },
  },
  {
    name: "folder: moved here, a file made and one edited in it there: both",
    base: FOLDER,
    here: move("d", "e"),
    there: both(write("d/new.txt", "there"), write("d/a.txt", "there a")),
    after: { "e/": "", "e/a.txt": "there a", "e/b.txt": "base b", "e/new.txt": "there", "x.txt": "base x" },
    same: { d: "e", "d/a.txt": "e/a.txt" },
  },
  {
    name: "folder: moved here, a file in it deleted there: both",
    base: FOLDER,
    here: move("d", "e"),
    there: remove("d/a.txt"),
    after: { "e/": "", "e/b.txt": "base b", "x.txt": "base x" },
    same: { d: "e" },
  },
  {
    name: "folder: deleted here, moved there: it stays with everything",
    base: FOLDER,
    here: remove("d"),
    there: move("d", "c"),
    after: { "c/": "", "c/a.txt": "base a", "c/b.txt": "base b", "x.txt": "base x" },
    same: { d: "c", "d/a.txt": "c/a.txt" },
  },
  {
    name: "folder: deleted on both sides",
    base: FOLDER,
    here: remove("d"),
    there: remove("d"),
    after: { "x.txt": "base x" },
  },
  {
    name: "folder: deleted here while a file is added there: it stays with just that",
    base: FOLDER,
    here: remove("d"),
    there: write("d/new.txt", "there"),
    after: { ...D, "d/new.txt": "there", "x.txt": "base x" },
    same: { d: "d" },
  },
  {
    name: "folder: deleted here while a file in it is edited there: it stays with just that",
    base: FOLDER,
    here: remove("d"),
    there: write("d/a.txt", "there"),
    after: { ...D, "d/a.txt": "there", "x.txt": "base x" },
    same: { "d/a.txt": "d/a.txt" },
  },
  {
    name: "folder: deleted here while a file is moved into it there: it stays with just that",
    base: FOLDER,
    here: remove("d"),
    there: move("x.txt", "d/x.txt"),
    after: { ...D, "d/x.txt": "base x" },
    same: { "x.txt": "d/x.txt" },
  },
  {
    name: "folder: deleted here while a file in it is deleted there",
    base: FOLDER,
    here: remove("d"),
    there: remove("d/a.txt"),
    after: { "x.txt": "base x" },
  },
  {
    name: "folder: a file made in it here, moved there: both",
    base: FOLDER,
    here: write("d/new.txt", "here"),
    there: move("d", "c"),
    after: { "c/": "", "c/a.txt": "base a", "c/b.txt": "base b", "c/new.txt": "here", "x.txt": "base x" },
    same: { d: "c" },
  },
  {
    name: "folder: a file made in it here, deleted there: made again with just this",
    base: FOLDER,
    here: write("d/new.txt", "here"),
    there: remove("d"),
    after: { ...D, "d/new.txt": "here", "x.txt": "base x" },
  },
  {
    name: "folder: a file made in it here, another made and one deleted there: all of it",
    base: FOLDER,
    here: write("d/new.txt", "here"),
    there: both(write("d/other.txt", "there"), remove("d/a.txt")),
    after: { ...D, "d/b.txt": "base b", "d/new.txt": "here", "d/other.txt": "there", "x.txt": "base x" },
    same: { d: "d" },
  },
  {
    name: "folder: a file moved into it here, moved there: both",
    base: FOLDER,
    here: move("x.txt", "d/x.txt"),
    there: move("d", "c"),
    after: { "c/": "", "c/a.txt": "base a", "c/b.txt": "base b", "c/x.txt": "base x" },
    same: { "x.txt": "c/x.txt" },
  },
  {
    name: "folder: a file moved into it here, deleted there: the file stays at its place",
    base: FOLDER,
    here: move("x.txt", "d/x.txt"),
    there: remove("d"),
    after: { "x.txt": "base x" },
    same: { "x.txt": "x.txt" },
  },
  {
    name: "folder: a file moved out of it here, deleted there: the file has left",
    base: FOLDER,
    here: move("d/a.txt", "a.txt"),
    there: move("d", "c"),
    after: { "a.txt": "base a", "c/": "", "c/b.txt": "base b", "x.txt": "base x" },
    same: { "d/a.txt": "a.txt", d: "c" },
  },
  {
    name: "folder: A into B here, B into A there: the move here is dropped",
    base: { "A/a.txt": "base a", "B/b.txt": "base b" },
    here: move("A", "B/A"),
    there: move("B", "A/B"),
    after: { "A/": "", "A/a.txt": "base a", "A/B/": "", "A/B/b.txt": "base b" },
    same: { A: "A", B: "A/B" },
  },
  {
    name: "folder: A deep into B here, B into A there: the move here is dropped",
    base: { "A/a.txt": "base a", "B/c/b.txt": "base b" },
    here: move("A", "B/c/A"),
    there: move("B", "A/B"),
    after: { "A/": "", "A/a.txt": "base a", "A/B/": "", "A/B/c/": "", "A/B/c/b.txt": "base b" },
    same: { A: "A", B: "A/B" },
  },
  {
    name: "folder: A into B here, B deleted there: A stays where it was",
    base: { "A/a.txt": "base a", "B/b.txt": "base b" },
    here: move("A", "B/A"),
    there: remove("B"),
    after: { "A/": "", "A/a.txt": "base a" },
    same: { A: "A", "A/a.txt": "A/a.txt" },
  },
  {
    name: "folder: turned inside out here",
    base: { "A/a.txt": "base a", "A/B/b.txt": "base b" },
    here: both(move("A/B", "B"), move("A", "B/A")),
    there: write("A/new.txt", "there"),
    after: { "B/": "", "B/b.txt": "base b", "B/A/": "", "B/A/a.txt": "base a", "B/A/new.txt": "there" },
    same: { A: "B/A", "A/B": "B" },
  },
];

const slots: readonly Cell[] = [
  {
    name: "slot: a new file on both sides, equal bytes: one",
    base: {},
    here: write("n.txt", "the same"),
    there: write("n.txt", "the same"),
    after: { "n.txt": "the same" },
  },
  {
    name: "slot: a new file on both sides: both, ours aside",
    base: {},
    here: write("n.txt", "here"),
    there: write("n.txt", "there"),
    after: { "n.txt": "there", "n (conflict).txt": "here" },
  },
  {
    name: "slot: a new file on both sides in different case: both, ours aside",
    base: {},
    here: write("N.txt", "here"),
    there: write("n.txt", "there"),
    after: { "n.txt": "there", "N (conflict).txt": "here" },
  },
  {
    name: "slot: a new file here, a new folder there",
    base: {},
    here: write("n", "here"),
    there: write("n/t.txt", "there"),
    after: { "n/": "", "n/t.txt": "there", "n (conflict)": "here" },
  },
  {
    name: "slot: a new file here, another file moved there",
    base: { "x.txt": "base x" },
    here: write("n.txt", "here"),
    there: move("x.txt", "n.txt"),
    after: { "n.txt": "base x", "n (conflict).txt": "here" },
    same: { "x.txt": "n.txt" },
  },
  {
    name: "slot: a new file here, a file of equal bytes moved there: one",
    base: { "x.txt": "base x" },
    here: write("n.txt", "base x"),
    there: move("x.txt", "n.txt"),
    after: { "n.txt": "base x" },
    same: { "x.txt": "n.txt" },
  },
  {
    name: "slot: a new folder here, a new file there",
    base: {},
    here: write("n/h.txt", "here"),
    there: write("n", "there"),
    after: { n: "there", "n (conflict)/": "", "n (conflict)/h.txt": "here" },
  },
  {
    name: "slot: a new folder on both sides: merged, child by child",
    base: {},
    here: both(write("n/h.txt", "here"), write("n/one.txt", "the same"), write("n/two.txt", "two here")),
    there: both(write("n/t.txt", "there"), write("n/one.txt", "the same"), write("n/two.txt", "two there")),
    after: {
      "n/": "",
      "n/h.txt": "here",
      "n/t.txt": "there",
      "n/one.txt": "the same",
      "n/two.txt": "two there",
      "n/two (conflict).txt": "two here",
    },
  },
  {
    name: "slot: a new folder here, another folder moved there: merged",
    base: FOLDER,
    here: write("n/h.txt", "here"),
    there: move("d", "n"),
    after: { "n/": "", "n/h.txt": "here", "n/a.txt": "base a", "n/b.txt": "base b", "x.txt": "base x" },
    same: { d: "n" },
  },
  {
    name: "slot: a new folder here, a file moved there",
    base: { "x.txt": "base x" },
    here: write("n/h.txt", "here"),
    there: move("x.txt", "n"),
    after: { n: "base x", "n (conflict)/": "", "n (conflict)/h.txt": "here" },
    same: { "x.txt": "n" },
  },
  {
    name: "slot: a file moved there here, a new file there",
    base: { "x.txt": "base x" },
    here: move("x.txt", "n.txt"),
    there: write("n.txt", "there"),
    after: { "n.txt": "there", "n (conflict).txt": "base x" },
    same: { "x.txt": "n (conflict).txt" },
  },
  {
    name: "slot: a file moved there here, a new folder there",
    base: { "x.txt": "base x" },
    here: move("x.txt", "n"),
    there: write("n/t.txt", "there"),
    after: { "n/": "", "n/t.txt": "there", "n (conflict)": "base x" },
    same: { "x.txt": "n (conflict)" },
  },
  {
    name: "slot: two files moved to one name, one here, one there",
    base: { "x.txt": "base x", "y.txt": "base y" },
    here: move("x.txt", "n.txt"),
    there: move("y.txt", "n.txt"),
    after: { "n.txt": "base y", "n (conflict).txt": "base x" },
    same: { "x.txt": "n (conflict).txt", "y.txt": "n.txt" },
  },
  {
    name: "slot: a file renamed over another here, the other edited there: both",
    base: { "x.txt": "base x", "y.txt": "base y" },
    here: move("x.txt", "y.txt"),
    there: write("y.txt", "there"),
    after: { "y.txt": "there", "y (conflict).txt": "base x" },
    same: { "y.txt": "y.txt", "x.txt": "y (conflict).txt" },
  },
  {
    name: "slot: a file edited here, another renamed over it there: both",
    base: { "x.txt": "base x", "y.txt": "base y" },
    here: write("y.txt", "here"),
    there: both(remove("y.txt"), move("x.txt", "y.txt")),
    after: { "y.txt": "base x", "y (conflict).txt": "here" },
    same: { "x.txt": "y.txt" },
  },
  {
    name: "slot: a file replaced by a folder here, edited there: both",
    base: FILE,
    here: both(remove("f.txt"), write("f.txt/inside.txt", "here")),
    there: write("f.txt", "there"),
    after: { "f.txt": "there", "f (conflict).txt/": "", "f (conflict).txt/inside.txt": "here" },
    same: { "f.txt": "f.txt" },
  },
  {
    name: "slot: two names swapped here",
    base: { "x.txt": "base x", "y.txt": "base y" },
    here: both(move("x.txt", "z.txt"), move("y.txt", "x.txt"), move("z.txt", "y.txt")),
    there: nothing,
    after: { "x.txt": "base y", "y.txt": "base x" },
    same: { "x.txt": "y.txt", "y.txt": "x.txt" },
  },
  {
    name: "slot: two names swapped here, one of the files edited there",
    base: { "x.txt": "base x", "y.txt": "base y" },
    here: both(move("x.txt", "z.txt"), move("y.txt", "x.txt"), move("z.txt", "y.txt")),
    there: write("x.txt", "there"),
    after: { "x.txt": "base y", "y.txt": "there" },
    same: { "x.txt": "y.txt", "y.txt": "x.txt" },
  },
  {
    name: "slot: three names rotated here, two folders swapped there",
    base: { "x.txt": "x", "y.txt": "y", "z.txt": "z", "d/1.txt": "1", "e/2.txt": "2" },
    here: both(move("x.txt", "t"), move("z.txt", "x.txt"), move("y.txt", "z.txt"), move("t", "y.txt")),
    there: both(move("d", "t"), move("e", "d"), move("t", "e")),
    after: { "x.txt": "z", "y.txt": "x", "z.txt": "y", "d/": "", "d/2.txt": "2", "e/": "", "e/1.txt": "1" },
    same: { "x.txt": "y.txt", d: "e" },
  },
  {
    name: "slot: two folders swapped here",
    base: { "d/1.txt": "1", "e/2.txt": "2" },
    here: both(move("d", "t"), move("e", "d"), move("t", "e")),
    there: write("d/3.txt", "there"),
    after: { "d/": "", "d/2.txt": "2", "e/": "", "e/1.txt": "1", "e/3.txt": "there" },
    same: { d: "e", e: "d" },
  },
  {
    name: "slot: only the case of a name changed here",
    base: { "readme.txt": "base" },
    here: move("readme.txt", "README.txt"),
    there: nothing,
    after: { "README.txt": "base" },
    same: { "readme.txt": "README.txt" },
  },
  {
    name: "slot: only the case of a name changed on both sides, differently: the cloud's",
    base: { "readme.txt": "base" },
    here: move("readme.txt", "README.txt"),
    there: move("readme.txt", "Readme.txt"),
    after: { "Readme.txt": "base" },
    same: { "readme.txt": "Readme.txt" },
  },
  {
    name: "slot: only the case of a folder changed here, a file made in it there",
    base: { "docs/a.txt": "a" },
    here: move("docs", "Docs"),
    there: both(write("docs/b.txt", "there"), mkdir("docs/c")),
    after: { "Docs/": "", "Docs/a.txt": "a", "Docs/b.txt": "there", "Docs/c/": "" },
    same: { docs: "Docs" },
  },
];

export const cells: readonly Cell[] = [...files, ...folders, ...slots];
