/**
 * Random calls on the vfs against a model of a file tree that fits on a page, with requests under way, acknowledgements, quiet moments
 * and kill -9 in between. After every call the two must show the same; a failure names its seed.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom, type Random } from "../../src/base/random.ts";
import { ROOT, type BlobId, type HandleId, type ItemKey } from "../../src/model/ids.ts";
import { fold } from "../../src/model/name.ts";
import { me, World } from "./world.ts";

interface File {
  readonly kind: "file";
  text: string;
  mode: number;
}
interface Folder {
  readonly kind: "folder";
  readonly entries: Map<string, { name: string; what: File | Folder }>;
}
interface Spot {
  readonly node: ItemKey;
  readonly folder: Folder;
}

const NAMES = ["f", "F", "f~", "g", "x.tmp", ".goutputstream-1", "d", "e"];
const SEEDS = 25;
const STEPS = 80;

class Run {
  readonly world: World;
  readonly random: Random;
  readonly root: Folder = { kind: "folder", entries: new Map() };
  readonly open: { handle: HandleId; file: File; unsaved: boolean }[] = [];
  readonly trace: string[] = [];
  readonly sent = new Map<ItemKey, BlobId>();

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.world = new World({ seed: String(seed) });
    for (const name of ["f", "g", "d"]) this.cloudItem(ROOT, this.root, name);
    this.cloudItem(this.world.at("d"), this.folders()[1]!.folder, "f");
  }

  cloudItem(parent: ItemKey, folder: Folder, name: string): void {
    const isFolder = name === "d";
    this.world.inCloud(name, isFolder ? undefined : `cloud ${name}`, { parent });
    const what: File | Folder = isFolder
      ? { kind: "folder", entries: new Map() }
      : { kind: "file", text: `cloud ${name}`, mode: 0o644 };
    folder.entries.set(fold(name), { name, what });
  }

  folders(at: Spot = { node: ROOT, folder: this.root }): Spot[] {
    const inner = [...at.folder.entries.values()].flatMap(({ name, what }) =>
      what.kind === "folder" ? this.folders({ node: this.world.at(name, at.node), folder: what }) : [],
    );
    return [at, ...inner];
  }

  async step(): Promise<void> {
    const acts = [
      this.write,
      this.write,
      this.remove,
      this.rename,
      this.rename,
      this.rename,
      this.mkdir,
      this.attributes,
    ];
    const rare = [
      this.openOne,
      this.writeOpen,
      this.writeOpen,
      this.closeOne,
      this.quiet,
      this.send,
      this.acknowledge,
      this.kill,
    ];
    await this.random.pick(this.random.below(3) === 0 ? rare : acts).call(this);
    await this.compare({ node: ROOT, folder: this.root });
  }

  say(text: string): void {
    this.trace.push(text);
  }

  async write(): Promise<void> {
    const { node, folder } = this.random.pick(this.folders());
    const name = this.random.pick(NAMES);
    const there = folder.entries.get(fold(name))?.what;
    const text = `text ${this.random.below(1e6)}`.slice(0, this.random.below(12));
    this.say(`write ${node}/${name} ${text}`);
    const flags = { read: false, write: true, append: false, truncate: true, exclusive: false };
    const made = await this.world.vfs.create(node, name, 0o600, flags, me);
    if (there?.kind === "folder") return assert.equal(made.ok, false);
    assert.ok(made.ok);
    if (text) await this.world.do(this.world.vfs.write(made.value.handle, 0, Buffer.from(text)));
    await this.world.close(made.value.handle);
    if (there) there.text = text;
    else folder.entries.set(fold(name), { name, what: { kind: "file", text, mode: 0o600 } });
  }

  async remove(): Promise<void> {
    const { node, folder } = this.random.pick(this.folders());
    const name = this.random.pick(NAMES);
    const there = folder.entries.get(fold(name))?.what;
    const how = this.random.pick(["unlink", "rmdir"] as const);
    this.say(`${how} ${node}/${name}`);
    const expected = !there
      ? "notFound"
      : how === "unlink"
        ? there.kind === "file"
          ? "ok"
          : "isFolder"
        : emptyKind(there);
    assert.equal(await this.world.kind(this.world.vfs[how](node, name)), expected);
    if (expected === "ok") folder.entries.delete(fold(name));
  }

  async mkdir(): Promise<void> {
    const { node, folder } = this.random.pick(this.folders());
    const name = this.random.pick(NAMES);
    this.say(`mkdir ${node}/${name}`);
    const there = folder.entries.has(fold(name));
    assert.equal(await this.world.kind(this.world.vfs.mkdir(node, name, 0o755, me)), there ? "exists" : "ok");
    if (!there) folder.entries.set(fold(name), { name, what: { kind: "folder", entries: new Map() } });
  }

  async rename(): Promise<void> {
    const [from, to] = [this.random.pick(this.folders()), this.random.pick(this.folders())];
    const [name, target] = [this.random.pick(NAMES), this.random.pick(NAMES)];
    const how = this.random.pick(["replace", "replace", "noReplace", "exchange"] as const);
    this.say(`rename ${from.node}/${name} ${to.node}/${target} ${how}`);
    const expected = renameInModel({ from: from.folder, name, to: to.folder, target, how });
    const answer = this.world.vfs.rename({ parent: from.node, name }, { parent: to.node, name: target }, how);
    assert.equal(await this.world.kind(answer), expected);
  }

  async attributes(): Promise<void> {
    const { node, folder } = this.random.pick(this.folders());
    const entry = this.random.pick([...folder.entries.values(), undefined]);
    if (entry?.what.kind !== "file") return;
    const file = this.world.at(entry.name, node);
    this.say(`attributes ${node}/${entry.name}`);
    if (this.random.below(2)) {
      entry.what.mode = this.random.pick([0o600, 0o644, 0o755]);
      await this.world.do(this.world.vfs.setattr(file, { mode: entry.what.mode }, me));
    } else {
      const size = this.random.below(20);
      await this.world.do(this.world.vfs.setattr(file, { size }, me));
      entry.what.text = entry.what.text.slice(0, size).padEnd(size, "\0");
    }
  }

  async openOne(): Promise<void> {
    const { node, folder } = this.random.pick(this.folders());
    const entry = this.random.pick([...folder.entries.values(), undefined]);
    if (entry?.what.kind !== "file") return;
    this.say(`open ${node}/${entry.name}`);
    this.open.push({
      handle: await this.world.open(this.world.at(entry.name, node)),
      file: entry.what,
      unsaved: false,
    });
  }

  async writeOpen(): Promise<void> {
    const one = this.random.pick([...this.open, undefined]);
    if (!one) return;
    const at = this.random.below(10);
    this.say(`write to handle ${one.handle} at ${at}`);
    await this.world.do(this.world.vfs.write(one.handle, at, Buffer.from("XYZ")));
    one.file.text = one.file.text.padEnd(at, "\0").slice(0, at) + "XYZ" + one.file.text.slice(at + 3);
    one.unsaved = true;
    const shown = await this.world.do(this.world.vfs.read(one.handle, 0, 100));
    assert.equal(Buffer.from(shown).toString(), one.file.text, "a handle reads what was written");
  }

  async closeOne(): Promise<void> {
    const one = this.open.splice(this.random.below(this.open.length || 1), 1)[0];
    if (!one) return;
    this.say(`close handle ${one.handle}`);
    await this.world.close(one.handle);
  }

  async quiet(): Promise<void> {
    this.say("quiet");
    await this.world.pass(this.random.pick([500, 1500, 10_000]));
  }

  /** Something recorded goes out: its bytes are frozen and its operations are under way. */
  async send(): Promise<void> {
    const records = [...this.world.store.read.ops.range()].map(([, record]) => record.op.node);
    const node = this.random.pick([...records, undefined]);
    const content = node === undefined ? undefined : this.world.view(node)?.content;
    if (node === undefined || this.sent.has(node) || content?.from !== "blob" || this.world.vfs.isWriting(node)) return;
    if (!this.world.store.read.mirror.get(node) || !this.world.ops(node).some((op) => op.type === "writeContent"))
      return;
    this.say(`send ${node}`);
    await this.world.do(this.world.content.freeze(content.blob));
    const now = this.world.view(node)?.content;
    if (now?.from !== "blob" || now.blob !== content.blob) return;
    this.world.sending(node);
    this.sent.set(node, content.blob);
  }

  async acknowledge(): Promise<void> {
    const [node, blob] = this.random.pick([...this.sent, undefined]) ?? [];
    if (node === undefined) return;
    this.say(`acknowledge ${node}`);
    this.sent.delete(node);
    await this.world.acknowledge(node, blob!);
  }

  /** Requests under way are resolved by the next process: their records say so. */
  async kill(): Promise<void> {
    if (this.open.some((one) => one.unsaved) || this.random.below(2)) return;
    this.say("kill");
    this.open.length = 0;
    this.world.kill();
  }

  async compare({ node, folder }: Spot): Promise<void> {
    const names = [...folder.entries.values()].map((entry) => entry.name).sort();
    assert.deepEqual(await this.world.ls(node), names);
    for (const { name, what } of folder.entries.values()) {
      const inode = this.world.at(name, node);
      const shown = await this.world.stat(inode);
      assert.equal(shown.kind, what.kind);
      if (what.kind === "folder") await this.compare({ node: inode, folder: what });
      else {
        assert.equal(await this.world.read(inode), what.text, `bytes of ${name}`);
        assert.deepEqual([shown.size, shown.mode], [what.text.length, what.mode], `size and mode of ${name}`);
      }
    }
  }
}

