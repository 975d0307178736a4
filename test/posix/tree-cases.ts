/** What POSIX and Linux say about folders, names, renaming, files that are gone but open, and how programs save. */
import assert from "node:assert/strict";
import { outcome, readFile, writeFile, type Calls } from "./calls.ts";
import { collector } from "./case.ts";

const { cases, posix } = collector();

const names = async (calls: Calls, path = "."): Promise<string[]> => (await calls.readdir(path)).sort();

// ---- folders --------------------------------------------------------------------------------------------------------------------

posix("mkdir and rmdir: the ways to fail", async (calls) => {
  await calls.mkdir("d");
  await writeFile(calls, "f", "x");
  assert.equal(await outcome(calls.mkdir("d")), "EEXIST");
  assert.equal(await outcome(calls.mkdir("f")), "EEXIST");
  assert.equal(await outcome(calls.mkdir("f/g")), "ENOTDIR");
  assert.equal(await outcome(calls.mkdir("no/g")), "ENOENT");
  assert.equal(await outcome(calls.rmdir("no")), "ENOENT");
  assert.equal(await outcome(calls.rmdir("f")), "ENOTDIR");
  await writeFile(calls, "d/in", "x");
  assert.equal(await outcome(calls.rmdir("d")), "ENOTEMPTY");
  await calls.unlink("d/in");
  await calls.rmdir("d");
  assert.equal(await outcome(calls.stat("d")), "ENOENT");
  assert.equal(await outcome(calls.stat("d/in")), "ENOENT");
});

posix("unlink: the ways to fail", async (calls) => {
  await calls.mkdir("d");
  assert.equal(await outcome(calls.unlink("no")), "ENOENT");
  assert.equal(await outcome(calls.unlink("d")), "EISDIR");
  await writeFile(calls, "f", "x");
  assert.equal(await outcome(calls.unlink("f/g")), "ENOTDIR");
  await calls.unlink("f");
  assert.equal(await outcome(calls.unlink("f")), "ENOENT");
});

posix("readdir: while entries come and go, what stays is told exactly once", async (calls) => {
  for (let i = 0; i < 40; i++) await writeFile(calls, `stay${i}`, "");
  for (let i = 0; i < 40; i++) await writeFile(calls, `go${i}`, "");
  const listing = calls.readdir(".");
  for (let i = 0; i < 40; i++) {
    await calls.unlink(`go${i}`);
    await writeFile(calls, `come${i}`, "");
  }
  const told = (await listing).filter((name) => name.startsWith("stay"));
  assert.equal(told.length, 40);
  assert.equal(new Set(told).size, 40);
  assert.equal((await calls.readdir(".")).length, 80);
});

posix("readdir: of a file, of nothing", async (calls) => {
  await writeFile(calls, "f", "x");
  assert.equal(await outcome(calls.readdir("f")), "ENOTDIR");
  assert.equal(await outcome(calls.readdir("no")), "ENOENT");
  assert.deepEqual(await calls.readdir("."), ["f"]);
});

// ---- rename ---------------------------------------------------------------------------------------------------------------------

posix("rename: keeps the inode, the bytes and the times of a file", async (calls) => {
  await writeFile(calls, "f", "text");
  await calls.utimes("f", 1_000_000_000);
  await calls.mkdir("d");
  const { ino } = await calls.stat("f");
  await calls.rename("f", "d/g");
  const moved = await calls.stat("d/g");
  assert.deepEqual([moved.ino, moved.mtimeMs], [ino, 1_000_000_000_000]);
  assert.equal(await readFile(calls, "d/g"), "text");
  assert.equal(await outcome(calls.stat("f")), "ENOENT");
});

posix("rename: what can replace what", async (calls) => {
  const fresh = async (): Promise<void> => {
    for (const path of ["f", "g", "full/in"]) await writeFile(calls, path, path);
  };
  for (const folder of ["empty", "also", "full"]) await calls.mkdir(folder);
  await fresh();
  assert.equal(await outcome(calls.rename("f", "empty")), "EISDIR");
  assert.equal(await outcome(calls.rename("empty", "f")), "ENOTDIR");
  assert.equal(await outcome(calls.rename("empty", "full")), "ENOTEMPTY");
  assert.equal(await outcome(calls.rename("f", "full")), "EISDIR");
  assert.equal(await outcome(calls.rename("no", "f")), "ENOENT");
  assert.equal(await outcome(calls.rename("f", "no/f")), "ENOENT");
  assert.equal(await outcome(calls.rename("f", "g/f")), "ENOTDIR");
  assert.deepEqual(await names(calls), ["also", "empty", "f", "full", "g"]);
  await calls.rename("f", "g");
  assert.equal(await readFile(calls, "g"), "f");
  await calls.rename("full", "empty");
  assert.equal(await readFile(calls, "empty/in"), "full/in");
  assert.deepEqual(await names(calls), ["also", "empty", "g"]);
});

