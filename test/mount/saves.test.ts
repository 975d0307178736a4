/**
 * Programs save a file that the cloud has. Whatever way they take (in place, a new file renamed over, a backup kept or dropped), the
 * cloud sees the same: the item it had, exactly one new version, one upload, and no name that the program only used in between.
 * The simulator's request log is the witness.
 */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { chmod, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually, run, startMount, type Mount, type Ran } from "../support/mount-process.ts";
import { startSim, type Sim, type SimRequest } from "../support/sim-process.ts";
import { typeInto } from "../support/terminal.ts";

let sim: Sim;
let mount: Mount;

before(async () => {
  sim = await startSim();
  mount = await startMount(sim, { options: { write_back: "1" } });
});

after(async () => {
  await mount?.dispose();
  await sim?.stop();
});

const FIRST = "First version, from another machine.\n";
const SECOND = "Second version, written by an editor.\n";

const quiet = (): NodeJS.ProcessEnv => ({ ...process.env, HOME: mount.home, LC_ALL: "C.UTF-8" });

function assertEnded(ran: Ran, what: string): void {
  assert.equal(ran.code, 0, `${what}: ${ran.out}${ran.err}`);
}

async function good(program: string, ...args: string[]): Promise<void> {
  assertEnded(await run(program, args, quiet()), `${program} ${args.join(" ")}`);
}

async function typed(program: readonly string[], ...keys: string[]): Promise<void> {
  assertEnded(await typeInto(program, keys, quiet()), program.join(" "));
}

function sourceFile(): string {
  const source = join(mount.home, "source");
  writeFileSync(source, SECOND);
  return source;
}

interface Save {
  /** The file holds SECOND after it. */
  save(file: string): Promise<void>;
  /** What the program keeps beside the file: a new item with the old bytes. */
  readonly backup?: (name: string) => string;
}

// vim and emacs make no backups under /tmp unless they are told to.
const VIM = ["vim", "--clean", "-N", "--cmd", "set backupskip= nofixeol"];
const EMACS = ["emacs", "-nw", "-Q", "--eval", "(setq backup-enable-predicate (lambda (_) t))"];
const TEXT = SECOND.trim();

const saves: Readonly<Record<string, Save>> = {
  "vim on a terminal, as it comes": {
    save: (file) => typed([...VIM, file], ":%d\\r", `i${TEXT}\\x1b`, ":wq\\r"),
  },
  "vim with backupcopy=no": {
    save: (file) => typed([...VIM, "--cmd", "set backupcopy=no", file], ":%d\\r", `i${TEXT}\\x1b`, ":wq\\r"),
  },
  "vim with backupcopy=yes": {
    save: (file) => typed([...VIM, "--cmd", "set backupcopy=yes", file], ":%d\\r", `i${TEXT}\\x1b`, ":wq\\r"),
  },
  "vim that keeps its backup": {
    save: (file) =>
      typed([...VIM, "--cmd", "set backup backupcopy=no backupdir=.", file], ":%d\\r", `i${TEXT}\\x1b`, ":wq\\r"),
    backup: (name) => `${name}~`,
  },
  "emacs on a terminal": {
    save: (file) => typed([...EMACS, file], "\\x18h", "\\x17", TEXT, "\\r", "\\x18\\x13", "\\x18\\x03"),
    backup: (name) => `${name}~`,
  },
  "emacs in a batch": {
    save: (file) =>
      good(
        "emacs",
        "--batch",
        "-Q",
        "--eval",
        "(setq backup-enable-predicate (lambda (_) t))",
        file,
        "--eval",
        `(progn (erase-buffer) (insert "${TEXT}\\n") (save-buffer))`,
      ),
    backup: (name) => `${name}~`,
  },
  "gio save, as gedit does": {
    save: (file) => good("sh", "-c", 'gio save "$1" < "$2"', "sh", file, sourceFile()),
  },
  "gio save with a backup": {
    save: (file) => good("sh", "-c", 'gio save --backup "$1" < "$2"', "sh", file, sourceFile()),
    backup: (name) => `${name}~`,
  },
  nano: {
    save: (file) => typed(["nano", "-I", file], "\\x1b\\\\", "\\x0b", TEXT, "\\x0f", "\\r", "\\x18"),
  },
  rsync: { save: (file) => good("rsync", "-a", "--ignore-times", sourceFile(), file) },
  "rsync --inplace": { save: (file) => good("rsync", "-a", "--ignore-times", "--inplace", sourceFile(), file) },
  "sed -i": { save: (file) => good("sed", "-i", `1s/.*/${TEXT}/`, file) },
  "perl -i": { save: (file) => good("perl", "-i", "-pe", `s/.*/${TEXT}/ if $. == 1`, file) },
  "cp over it": { save: (file) => good("cp", sourceFile(), file) },
  "install over it": { save: (file) => good("install", "-m", "644", sourceFile(), file) },
  "mv over it": { save: (file) => good("mv", "-f", sourceFile(), file) },
  "a shell's redirection": { save: (file) => good("sh", "-c", 'cat "$2" > "$1"', "sh", file, sourceFile()) },
};