function emptyKind(what: File | Folder): string {
  if (what.kind === "file") return "notFolder";
  return what.entries.size === 0 ? "ok" : "notEmpty";
}

interface Renaming {
  readonly from: Folder;
  readonly name: string;
  readonly to: Folder;
  readonly target: string;
  readonly how: "replace" | "noReplace" | "exchange";
}

function renameInModel({ from, name, to, target, how }: Renaming): string {
  const source = from.entries.get(fold(name));
  if (!source) return "notFound";
  const { what } = source;
  if (what.kind === "folder" && holds(what, to)) return "invalid";
  const there = to.entries.get(fold(target));
  if (how === "exchange") return exchangeInModel({ from, name, to, target, how });
  if (there?.what === what) {
    if (there.name === target) return how === "noReplace" ? "exists" : "ok";
    to.entries.set(fold(target), { name: target, what });
    return "ok";
  }
  if (there && how === "noReplace") return "exists";
  if (there && what.kind === "file" && there.what.kind === "folder") return "isFolder";
  if (there && what.kind === "folder" && there.what.kind === "file") return "notFolder";
  if (there?.what.kind === "folder" && there.what.entries.size > 0) return "notEmpty";
  from.entries.delete(fold(name));
  to.entries.set(fold(target), { name: target, what });
  return "ok";
}

function exchangeInModel({ from, name, to, target }: Renaming): string {
  const one = from.entries.get(fold(name))!;
  const other = to.entries.get(fold(target));
  if (!other) return "notFound";
  if (other.what === one.what) return "ok";
  if (other.what.kind === "folder" && holds(other.what, from)) return "invalid";
  from.entries.set(fold(name), { name: one.name, what: other.what });
  to.entries.set(fold(target), { name: other.name, what: one.what });
  return "ok";
}

function holds(folder: Folder, inner: Folder): boolean {
  if (folder === inner) return true;
  return [...folder.entries.values()].some(({ what }) => what.kind === "folder" && holds(what, inner));
}

describe("vfs: random calls against a model", () => {
  it(`${SEEDS} seeds`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const run = new Run(seed);
      try {
        for (let step = 0; step < STEPS; step++) await run.step();
        while (run.open.length > 0) await run.closeOne();
        while (run.sent.size > 0) await run.acknowledge();
        await run.compare({ node: ROOT, folder: run.root });
        await run.world.check();
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}\n${run.trace.slice(-25).join("\n")}`, { cause: error });
      }
    }
  });
});
