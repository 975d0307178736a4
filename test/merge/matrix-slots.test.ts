/** Different items in the same slot: every cell by name; and what is hard for the order of scripts. */
import { all, cloudWrite, mkdir, mkfile, move, nothing, remove, runCells, type Cell } from "../world/matrix.ts";

const CELLS: readonly Cell[] = [
  // ---- the same slot
  {
    name: "new file | new file, equal: one",
    local: mkfile(100, 1, "n", "same"),
    cloud: mkfile(200, 1, "N", "same"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /N=same#100 /g=g0#5",
    script: "[]",
  },
  {
    name: "new file | new file: local renamed aside",
    local: mkfile(100, 1, "n.txt", "mine"),
    cloud: mkfile(200, 1, "N.txt", "theirs"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /N.txt=theirs#200 /g=g0#5 /n (conflict laptop 1970-01-01 mine).txt=mine#100",
    script: "[createFile 100 1/n (conflict laptop 1970-01-01 mine).txt]",
  },
  {
    name: "new file | new folder: local renamed aside",
    local: mkfile(100, 1, "n", "mine"),
    cloud: mkdir(200, 1, "n"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /g=g0#5 /n (conflict laptop 1970-01-01 mine)=mine#100 /n/#200",
    script: "[createFile 100 1/n (conflict laptop 1970-01-01 mine)]",
  },
  {
    name: "new file | existing moved there, equal: one",
    local: mkfile(100, 1, "n", "g0"),
    cloud: move(5, 1, "n"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /n=g0#5",
    script: "[]",
  },
  {
    name: "new file | existing moved there: local renamed aside",
    local: mkfile(100, 1, "n", "mine"),
    cloud: move(5, 1, "n"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /n (conflict laptop 1970-01-01 mine)=mine#100 /n=g0#5",
    script: "[createFile 100 1/n (conflict laptop 1970-01-01 mine)]",
  },
  {
    name: "new folder | new file: local renamed aside",
    local: mkdir(100, 1, "n"),
    cloud: mkfile(200, 1, "n", "n"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /g=g0#5 /n (conflict laptop 1970-01-01 2s)/#100 /n=n#200",
    script: "[createFolder 100 1/n (conflict laptop 1970-01-01 2s)]",
  },
  {
    name: "new folder | new folder: merged child by child",
    local: all(
      mkdir(100, 1, "n"),
      mkfile(101, 100, "x", "same"),
      mkfile(102, 100, "y", "mine"),
      mkfile(103, 100, "z", "z"),
    ),
    cloud: all(mkdir(200, 1, "n"), mkfile(201, 200, "x", "same"), mkfile(202, 200, "y", "theirs")),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /g=g0#5 /n/#100 /n/x=same#101 /n/y (conflict laptop 1970-01-01 mine)=mine#102 /n/y=theirs#202 /n/z=z#103",
    script: "[createFile 102 100/y (conflict laptop 1970-01-01 mine); createFile 103 100/z]",
  },
  {
    name: "new folder | existing folder moved there: merged, the existing one's node",
    local: all(mkdir(100, 1, "n"), mkfile(101, 100, "x", "x")),
    cloud: move(3, 1, "n"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /g=g0#5 /n/#3 /n/x=x#101",
    script: "[createFile 101 3/x]",
  },
  {
    name: "new folder | existing file moved there: local renamed aside",
    local: mkdir(100, 1, "n"),
    cloud: move(5, 1, "n"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /n (conflict laptop 1970-01-01 2s)/#100 /n=g0#5",
    script: "[createFolder 100 1/n (conflict laptop 1970-01-01 2s)]",
  },
  {
    name: "existing moved there | new file: local renamed aside",
    local: move(5, 1, "n"),
    cloud: mkfile(200, 1, "n", "g0"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /n (conflict laptop 1970-01-01 5)=g0#5 /n=g0#200",
    script: "[move 5 1/n (conflict laptop 1970-01-01 5)]",
  },
  {
    name: "existing moved there | new folder: local renamed aside",
    local: move(3, 1, "n"),
    cloud: mkdir(200, 1, "n"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /g=g0#5 /n (conflict laptop 1970-01-01 3)/#3 /n/#200",
    script: "[move 3 1/n (conflict laptop 1970-01-01 3)]",
  },
  {
    name: "existing moved there | existing moved there: local renamed aside",
    local: move(5, 1, "n"),
    cloud: move(4, 1, "n"),
    tree: "/A/#2 /A/k=k0#6 /B/#3 /n (conflict laptop 1970-01-01 5)=g0#5 /n=f0#4",
    script: "[move 5 1/n (conflict laptop 1970-01-01 5)]",
  },
  {
    name: "delete and create in its place | edit: the edited stays, the new is renamed aside",
    local: all(remove(5), mkdir(100, 1, "g")),
    cloud: cloudWrite(5, "theirs"),
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /g (conflict laptop 1970-01-01 2s)/#100 /g=theirs#5",
    script: "[createFolder 100 1/g (conflict laptop 1970-01-01 2s)]",
  },
  {
    name: "case-only rename: an ordinary move",
    local: move(5, 1, "G"),
    cloud: nothing,
    tree: "/A/#2 /A/f=f0#4 /A/k=k0#6 /B/#3 /G=g0#5",
    script: "[move 5 1/G]",
  },
  {
    name: "case-only rename | another spelling: the cloud's",
    local: move(2, 1, "a"),
    cloud: move(2, 1, "á"),
    tree: "/B/#3 /g=g0#5 /á/#2 /á/f=f0#4 /á/k=k0#6",
    script: "[]",
  },
  // ---- one side alone, for the order of scripts
  {
    name: "swap of two names: parked",
    local: all(move(4, 2, "k"), move(6, 2, "f")),
    cloud: nothing,
    tree: "/A/#2 /A/f=k0#6 /A/k=f0#4 /B/#3 /g=g0#5",
    script: "[move 4 2/f.od-park-1dre6tt; move 6 2/f; move 4 2/k]",
  },
  {
    name: "a chain turned round, with the upper one's name",
    local: all(move(2, 1, "T"), move(3, 1, "A"), move(2, 3, "B")),
    cloud: nothing,
    tree: "/A/#3 /A/B/#2 /A/B/f=f0#4 /A/B/k=k0#6 /g=g0#5",
    script: "[move 2 3/B; move 3 1/A]",
  },
  {
    name: "delete of a folder after a move out of it",
    local: all(move(4, 1, "f"), remove(2)),
    cloud: nothing,
    tree: "/B/#3 /f=f0#4 /g=g0#5",
    script: "[move 4 1/f; deleteFolder 2]",
  },
];

runCells(CELLS);
