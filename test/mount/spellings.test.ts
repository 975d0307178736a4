/** Names in any spelling, one call right after the other: the kernel never believes what it was told of another spelling before a change. */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { after, before, test } from "node:test";
import { startMount, type Mount } from "../support/mount-process.ts";
import { startSim, type Sim } from "../support/sim-process.ts";

const ROUNDS = 40;
let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim();
  mount = await startMount(sim, { options: { host: "kernel" } });
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

/** How often each expectation was not met. */
function rounds(run: (expect: (what: string, holds: boolean) => void, path: (name: string) => string) => void): void {
  const missed: Record<string, number> = {};
  const note = (what: string, holds: boolean): void => void (holds || (missed[what] = (missed[what] ?? 0) + 1));
  for (let round = 0; round < ROUNDS; round++) {
    const folder = mount.path(`round${Math.random()}`);
    mkdirSync(folder);
    run(note, (name) => `${folder}/${name}`);
  }
  assert.deepEqual(missed, {});
}

test("spellings: a name that was not there is there as soon as another spelling of it is made", () => {
  rounds((expect, path) => {
    for (const name of ["FILE", "Folder", "Moved"]) expect("absent", !existsSync(path(name)));
    writeFileSync(path("file"), "bytes");
    expect("after a create", existsSync(path("FILE")));
    mkdirSync(path("folder"));
    expect("after a mkdir", existsSync(path("Folder")));
    renameSync(path("file"), path("moved"));
    expect("after a rename", existsSync(path("Moved")));
    expect("before a rename", !existsSync(path("FILE")));
  });
});

test("spellings: a name that was there in another spelling is gone with the item", () => {
  rounds((expect, path) => {
    for (const name of ["one", "three", "four"]) {
      writeFileSync(path(name), name);
      expect("own name", existsSync(path(name)));
      expect("other spelling", existsSync(path(name.toUpperCase())));
    }
    unlinkSync(path("one"));
    expect("unlinked by its own name", !existsSync(path("ONE")));
    renameSync(path("three"), path("five"));
    expect("renamed by its own name", !existsSync(path("THREE")) && existsSync(path("FIVE")));
    renameSync(path("FOUR"), path("six"));
    expect("renamed by another spelling", !existsSync(path("FOUR")) && existsSync(path("Six")));
    writeFileSync(path("one"), "again");
    expect("made again", existsSync(path("ONE")) && readFileSync(path("ONE"), "utf8") === "again");
    writeFileSync(path("save"), "saved");
    renameSync(path("save"), path("ONE"));
    expect("saved over", readFileSync(path("ONE"), "utf8") === "saved");
    mkdirSync(path("dir"));
    expect("folder", existsSync(path("DIR")));
    rmdirSync(path("DIR"));
    expect("folder gone", !existsSync(path("DIR")));
  });
});

test("spellings: a rename that changes only the case changes the name, and the item goes by each", () => {
  rounds((expect, path) => {
    writeFileSync(path("name"), "bytes");
    renameSync(path("name"), path("NAME"));
    mkdirSync(path("folder"));
    writeFileSync(path("folder/child"), "below");
    renameSync(path("folder"), path("Folder"));
    expect("both are called so", readdirSync(path("")).toSorted().join() === "Folder,NAME");
    expect(
      "the file by both",
      readFileSync(path("NAME"), "utf8") + readFileSync(path("name"), "utf8") === "bytesbytes",
    );
    expect("below the folder by both", existsSync(path("Folder/child")) && existsSync(path("folder/CHILD")));
  });
});

test("spellings: what is written by one spelling is read by the other", () => {
  rounds((expect, path) => {
    writeFileSync(path("file"), "one");
    expect("read", readFileSync(path("FILE"), "utf8") === "one");
    writeFileSync(path("FILE"), "second");
    expect("written by another", readFileSync(path("file"), "utf8") === "second");
    writeFileSync(path("file"), "the third");
    expect("written by its own", readFileSync(path("FILE"), "utf8") === "the third");
    expect("one inode", statSync(path("file")).ino === statSync(path("FILE")).ino);
  });
});
