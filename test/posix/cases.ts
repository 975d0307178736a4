/**
 * What POSIX and Linux say about regular files and folders, as far as programs rely on it. Each case runs in a folder of its own and
 * must pass on an ordinary file system, on the vfs in-process and on a mount alike.
 */
import assert from "node:assert/strict";
import { outcome, readFile, writeFile, type Calls } from "./calls.ts";

export interface Case {
  readonly name: string;
  run(calls: Calls): Promise<void>;
}

export const cases: Case[] = [];

function posix(name: string, run: (calls: Calls) => Promise<void>): void {
  cases.push({ name, run });
}

const names = async (calls: Calls, path = "."): Promise<string[]> => (await calls.readdir(path)).sort();

// ---- open and create ------------------------------------------------------------------------------------------------------------

posix("open: a file that is not there, and in a folder that is not there", async (calls) => {
  for (const mode of ["r", "r+"] as const) assert.equal(await outcome(calls.open("f", mode)), "ENOENT");
  for (const mode of ["r", "w", "a", "wx"] as const) assert.equal(await outcome(calls.open("d/f", mode)), "ENOENT");
});

posix("open: a file where a folder is meant, a folder where a file is meant", async (calls) => {
  await writeFile(calls, "f", "x");
  await calls.mkdir("d");
  for (const mode of ["r", "w"] as const) assert.equal(await outcome(calls.open("f/g", mode)), "ENOTDIR");
  for (const mode of ["w", "r+", "a", "w+"] as const) assert.equal(await outcome(calls.open("d", mode)), "EISDIR");
  for (const path of ["f", "d"]) assert.equal(await outcome(calls.open(path, "wx")), "EEXIST");
});

posix("create: mode bits are kept, a read-only file is writable through the handle that made it", async (calls) => {
  const file = await calls.open("f", "wx", 0o444);
  assert.equal((await calls.stat("f")).mode, 0o444);
  assert.equal(await file.write(0, "abc"), 3);
  await file.close();
  assert.equal(await readFile(calls, "f"), "abc");
  await (await calls.open("g", "w", 0o755)).close();
  assert.equal((await calls.stat("g")).mode, 0o755);
});

posix("open: O_TRUNC empties at once and moves the mtime, also of an empty file", async (calls) => {
  for (const text of ["full", ""]) {
    await writeFile(calls, "f", text);
    await calls.utimes("f", 1_000_000_000);
    const file = await calls.open("f", "w");
    assert.equal((await calls.stat("f")).size, 0);
    assert.ok((await calls.stat("f")).mtimeMs > 1_000_000_000_000);
    await file.close();
  }
});

posix("open: without writing changes nothing", async (calls) => {
  await writeFile(calls, "f", "text");
  await calls.utimes("f", 1_000_000_000);
  const file = await calls.open("f", "r+");
  await file.close();
  assert.equal((await calls.stat("f")).mtimeMs, 1_000_000_000_000);
});

posix("open: a handle is only good for what it was opened for", async (calls) => {
  await writeFile(calls, "f", "text");
  const reader = await calls.open("f", "r");
  const writer = await calls.open("f", "a");
  assert.equal(await outcome(reader.write(0, "x")), "EBADF");
  assert.equal(await outcome(writer.read(0, 1)), "EBADF");
  await reader.close();
  await writer.close();
});

posix("names: 255 is the longest, forbidden characters of the service are ordinary", async (calls) => {
  await writeFile(calls, "n".repeat(255), "long");
  assert.equal(await readFile(calls, "n".repeat(255)), "long");
  assert.equal(await outcome(calls.open("n".repeat(256), "w")), "ENAMETOOLONG");
  assert.equal(await outcome(calls.mkdir("n".repeat(256))), "ENAMETOOLONG");
  assert.equal(await outcome(calls.rename("n".repeat(255), "n".repeat(256))), "ENAMETOOLONG");
  const odd = [
    "a:b",
    "what?",
    'q"<>|*\\',
    "end.",
    " both ",
    "CON",
    "new\nline",
    "‛：",
    "é",
    "desktop.in",
    "~$x",
    "...",
  ];
  for (const name of odd) await writeFile(calls, name, name.length.toString());
  for (const name of odd) assert.equal(await readFile(calls, name), name.length.toString());
  assert.deepEqual(await names(calls), [...odd, "n".repeat(255)].sort());
});

// ---- read and write -------------------------------------------------------------------------------------------------------------

