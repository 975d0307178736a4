/** Names: the mapping to the cloud and back is a bijection; folding, local-only patterns, conflict and parking names. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  checkLocalName,
  conflictName,
  DEFAULT_LOCAL_ONLY_NAMES,
  fold,
  fromCloudName,
  isBackupOf,
  isLocalOnlyName,
  parkedOriginal,
  parkingName,
  toCloudName,
} from "../../src/model/name.ts";

/** Names dense in what the mapping treats specially. */
const pieces = [
  ...Array.from("‛‛‛\u2420．～＿ＣｃＤｖＶ：＊＜＞？＼｜＂\u2401\u241f\u2421\u2400"),
  ...Array.from('aZ.. ~$_"*:<>?\\|\t\n\x01\x1f\x7f-'),
  "_vti_",
  "_VTI_",
  "_ｖti_",
  "_vtı_",
  "CON",
  "con",
  "ＣON",
  "nul",
  "lpt1",
  "ｌpt1",
  "desktop.ini",
  "ｄesktop.ini",
  ".lock",
  "．lock",
  "~$",
  "é",
  "e\u0301",
  "ß",
  "SS",
  "ſ",
  "K",
  "\u0338",
  "\u0323",
  "İ",
  "ﬁ",
  "😀",
  "㍿",
];
const name = fc
  .array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 7 })
  .map((parts) => parts.join(""))
  .filter((text) => text !== "." && text !== "..");
const anyName = fc.oneof(
  { weight: 5, arbitrary: name },
  fc.string({ unit: "binary", minLength: 1, maxLength: 20 }).filter((text) => !/[/\0]|^\.{1,2}$/.test(text)),
);
const RUNS = { numRuns: 4000 };

function refusedByService(cloud: string): boolean {
  return (
    // oxlint-disable-next-line no-control-regex
    /["*:<>?/\\|\x00-\x1f\x7f]|^ | $|\.$|^~\$|_vt[iı]_/i.test(cloud) ||
    /^(\.lock|con|prn|aux|nul|com\d|lpt\d|desktop\.[iı]n[iı])$/i.test(cloud) ||
    cloud === "" ||
    cloud.length > 255
  );
}

describe("model/name: the mapping to cloud names", () => {
  it("gives a name the service accepts, and back exactly", () => {
    fc.assert(
      fc.property(anyName, (local) => {
        const cloud = toCloudName(local);
        if (cloud === undefined) return assert.match(local.normalize("NFD"), /[<>]\p{M}*\u0338|[＜＞]\p{M}*\u0338/u);
        assert.ok(!refusedByService(cloud), `${JSON.stringify(local)} became ${JSON.stringify(cloud)}`);
        assert.equal(fromCloudName(cloud), local);
      }),
      RUNS,
    );
  });

  it("shows every accepted cloud name as a local name that maps back to it", () => {
    fc.assert(
      fc.property(anyName, (cloud) => {
        const local = fromCloudName(cloud);
        assert.ok(local !== undefined && !/[/\0]/.test(local) && local !== "." && local !== "..");
        if (refusedByService(cloud) || /[<>＜＞]\p{M}*\u0338/u.test(cloud.normalize("NFD"))) return;
        assert.equal(toCloudName(local), cloud);
      }),
      RUNS,
    );
  });

  it("keeps equality of names: same slot here exactly when same slot there", () => {
    const variant = (text: string, how: number): string =>
      [text, text.toUpperCase(), text.toLowerCase(), text.normalize("NFD"), text.normalize("NFC")][how % 5]!;
    const pair = fc.oneof(
      fc.tuple(anyName, anyName),
      fc.tuple(anyName, fc.nat(4)).map(([a, how]) => [a, variant(a, how)] as const),
      fc.tuple(anyName, fc.constantFrom(...pieces)).map(([a, more]) => [a, a + more] as const),
      fc.tuple(anyName, fc.constantFrom(...pieces)).map(([a, more]) => [a, more + a] as const),
    );
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const cloudA = toCloudName(a);
        const cloudB = toCloudName(b);
        if (cloudA === undefined || cloudB === undefined) return;
        assert.equal(fold(cloudA) === fold(cloudB), fold(a) === fold(b), `${JSON.stringify([a, b, cloudA, cloudB])}`);
      }),
      { numRuns: 8000 },
    );
  });

  it("leaves ordinary names alone", () => {
    for (const plain of [
      "report.docx",
      "README",
      "Ünïcödé 文件.txt",
      "a%20b#c",
      ".hidden",
      "~x",
      "console.log",
      "com10",
      "CON.txt",
      "a b",
      "f~",
    ])
      assert.equal(toCloudName(plain), plain);
  });

  it("uses look-alikes, and the escape for names that hold them", () => {
    const known: [string, string][] = [
      ["a:b", "a：b"],
      ["a：b", "a‛：b"],
      ["a‛：b", "a‛‛‛：b"],
      ["a‛:b", "a‛‛：b"],
      ["what?", "what？"],
      ["end.", "end．"],
      ["end ", "end␠"],
      [" start", "␠start"],
      [" ", "␠"],
      ["...", "..．"],
      ["．", "．"],
      ["Con", "Ｃon"],
      ["Ｃon", "‛Ｃon"],
      [".lock", "．lock"],
      ["desktop.ini", "ｄesktop.ini"],
      ["~$doc", "～$doc"],
      ["x_vti_y", "x_ｖti_y"],
      ["tab\there", "tab␉here"],
      ["‛", "‛"],
    ];
    for (const [local, cloud] of known) assert.deepEqual([local, toCloudName(local)], [local, cloud]);
  });

  it("refuses what is no name, on both sides", () => {
    for (const bad of ["", ".", "..", "a/b", "a\0", "\ud800", "x\udc00y"]) {
      assert.equal(fromCloudName(bad), undefined);
      assert.equal(toCloudName(bad), undefined);
      assert.equal(checkLocalName(bad)?.kind, "invalid");
    }
    assert.equal(checkLocalName("a<\u0338")?.kind, "invalid");
  });

  it("counts 255 UTF-16 units, shows cloud names of more than 255 bytes", () => {
    assert.equal(checkLocalName("a".repeat(255)), undefined);
    assert.equal(checkLocalName("a".repeat(256))?.kind, "nameTooLong");
    assert.equal(checkLocalName("é".repeat(255)), undefined);
    assert.equal(fromCloudName("文".repeat(255)), "文".repeat(255));
    assert.equal(checkLocalName(":".repeat(255)), undefined);
    assert.equal(checkLocalName("：".repeat(255))?.kind, "nameTooLong");
  });

  it("shows names the service should not hold as they are", () => {
    for (const odd of ["desktop.ini", "a:b", "trailing. ", "CON"]) assert.equal(fromCloudName(odd), odd);
  });
});

