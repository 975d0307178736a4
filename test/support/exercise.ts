/**
 * Random reads, writes, cuts, appends and mappings of a few files, compared with arrays of bytes after every step, while the target
 * pushes, evicts, ends and starts again. What a target is (a vfs in this process, a mount) is its own business. A seed replays the
 * choices; a wrong byte fails with its place and the steps that led to it.
 */
import assert from "node:assert/strict";
import type { Random } from "../../src/base/random.ts";
import { noise } from "../contract/content-world.ts";

/** One open file. */
export interface Opened {
  read(at: number, length: number): Promise<Uint8Array>;
  write(at: number, bytes: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Target {
  open(file: string, how: "r" | "r+" | "a" | "w"): Promise<Opened>;
  truncate(file: string, size: number): Promise<void>;
  size(file: string): Promise<number>;
  /** Through shared memory; absent where there is none. */
  readonly map?: {
    read(file: string, at: number, length: number): Promise<Uint8Array>;
    write(file: string, at: number, bytes: Uint8Array): Promise<void>;
  };
  /** Drops clean bytes of the file. */
  free(file: string): Promise<void>;
  /** Deletes the cache folder. */
  wipe(): Promise<void>;
  /** Everything is in the cloud. */
  push(): Promise<void>;
  /** kill -9 and the next start; open files are gone. */
  kill(): Promise<void>;
  /** A clean end and the next start. */
  restart(): Promise<void>;
}

export interface ExerciseOptions {
  readonly target: Target;
  readonly random: Random;
  readonly files: ReadonlyMap<string, Buffer>;
  /** No file grows much beyond. */
  readonly sizeMax: number;
  /** How often, of 1,000 steps, each of the larger acts comes. */
  readonly permille: { readonly kill: number; readonly restart: number; readonly push: number; readonly wipe: number };
}

const HANDLES_MAX = 2;

interface Handle {
  readonly how: "r+" | "a";
  readonly opened: Opened;
}

export class Exercise {
  readonly #options: ExerciseOptions;
  readonly #random: Random;
  readonly #target: Target;
  readonly #bytes = new Map<string, Buffer>();
  readonly #handles = new Map<string, Handle[]>();
  readonly #told: string[] = [];
  /** How often each act came. */
  readonly counts = new Map<string, number>();

  constructor(options: ExerciseOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#target = options.target;
    for (const [file, bytes] of options.files) this.#bytes.set(file, bytes);
  }

  get files(): ReadonlyMap<string, Buffer> {
    return this.#bytes;
  }

  async run(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      try {
        await this.#step();
      } catch (error) {
        const file = this.#told.at(-1)!.match(/file-\d/)?.[0] ?? "none";
        const about = this.#told.filter((line) => / push| kill|restart|wipe/.test(` ${line}`) || line.includes(file));
        const after = await this.#look(file).catch(String);
        throw new Error(`step ${step}: ${String(error)}\n${about.slice(-60).join("\n")}\n${after}`, { cause: error });
      }
    }
    await this.#closeAll();
    await this.verify();
  }

  /** What of a file is wrong now, for a person who looks for the cause. */
  async #look(file: string): Promise<string> {
    const wanted = this.#bytes.get(file);
    if (!wanted) return "";
    const wrong = (got: Uint8Array): string => {
      const places = [...wanted.keys()].filter((i) => got[i] !== wanted[i]);
      const older = this.#older
        .get(file)
        ?.findIndex((old) => places.every((i) => got[i] === old[i] || (i >= old.length && !got[i])));
      return `${got.length} bytes, ${places.length} wrong, from ${places[0]} to ${places.at(-1)}, as ${older} versions ago`;
    };
    const size = await this.#target.size(file);
    const seen: string[] = [`wanted ${wanted.length}, size ${size}`];
    for (const handle of this.#handles.get(file) ?? [])
      if (handle.how === "r+") seen.push(`through a handle: ${wrong(await handle.opened.read(0, 20_000_000))}`);
    const opened = await this.#target.open(file, "r");
    seen.push(`anew: ${wrong(await opened.read(0, 20_000_000))}`);
    await opened.close();
    return seen.join("\n");
  }

  /** Every file, from its first to its last byte. */
  async verify(): Promise<void> {
    for (const [file, bytes] of this.#bytes) {
      assert.equal(await this.#target.size(file), bytes.length, `size of ${file}`);
      const opened = await this.#target.open(file, "r");
      try {
        this.#compare(file, 0, await opened.read(0, bytes.length + 1));
      } finally {
        await opened.close();
      }
    }
  }

  async #step(): Promise<void> {
    const file = this.#random.pick([...this.#bytes.keys()]);
    const { kill, restart, push, wipe } = this.#options.permille;
    const at = this.#random.below(1_000);
    if (at < kill) return this.#random.below(3) === 0 ? this.#killWhileWriting(file) : this.#end("kill");
    if (at < kill + restart) return this.#end("restart");
    if (at < kill + restart + push) return this.#tell("push", file, () => this.#push());
    if (at < kill + restart + push + wipe) return this.#tell("wipe", file, () => this.#target.wipe());
    const act = this.#random.pick(ACTS);
    await this.#tell(act, file, () => this.#act(act, file));
  }

  readonly #older = new Map<string, Buffer[]>();

  async #tell(act: string, file: string, run: () => Promise<void>): Promise<void> {
    this.counts.set(act, (this.counts.get(act) ?? 0) + 1);
    this.#told.push(`${new Date().toISOString()} ${act} ${file} (${this.#bytes.get(file)?.length} bytes)`);
    const before = Buffer.from(this.#bytes.get(file)!);
    await run();
    if (!before.equals(this.#bytes.get(file)!))
      this.#older.set(file, [before, ...(this.#older.get(file) ?? [])].slice(0, 20));
  }

  #act(act: (typeof ACTS)[number], file: string): Promise<void> {
    switch (act) {
      case "read":
        return this.#read(file);
      case "write":
        return this.#write(file);
      case "append":
        return this.#append(file);
      case "cut":
        return this.#cut(file);
      case "renew":
        return this.#renew(file);
      case "mapRead":
      case "mapWrite":
        return this.#mapped(act, file);
      case "sync":
        return this.#handle(file, "r+").then((handle) => handle.opened.sync());
      case "close":
        return this.#close(file);
      case "free":
        return this.#free(file);
    }
  }

  async #read(file: string): Promise<void> {
    const { at, length } = this.#place(file);
    const { opened } = await this.#handle(file, "r+");
    this.#said(`at ${at}, ${length} bytes`);
    this.#compare(file, at, await opened.read(at, length), length);
  }

  async #write(file: string): Promise<void> {
    const { at, length } = this.#place(file);
    const bytes = this.#noise(length);
    const { opened } = await this.#handle(file, "r+");
    this.#said(`at ${at}, ${length} bytes`);
    await opened.write(at, bytes);
    this.#put(file, at, bytes);
    const from = Math.max(0, at - 100);
    this.#compare(file, from, await opened.read(from, length + 200), length + 200);
  }