posix("read: at and beyond the end", async (calls) => {
  await writeFile(calls, "f", "0123456789");
  const file = await calls.open("f", "r");
  assert.equal(await file.read(0, 100), "0123456789");
  assert.equal(await file.read(8, 100), "89");
  assert.equal(await file.read(10, 1), "");
  assert.equal(await file.read(1000, 1), "");
  await file.close();
});

posix("write: holes read as zeros, the size is the last byte's", async (calls) => {
  const file = await calls.open("f", "w+");
  await file.write(5000, "end");
  assert.equal((await file.stat()).size, 5003);
  assert.equal(await file.read(4998, 10), "\0\0end");
  assert.equal(await file.read(0, 4), "\0\0\0\0");
  await file.write(1, "xy");
  assert.equal(await file.read(0, 4), "\0xy\0");
  await file.close();
  assert.equal((await calls.stat("f")).size, 5003);
});

posix("write: seen by every other handle and by stat at once", async (calls) => {
  await writeFile(calls, "f", "aaaa");
  const one = await calls.open("f", "r+");
  const two = await calls.open("f", "r+");
  await one.write(2, "bbbb");
  assert.equal(await two.read(0, 10), "aabbbb");
  assert.equal((await calls.stat("f")).size, 6);
  await two.write(0, "cc");
  assert.equal(await one.read(0, 10), "ccbbbb");
  await one.close();
  assert.equal(await two.read(0, 10), "ccbbbb");
  await two.close();
  assert.equal(await readFile(calls, "f"), "ccbbbb");
});

posix("write: O_APPEND always writes at the end, whoever made it longer", async (calls) => {
  await writeFile(calls, "f", "1");
  const one = await calls.open("f", "a");
  const two = await calls.open("f", "a");
  await one.write(0, "2");
  await two.write(0, "3");
  await one.write(0, "4");
  await Promise.all(["5", "6", "7", "8"].map((text, i) => (i % 2 ? one : two).write(0, text)));
  await one.close();
  await two.close();
  const text = await readFile(calls, "f");
  assert.equal(text.slice(0, 4), "1234");
  assert.deepEqual([...text.slice(4)].sort(), ["5", "6", "7", "8"]);
});

posix("write: nothing written changes nothing", async (calls) => {
  await writeFile(calls, "f", "abc");
  await calls.utimes("f", 1_000_000_000);
  const file = await calls.open("f", "r+");
  assert.equal(await file.write(100, ""), 0);
  await file.close();
  const { size, mtimeMs } = await calls.stat("f");
  assert.deepEqual({ size, mtimeMs }, { size: 3, mtimeMs: 1_000_000_000_000 });
});

posix("fsync: of a clean file, a dirty one, one that is gone", async (calls) => {
  const file = await calls.open("f", "w+");
  await file.fsync();
  await file.write(0, "abc");
  await file.fsync();
  await calls.unlink("f");
  await file.write(3, "d");
  await file.fsync();
  assert.equal(await file.read(0, 9), "abcd");
  await file.close();
});

// ---- truncate -------------------------------------------------------------------------------------------------------------------

posix("truncate: shorter, longer, to nothing, by path and by handle", async (calls) => {
  await writeFile(calls, "f", "0123456789");
  await calls.truncate("f", 4);
  assert.equal(await readFile(calls, "f"), "0123");
  await calls.truncate("f", 6);
  assert.equal(await readFile(calls, "f"), "0123\0\0");
  const file = await calls.open("f", "r+");
  await file.truncate(2);
  assert.equal((await calls.stat("f")).size, 2);
  await file.truncate(8);
  assert.equal(await file.read(0, 10), "01\0\0\0\0\0\0");
  await file.close();
  await calls.truncate("f", 0);
  assert.equal((await calls.stat("f")).size, 0);
});

posix("truncate: what was cut off does not come back", async (calls) => {
  const file = await calls.open("f", "w+");
  await file.write(0, "abcdefgh");
  await file.truncate(3);
  await file.write(6, "Z");
  assert.equal(await file.read(0, 10), "abc\0\0\0Z");
  await file.close();
});

posix("truncate: by path is seen by open handles", async (calls) => {
  const file = await calls.open("f", "w+");
  await file.write(0, "abcdefgh");
  await calls.truncate("f", 3);
  assert.equal((await file.stat()).size, 3);
  assert.equal(await file.read(0, 10), "abc");
  await file.close();
  assert.equal(await readFile(calls, "f"), "abc");
});

