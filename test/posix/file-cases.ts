/** What POSIX and Linux say about opening, reading, writing, truncating and the attributes of files. */
import assert from "node:assert/strict";
import { outcome, readFile, writeFile, type Calls } from "./calls.ts";
import { collector } from "./case.ts";

const { cases, posix } = collector();

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
  assert.deepEqual(Array.from(text.slice(4)).sort(), ["5", "6", "7", "8"]);
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

export const fileCases = cases;