describe("model/name: local-only names", () => {
  const only = (text: string): boolean => isLocalOnlyName(text, DEFAULT_LOCAL_ONLY_NAMES);
  it("knows the default list", () => {
    for (const yes of [
      ".~lock.report.odt#",
      ".#note.txt",
      ".#-emacsAB12CD",
      "~$doc.docx",
      ".file.swp",
      ".f.swx",
      "lu123.tmp",
      "A.TMP",
      ".fuse_hidden0001",
    ])
      assert.ok(only(yes), yes);
    for (const yes of [
      ".goutputstream-AB12",
      ".Trash-1000",
      ".directory",
      ".DS_Store",
      "desktop.ini",
      "DESKTOP.INI",
      "thumbs.db",
    ])
      assert.ok(only(yes), yes);
    for (const no of ["report.odt", "a.tmpx", "tmp", ".swp", "file.swp", "x.Trash-1", "lock#", "#note.txt#", "~doc"])
      assert.ok(!only(no), no);
  });
  it("takes any patterns, dull ones fast", () => {
    assert.ok(isLocalOnlyName("a😀b", ["a?b"]));
    assert.ok(!isLocalOnlyName("x", []));
    assert.ok(!isLocalOnlyName("a".repeat(255), ["*a*a*a*a*a*a*b"]));
    assert.ok(isLocalOnlyName("a.(b)[c]", ["a.(b)[c]"]));
  });
});

describe("model/name: names the product makes", () => {
  const mark = { device: "laptop", date: "2026-11-22", tag: "k3f9xx" };
  const free = (): boolean => false;
  it("conflict copies say who, when and which bytes", () => {
    assert.equal(conflictName("report.docx", mark, free), "report (conflict laptop 2026-11-22 k3f9xx).docx");
    assert.equal(conflictName("Makefile", mark, free), "Makefile (conflict laptop 2026-11-22 k3f9xx)");
    assert.equal(conflictName(".bashrc", mark, free), ".bashrc (conflict laptop 2026-11-22 k3f9xx)");
    assert.equal(conflictName("a.b.od-park-9f", mark, free), "a (conflict laptop 2026-11-22 k3f9xx).b");
    const taken = new Set(["x (conflict laptop 2026-11-22 k3f9xx).c"]);
    assert.equal(
      conflictName("x.c", mark, (n) => taken.has(n)),
      "x (conflict laptop 2026-11-22 k3f9xx 2).c",
    );
  });
  it("stay within 255 units here and there, by whole characters", () => {
    fc.assert(
      fc.property(fc.constantFrom("a", "：", "😀", "é"), fc.integer({ min: 1, max: 127 }), (letter, count) => {
        const long = letter.repeat(count * (2 / letter.length)) + ".docx";
        for (const made of [conflictName(long, mark, free), parkingName(long, "dev1-9")]) {
          assert.equal(checkLocalName(made), undefined);
          assert.doesNotMatch(made, /\p{Surrogate}/u);
        }
        assert.ok(conflictName(long, mark, free).endsWith(" (conflict laptop 2026-11-22 k3f9xx).docx"));
      }),
      { numRuns: 200 },
    );
  });
  it("parking names give the original back", () => {
    assert.equal(parkingName("a.txt", "d1-7"), "a.txt.od-park-d1-7");
    assert.equal(parkedOriginal("a.txt.od-park-d1-7"), "a.txt");
    assert.equal(parkingName("a.txt.od-park-d1-7", "x"), "a.txt.od-park-x");
    for (const plain of ["a.txt", ".od-park-1", "a.od-park-", "a.od-park-x y"])
      assert.equal(parkedOriginal(plain), undefined);
  });
  it("backup shapes", () => {
    for (const backup of ["f.c~", "f.c.~12~", "f.c.bak", "f.bak", "f.c.orig", "f.c.old", ".f.c~", "F.C~"])
      assert.ok(isBackupOf(backup, "f.c"), backup);
    for (const other of ["f.c", "F.c", "g.c~", "f.c2", "f.c.new", "f.d", "f.c~x"])
      assert.ok(!isBackupOf(other, "f.c"), other);
  });
});