  async #append(file: string): Promise<void> {
    const bytes = this.#noise(this.#length());
    const { opened } = await this.#handle(file, "a");
    this.#said(`${bytes.length} bytes`);
    await opened.write(0, bytes);
    this.#put(file, this.#bytes.get(file)!.length, bytes);
  }

  async #cut(file: string): Promise<void> {
    const now = this.#bytes.get(file)!;
    const size = this.#random.pick([
      this.#random.below(now.length + 1),
      now.length - Math.min(now.length, this.#random.below(10_000)),
      now.length + this.#random.below(20_000),
      this.#random.below(this.#options.sizeMax),
    ]);
    this.#said(`to ${size}`);
    if (this.#random.below(2) === 0) await this.#target.truncate(file, size);
    else await (await this.#handle(file, "r+")).opened.truncate(size);
    const next = Buffer.alloc(size);
    now.copy(next);
    this.#bytes.set(file, next);
    assert.equal(await this.#target.size(file), size, `size of ${file}`);
  }

  /** O_TRUNC. */
  async #renew(file: string): Promise<void> {
    const bytes = this.#noise(this.#random.pick([0, this.#length(), this.#random.below(this.#options.sizeMax)]));
    const opened = await this.#target.open(file, "w");
    await opened.write(0, bytes);
    await opened.close();
    this.#said(`${bytes.length} bytes`);
    this.#bytes.set(file, bytes);
  }

  async #mapped(act: "mapRead" | "mapWrite", file: string): Promise<void> {
    const { map } = this.#target;
    const size = this.#bytes.get(file)!.length;
    if (!map || size === 0) return;
    const at = this.#random.below(size);
    const length = Math.min(size - at, this.#length());
    this.#said(`at ${at}, ${length} bytes`);
    if (act === "mapRead") return this.#compare(file, at, await map.read(file, at, length), length);
    const bytes = this.#noise(length);
    await map.write(file, at, bytes);
    this.#put(file, at, bytes);
  }

  /** What is open for writing stays here, so all is closed first. Afterwards some files are in the cloud only. */
  async #push(): Promise<void> {
    await this.#closeAll();
    await this.#target.push();
    for (const file of this.#bytes.keys()) if (this.#random.below(2) === 0) await this.#target.free(file);
  }

  async #free(file: string): Promise<void> {
    await this.#close(file);
    await this.#target.free(file);
  }

  /** Bytes of a write that did not return are new or old, each of them; what was there before is untouched. */
  async #killWhileWriting(file: string): Promise<void> {
    this.counts.set("killWhileWriting", (this.counts.get("killWhileWriting") ?? 0) + 1);
    const { at } = this.#place(file);
    const bytes = this.#noise(1 + this.#random.below(400_000));
    const { opened } = await this.#handle(file, "r+");
    this.#told.push(`kill while writing ${file} at ${at}, ${bytes.length} bytes`);
    const writing = opened.write(at, bytes).then(
      () => true,
      () => false,
    );
    await new Promise((resolve) => setTimeout(resolve, this.#random.below(4)));
    await this.#target.kill();
    await this.#abandonAll();
    const before = this.#bytes.get(file)!;
    if (await writing) this.#put(file, at, bytes);
    else this.#bytes.set(file, await this.#between(file, { before, at, bytes }));
    await this.verify();
  }

  async #between(
    file: string,
    { before, at, bytes }: { readonly before: Buffer; readonly at: number; readonly bytes: Buffer },
  ): Promise<Buffer> {
    const size = await this.#target.size(file);
    assert.ok(size >= before.length && size <= Math.max(before.length, at + bytes.length), `${file}: size ${size}`);
    const opened = await this.#target.open(file, "r");
    const now = Buffer.from(await opened.read(0, size));
    await opened.close();
    assert.equal(now.length, size);
    for (let i = 0; i < size; i++) {
      const old = before[i] ?? 0;
      const fresh = i >= at && i < at + bytes.length ? bytes[i - at] : old;
      if (now[i] !== old && now[i] !== fresh) assert.fail(`${file}: byte ${i} is neither old nor new`);
    }
    return now;
  }

  async #end(how: "kill" | "restart"): Promise<void> {
    this.counts.set(how, (this.counts.get(how) ?? 0) + 1);
    this.#told.push(how);
    if (how === "restart") await this.#closeAll();
    await this.#target[how]();
    await this.#abandonAll();
    await this.verify();
  }

  async #handle(file: string, how: "r+" | "a"): Promise<Handle> {
    const open = this.#handles.get(file) ?? [];
    this.#handles.set(file, open);
    const usable = open.filter((handle) => handle.how === how);
    if (usable.length > 0 && this.#random.below(4) > 0) return this.#random.pick(usable);
    if (open.length >= HANDLES_MAX) await open.shift()!.opened.close();
    const handle = { how, opened: await this.#target.open(file, how) };
    open.push(handle);
    return handle;
  }

  async #close(file: string): Promise<void> {
    const open = this.#handles.get(file) ?? [];
    this.#handles.delete(file);
    for (const { opened } of open) await opened.close();
  }

  async #closeAll(): Promise<void> {
    for (const file of Array.from(this.#handles.keys())) await this.#close(file);
  }

  /** Files that were open when the process behind them died: closing them says so, which is no news. */
  async #abandonAll(): Promise<void> {
    const open = [...this.#handles.values()].flat();
    this.#handles.clear();
    await Promise.allSettled(open.map(({ opened }) => opened.close()));
  }

  #place(file: string): { readonly at: number; readonly length: number } {
    const size = this.#bytes.get(file)!.length;
    const at = this.#random.pick([
      this.#random.below(size + 1),
      this.#random.below(size + 50_000),
      Math.max(0, size - 50),
    ]);
    return { at: Math.min(at, this.#options.sizeMax), length: this.#length() };
  }

  #length(): number {
    return 1 + this.#random.below(this.#random.pick([10, 5_000, 5_000, 70_000, 300_000]));
  }

  #noise(length: number): Buffer {
    return noise(length, this.#random.below(2 ** 31));
  }

  #put(file: string, at: number, bytes: Buffer): void {
    const before = this.#bytes.get(file)!;
    if (at + bytes.length <= before.length) return void bytes.copy(before, at);
    const next = Buffer.alloc(at + bytes.length);
    before.copy(next);
    bytes.copy(next, at);
    this.#bytes.set(file, next);
  }

  #compare(file: string, at: number, got: Uint8Array, length = got.length): void {
    const wanted = this.#bytes.get(file)!.subarray(at, at + length);
    if (wanted.equals(got)) return;
    let i = 0;
    while (i < got.length && got[i] === wanted[i]) i++;
    assert.fail(
      `${file}: ${got.length} bytes for ${wanted.length}, the first wrong one at ${at + i} (${got[i]} for ${wanted[i]})`,
    );
  }

  #said(what: string): void {
    this.#told.push(`${this.#told.pop() ?? ""} ${what}`);
  }
}

const ACTS = [
  "read",
  "read",
  "read",
  "read",
  "write",
  "write",
  "write",
  "append",
  "cut",
  "renew",
  "mapRead",
  "mapWrite",
  "sync",
  "close",
  "close",
  "free",
] as const;
