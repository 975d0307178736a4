/**
 * The merge matrices as acts on two sides of one drive and the tree that must come out: every cell of "same file", "folders" and "one
 * slot", and what people do that crosses them (swaps, case, cycles). A side is a mounted folder or another device at the cloud.
 */

import { both, FILE, FOLDER, move, remove, touch, write, type Act, type Cell, type Tree } from "./merge-acts.ts";
import { slots } from "./merge-slot-cells.ts";

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

export const cells: readonly Cell[] = [...files, ...folders, ...slots];
