/** The habits of CONTRIBUTING.md that a program can check: headers, sizes, names, invariants and their tests, generated docs. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commandTable, optionTable } from "../src/cli/help.ts";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const below = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(ending) && !path.includes("node_modules"))
    .map((path) => join(folder, path))
    .sort();
const sources = below("src", ".ts");
const tests = below("test", ".ts");

test("tidy: every file opens with a header comment that says what it is", () => {
  const bare = [...sources, ...tests].filter((path) => !/^(#!.*\n)?\/\*\*\s*\S/.test(read(path)));
  assert.deepEqual(bare, []);
});

test("tidy: no file of src has more than 500 lines", () => {
  const long = sources.filter((path) => read(path).split("\n").length > 501);
  assert.deepEqual(long, []);
});

test("tidy: files are named for what they hold", () => {
  const vague = sources.filter((path) =>
    /(^|[-.])(util|utils|helper|helpers|manager|common|misc|index)([-.]|$)/.test(basename(path)),
  );
  assert.deepEqual(vague, []);
});

test("tidy: no file only hands on what others export", () => {
  const barrels = sources.filter((path) => {
    const code = read(path)
      .replace(/\/\*[\s\S]*?\*\//g, "")
      .trim();
    return code !== "" && code.split("\n").every((line) => line.trim() === "" || /^export .* from /.test(line.trim()));
  });
  assert.deepEqual(barrels, []);
});

test("tidy: process.exit only in bin", () => {
  const exits = sources.filter((path) => !path.startsWith("src/bin/") && /\bprocess\.exit\(/.test(read(path)));
  assert.deepEqual(exits, []);
});

test("tidy: pure folders know no clock and no chance", () => {
  const impure = sources.filter(
    (path) =>
      /^src\/(model|op|merge)\//.test(path) &&
      /\bDate\.now|new Date\(\)|Math\.random|\basync\b|\bawait\b/.test(stripComments(read(path))),
  );
  assert.deepEqual(impure, []);
});

test("tidy: only the clock door reads the time, only the random door draws", () => {
  const doors = ["src/base/clock.ts", "src/base/random.ts"];
  const readers = sources.filter(
    (path) =>
      !path.startsWith("src/sim/") &&
      !doors.includes(path) &&
      /\bDate\.now\(|new Date\(\)|Math\.random\(/.test(stripComments(read(path))),
  );
  assert.deepEqual(readers, []);
});

test("tidy: every invariant of a SPEC.md has its test, and every test that names one of a folder has it", () => {
  const titles = tests.map((path) => ({ path, code: read(path) }));
  for (const spec of below("src", "SPEC.md")) {
    const folder = basename(dirname(spec));
    const near = titles.filter(
      ({ path }) => path.startsWith(`test/${folder}/`) || /^test\/(contract|world|engine)\//.test(path),
    );
    const invariants = [...read(spec).matchAll(/^- \*\*([A-Z]\d+)\*\*([\s\S]*?)(?=^- \*\*|^#|^$|$(?![\s\S]))/gm)];
    assert.ok(invariants.length > 0, `${spec} numbers its invariants`);
    const untested = invariants.filter(([, id, text]) => {
      const quoted = [...text!.matchAll(/"([^"]+)"/g)].map((match) => match[1]!);
      const byConstruction = /by construction|type of/.test(text!);
      return (
        !byConstruction &&
        !near.some(({ code }) => new RegExp(`\\b${id}\\b`).test(code) || quoted.some((title) => code.includes(title)))
      );
    });
    assert.deepEqual(
      untested.map(([, id]) => id),
      [],
      `${spec}: a test names each, or the invariant quotes its test's title`,
    );
    const ids = new Set(invariants.map(([, id]) => id));
    const strangers = near
      .flatMap(({ code }) => [...code.matchAll(new RegExp(`"${folder} ([A-Z]\\d+)\\b`, "g"))].map((match) => match[1]!))
      .filter((id) => !ids.has(id));
    assert.deepEqual(strangers, [], `tests name invariants that ${spec} does not have`);
  }
});

test("tidy: the README's tables are those the programs print", () => {
  assert.ok(read("README.md").includes(optionTable()), "README.md holds optionTable() of src/cli/help.ts");
  assert.ok(read("README.md").includes(commandTable()), "README.md holds commandTable() of src/cli/help.ts");
});

test("tidy: every relative link of the documents leads somewhere", () => {
  const known = new Set(
    readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => !path.startsWith("node_modules")),
  );
  for (const doc of [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    ...below("docs", ".md"),
    ...below("native-notes", ".md"),
  ]) {
    for (const [, link] of read(doc).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link!)) continue;
      assert.ok(known.has(join(dirname(doc), link!).replace(/\/$/, "")), `${doc} links to ${link}`);
    }
  }
});

function stripComments(code: string): string {
  return code.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
}