posix("rename: onto itself does nothing", async (calls) => {
  await writeFile(calls, "f", "x");
  await calls.mkdir("d");
  await calls.rename("f", "f");
  await calls.rename("d", "d");
  assert.deepEqual(await names(calls), ["d", "f"]);
});

posix("rename: a folder into itself or below", async (calls) => {
  await calls.mkdir("d");
  await calls.mkdir("d/e");
  assert.equal(await outcome(calls.rename("d", "d/x")), "EINVAL");
  assert.equal(await outcome(calls.rename("d", "d/e/x")), "EINVAL");
  assert.equal(await outcome(calls.rename("d", "d/e")), "EINVAL");
  assert.equal(await outcome(calls.rename("d/e", "d")), "ENOTEMPTY");
});

posix("rename: a folder takes everything with it", async (calls) => {
  await calls.mkdir("a");
  await calls.mkdir("a/b");
  await writeFile(calls, "a/b/f", "deep");
  await calls.mkdir("z");
  await calls.rename("a", "z/y");
  assert.equal(await readFile(calls, "z/y/b/f"), "deep");
  assert.equal((await calls.stat("z/y/b/..")).ino, (await calls.stat("z/y")).ino);
  assert.equal(await outcome(calls.stat("a/b/f")), "ENOENT");
});

posix("renameat2: no replacing", async (calls) => {
  if (!calls.renameat2) return;
  await writeFile(calls, "f", "f");
  await writeFile(calls, "g", "g");
  await calls.mkdir("d");
  for (const target of ["g", "d", "f"])
    assert.equal(await outcome(calls.renameat2("f", target, "noReplace")), "EEXIST");
  assert.equal(await outcome(calls.renameat2("no", "g", "noReplace")), "ENOENT");
  await calls.renameat2("f", "h", "noReplace");
  assert.deepEqual(await names(calls), ["d", "g", "h"]);
});

posix("renameat2: exchanging", async (calls) => {
  if (!calls.renameat2) return;
  await writeFile(calls, "f", "f");
  await calls.mkdir("d");
  await writeFile(calls, "d/g", "g");
  await calls.renameat2("f", "d/g", "exchange");
  assert.deepEqual([await readFile(calls, "f"), await readFile(calls, "d/g")], ["g", "f"]);
  await calls.mkdir("e");
  await calls.renameat2("f", "e", "exchange");
  assert.deepEqual([(await calls.stat("f")).kind, (await calls.stat("e")).kind], ["folder", "file"]);
  assert.equal(await outcome(calls.renameat2("f", "no", "exchange")), "ENOENT");
  assert.equal(await outcome(calls.renameat2("d", "d/g", "exchange")), "EINVAL");
  assert.equal(await outcome(calls.renameat2("d/g", "d", "exchange")), "EINVAL");
});

// ---- files that are gone but open -----------------------------------------------------------------------------------------------

posix("unlinked while open: read, write, truncate, stat, chmod and utimes go on", async (calls) => {
  await writeFile(calls, "f", "abc");
  const file = await calls.open("f", "r+");
  const { ino } = await file.stat();
  await calls.unlink("f");
  assert.equal(await outcome(calls.stat("f")), "ENOENT");
  assert.equal(await file.read(0, 10), "abc");
  await file.write(3, "def");
  assert.equal(await file.read(0, 10), "abcdef");
  await file.truncate(2);
  await file.chmod(0o600);
  await file.utimes(1_000_000_000);
  const shown = await file.stat();
  assert.deepEqual(
    [shown.ino, shown.size, shown.mode, shown.mtimeMs, shown.nlink],
    [ino, 2, 0o600, 1_000_000_000_000, 0],
  );
  await file.write(0, "XY");
  assert.ok((await file.stat()).mtimeMs > 1_400_000_000_000);
  await file.close();
  assert.deepEqual(await names(calls), []);
});

posix("unlinked while open: the name may be used again, the two are different files", async (calls) => {
  const old = await calls.open("f", "w+");
  await old.write(0, "old");
  await calls.unlink("f");
  await writeFile(calls, "f", "new");
  await old.write(3, "er");
  assert.equal(await old.read(0, 10), "older");
  assert.equal(await readFile(calls, "f"), "new");
  assert.notEqual((await old.stat()).ino, (await calls.stat("f")).ino);
  await old.close();
  assert.equal(await readFile(calls, "f"), "new");
});