posix("truncate: moves the mtime, a folder has none", async (calls) => {
  await writeFile(calls, "f", "abc");
  await calls.utimes("f", 1_000_000_000);
  await calls.truncate("f", 1);
  assert.ok((await calls.stat("f")).mtimeMs > 1_000_000_000_000);
  await calls.mkdir("d");
  assert.equal(await outcome(calls.truncate("d", 0)), "EISDIR");
  assert.equal(await outcome(calls.truncate("nobody", 0)), "ENOENT");
});

// ---- times and modes ------------------------------------------------------------------------------------------------------------

posix("utimes: with fractions, on files and folders, before the epoch", async (calls) => {
  await writeFile(calls, "f", "x");
  await calls.mkdir("d");
  for (const path of ["f", "d"])
    for (const mtime of [1_500_000_000, 1_234_567_890.125, 0, -86_400]) {
      await calls.utimes(path, mtime);
      assert.equal((await calls.stat(path)).mtimeMs, mtime * 1000);
    }
});

posix("utimes: on an open dirty file survives its close; a later write moves it again", async (calls) => {
  const file = await calls.open("f", "w");
  await file.write(0, "abc");
  await file.utimes(1_000_000_000);
  assert.equal((await calls.stat("f")).mtimeMs, 1_000_000_000_000);
  await file.close();
  assert.equal((await calls.stat("f")).mtimeMs, 1_000_000_000_000);
  const again = await calls.open("f", "r+");
  await again.utimes(1_100_000_000);
  await again.write(0, "x");
  await again.close();
  assert.ok((await calls.stat("f")).mtimeMs > 1_400_000_000_000);
});

posix("utimes: by path while open and dirty", async (calls) => {
  const file = await calls.open("f", "w");
  await file.write(0, "abc");
  await calls.utimes("f", 1_000_000_000);
  await file.close();
  assert.equal((await calls.stat("f")).mtimeMs, 1_000_000_000_000);
});

posix("folder times: move when an entry is made, renamed or removed, not when a file is written", async (calls) => {
  await calls.mkdir("d");
  await calls.mkdir("e");
  await writeFile(calls, "d/f", "x");
  const moved = async (folder: string, act: () => Promise<unknown>): Promise<boolean> => {
    await calls.utimes(folder, 1_000_000_000);
    await act();
    return (await calls.stat(folder)).mtimeMs > 1_000_000_000_000;
  };
  assert.ok(await moved("d", () => writeFile(calls, "d/new", "")));
  assert.ok(await moved("d", () => calls.mkdir("d/sub")));
  assert.ok(await moved("d", () => calls.rename("d/f", "d/g")));
  assert.ok(await moved("d", () => calls.rename("d/g", "e/g")));
  assert.ok(await moved("d", () => calls.rename("e/g", "d/f")));
  assert.ok(await moved("d", () => calls.rmdir("d/sub")));
  assert.ok(await moved("d", () => calls.unlink("d/new")));
  assert.ok(!(await moved("d", () => writeFile(calls, "d/f", "longer"))));
  assert.ok(!(await moved("d", () => calls.chmod("d/f", 0o600))));
});

posix("chmod: kept through rename and writing; moves only ctime", async (calls) => {
  await writeFile(calls, "f", "x");
  await calls.utimes("f", 1_000_000_000);
  const before = (await calls.stat("f")).ctimeMs;
  await calls.pause();
  await calls.chmod("f", 0o4751);
  assert.ok((await calls.stat("f")).ctimeMs > before);
  assert.equal((await calls.stat("f")).mtimeMs, 1_000_000_000_000);
  await calls.rename("f", "g");
  assert.equal((await calls.stat("g")).mode, 0o4751);
  await calls.chmod("g", 0o640);
  await calls.truncate("g", 0);
  assert.equal((await calls.stat("g")).mode, 0o640);
  await calls.mkdir("d", 0o700);
  assert.equal((await calls.stat("d")).mode, 0o700);
});

posix("chown: to oneself succeeds", async (calls) => {
  await writeFile(calls, "f", "x");
  assert.equal(await outcome(calls.chown("f", calls.uid, calls.gid)), "ok");
});

posix("ctime: moves with a rename", async (calls) => {
  await writeFile(calls, "f", "x");
  const before = (await calls.stat("f")).ctimeMs;
  await calls.pause();
  await calls.rename("f", "g");
  assert.ok((await calls.stat("g")).ctimeMs > before);
});

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