const isChange = ({ method }: SimRequest): boolean => method !== "GET" && method !== "HEAD";
const isContent = ({ method, path }: SimRequest): boolean => method === "PUT" && /\/content(\?|$)/.test(path);

for (const [name, { save, backup }] of Object.entries(saves)) {
  test(`saves: ${name}: the same item, one new version, one upload, no name from in between`, async () => {
    const folder = `by ${name.replaceAll(/[^a-z]+/g, " ").trim()}`;
    const file = `${folder}/note.txt`;
    await sim.put(file, FIRST);
    await eventually(`${file} appears`, async () => (await run("cat", [mount.path(file)])).out === FIRST);
    const before = (await sim.paths()).get(file)!;
    await sim.clearRequests();
    await save(mount.path(file));
    assert.equal(readFileSync(mount.path(file), "utf8").trim(), TEXT);
    await mount.settled();

    const kept = backup === undefined ? [] : [backup("note.txt")];
    assert.deepEqual(readdirSync(mount.path(folder)).toSorted(), ["note.txt", ...kept].toSorted(), "nothing else here");
    const cloud = await sim.paths();
    const there = [...cloud.keys()].filter((path) => path.startsWith(`${folder}/`));
    assert.deepEqual(there.toSorted(), [file, ...kept.map((each) => `${folder}/${each}`)].toSorted());
    assert.equal(cloud.get(file)!.id, before.id, "the same item");
    assert.equal((await sim.get(file)).toString().trim(), TEXT);
    assert.equal((await sim.versions(file)).length, 2, "exactly one new version");
    assert.equal(Math.floor(statSync(mount.path(file)).mtimeMs / 1000) * 1000, Date.parse(cloud.get(file)!.mtime));
    for (const each of kept) {
      const item = cloud.get(`${folder}/${each}`)!;
      assert.notEqual(item.id, before.id, "the backup is an item of its own");
      assert.equal((await sim.get(`${folder}/${each}`)).toString(), FIRST, "with the old bytes");
      assert.equal((await sim.versions(`${folder}/${each}`)).length, 1);
    }
    const changes = (await sim.requests()).filter(isChange);
    assertOnly(changes, before.id, kept);
  });
}

/** The requests that changed something are one upload into the item, its time, and what makes the backups. */
function assertOnly(changes: readonly SimRequest[], id: string, kept: readonly string[]): void {
  const shown = changes.map(({ method, path, status }) => `${method} ${decodeURIComponent(path)} ${status}`);
  const toItem = changes.filter(({ itemId }) => itemId === id);
  assert.equal(toItem.filter(isContent).length, 1, `one upload into the item: ${shown.join(", ")}`);
  const others = changes.filter((request) => !isContent(request) && request.method !== "PATCH");
  assert.deepEqual(
    others.filter(({ path }) => !path.endsWith("/$batch")),
    [],
    `nothing but contents and times: ${shown.join(", ")}`,
  );
  for (const request of changes.filter(isContent)) {
    if (request.itemId === id) continue;
    const path = decodeURIComponent(request.path);
    assert.ok(
      kept.some((name) => path.includes(`/${name}:/`)),
      `only a backup is made: ${path}`,
    );
  }
  assert.equal(changes.filter(isContent).length, 1 + kept.length, shown.join(", "));
  assert.ok(
    changes.every(({ status }) => status < 400),
    shown.join(", "),
  );
}

test("saves: an office program's way, with the document open all the while: each save goes up at once", async () => {
  await sim.put("office/report.odt", FIRST);
  await eventually("it appears", async () => (await run("cat", [mount.path("office/report.odt")])).out === FIRST);
  const { id } = (await sim.paths()).get("office/report.odt")!;
  await sim.clearRequests();
  const file = mount.path("office/report.odt");
  let document = await open(file, "r+");
  try {
    for (let save = 1; save <= 3; save++) {
      const temporary = mount.path(`office/lu${save}x.tmp`);
      const fresh = await open(temporary, "wx");
      await fresh.writeFile(`save ${save}`);
      await fresh.sync();
      await fresh.close();
      await rename(temporary, file);
      await chmod(file, 0o644);
      await document.close();
      document = await open(file, "r+");
      await document.sync();
      await mount.settled();
      assert.equal((await sim.get("office/report.odt")).toString(), `save ${save}`, "while it is open");
      assert.equal((await sim.versions("office/report.odt")).length, 1 + save);
    }
  } finally {
    await document.close();
  }
  await mount.settled();
  assert.equal((await sim.paths()).get("office/report.odt")!.id, id);
  const changes = (await sim.requests()).filter(isChange);
  assert.equal(changes.filter(isContent).length, 3);
  assert.ok(
    changes.every((request) => request.itemId === id),
    "nothing else was touched",
  );
});