posix("renamed over while open: both handles go on, each with its own bytes", async (calls) => {
  await writeFile(calls, "f", "old");
  const old = await calls.open("f", "r+");
  const young = await calls.open("tmp", "w+");
  await young.write(0, "young");
  await calls.rename("tmp", "f");
  assert.equal(await old.read(0, 10), "old");
  await old.write(0, "OLD");
  await young.write(5, "er");
  assert.equal(await old.read(0, 10), "OLD");
  assert.equal(await young.read(0, 10), "younger");
  assert.equal((await calls.stat("f")).ino, (await young.stat()).ino);
  await old.close();
  await young.close();
  assert.equal(await readFile(calls, "f"), "younger");
});

posix("renamed while open and dirty: what is written later arrives under the new name", async (calls) => {
  const file = await calls.open("f", "w");
  await file.write(0, "one");
  await calls.rename("f", "g");
  await file.write(3, "two");
  await file.close();
  assert.equal(await readFile(calls, "g"), "onetwo");
  assert.deepEqual(await names(calls), ["g"]);
});

// ---- how programs save ----------------------------------------------------------------------------------------------------------

posix("save: temp over target, as sed and rsync do", async (calls) => {
  await writeFile(calls, "f", "old");
  const temp = await calls.open(".f.Xy12", "wx", 0o600);
  await temp.chmod(0o640);
  await temp.write(0, "new text");
  await temp.close();
  await calls.utimes(".f.Xy12", 1_200_000_000);
  await calls.rename(".f.Xy12", "f");
  const shown = await calls.stat("f");
  assert.deepEqual([shown.size, shown.mode, shown.mtimeMs], [8, 0o640, 1_200_000_000_000]);
  assert.equal(await readFile(calls, "f"), "new text");
  assert.deepEqual(await names(calls), ["f"]);
});

posix("save: rename away, create, drop the backup, as vim does", async (calls) => {
  await writeFile(calls, "f", "old");
  const probe = await calls.open("4913", "wx");
  await probe.close();
  await calls.unlink("4913");
  await calls.rename("f", "f~");
  const file = await calls.open("f", "wx", 0o644);
  await file.truncate(0);
  await file.write(0, "new");
  await file.fsync();
  await file.chmod(0o600);
  await file.close();
  await calls.unlink("f~");
  assert.equal(await readFile(calls, "f"), "new");
  assert.equal((await calls.stat("f")).mode, 0o600);
  assert.deepEqual(await names(calls), ["f"]);
});

posix("save: the backup is kept, as emacs does", async (calls) => {
  await writeFile(calls, "f", "old");
  await calls.rename("f", "f~");
  await writeFile(calls, "f", "new");
  assert.deepEqual([await readFile(calls, "f"), await readFile(calls, "f~")], ["new", "old"]);
  await calls.rename("f", "f~");
  await writeFile(calls, "f", "newer");
  assert.deepEqual([await readFile(calls, "f"), await readFile(calls, "f~")], ["newer", "new"]);
});

posix("save: over a file that is open, as gedit and LibreOffice do", async (calls) => {
  await writeFile(calls, "f", "old");
  const held = await calls.open("f", "r+");
  const temp = await calls.open(".goutputstream-AB12CD", "wx");
  await temp.write(0, "new");
  await temp.fsync();
  await calls.rename(".goutputstream-AB12CD", "f");
  await temp.close();
  assert.equal(await held.read(0, 9), "old");
  await held.close();
  assert.equal(await readFile(calls, "f"), "new");
});

posix("save: unlink and create, as install and tar do", async (calls) => {
  for (const text of ["one", "two", "three"]) {
    await outcome(calls.unlink("f"));
    const file = await calls.open("f", "wx");
    await file.write(0, text);
    await file.close();
    assert.equal(await readFile(calls, "f"), text);
  }
});

posix("locks: mkdir and O_EXCL let exactly one through", async (calls) => {
  const made = await Promise.all([1, 2, 3, 4].map(() => outcome(calls.mkdir("lock"))));
  assert.deepEqual(made.sort(), ["EEXIST", "EEXIST", "EEXIST", "ok"]);
  const opened = await Promise.all(
    [1, 2, 3, 4].map(() =>
      calls.open("f", "wx").then(
        (file) => file.close(),
        () => "no",
      ),
    ),
  );
  assert.equal(opened.filter((result) => result === "no").length, 3);
});

export const treeCases = cases;
