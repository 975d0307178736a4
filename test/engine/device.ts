/**
 * One device without a kernel: vfs, content, apply, flusher and puller on a store in memory, a fake cloud and a clock moved by
 * hand. `kill` and `powerCut` are the next process on the same disk. Paths are for tests only: names joined by "/".
 */
import assert from "node:assert/strict";
import type { Clock, ManualClock } from "../../src/base/clock.ts";
import type { Random } from "../../src/base/random.ts";
import type { Apply, Applied } from "../../src/apply/apply.ts";
import { storeApply } from "../../src/apply/store-apply.ts";
import type { Drive } from "../../src/drive/drive.ts";
import type { Flusher, PlanSteps } from "../../src/flusher/flusher.ts";
import { createFlusher } from "../../src/flusher/planning-flusher.ts";
import type { Fault } from "../../src/model/fault.ts";
import { ROOT, type HandleId, type ItemKey } from "../../src/model/ids.ts";
import { DEFAULT_LOCAL_ONLY_NAMES, fold } from "../../src/model/name.ts";
import { createPuller } from "../../src/puller/delta-puller.ts";
import type { Puller } from "../../src/puller/puller.ts";
import { memoryStore, type MemoryStore } from "../../src/store/memory-store.ts";
import type { Store } from "../../src/store/store.ts";
import { localAt, localChildren, viewLocal } from "../../src/store/tree.ts";
import { createVfs, type VfsControl } from "../../src/vfs/create-vfs.ts";
import type { Reply, Vfs } from "../../src/vfs/vfs.ts";
import { fakeContent, fakeDisk, type FakeContent } from "../support/fake-content.ts";
import type { FakeCloud } from "../support/fake-cloud.ts";
import { fakeDrive, type FakeDrive } from "../support/fake-drive.ts";

const me = { uid: 1000, gid: 1000, pid: 42 };

export interface DeviceOptions {
  readonly name: string;
  readonly clock: ManualClock;
  readonly random: Random;
  readonly cloud: FakeCloud;
  readonly writeBackMs?: number;
  readonly pollMs?: number;
  /** Each process's connection; the fake cloud's drive when left out. */
  readonly connect?: (life: { readonly clock: Clock; readonly random: Random }) => Drive;
  isStillRead?(node: ItemKey): boolean;
  /** In one go when left out: a clock moved by hand knows nothing of turns. */
  readonly planning?: PlanSteps;
  /** Milliseconds that pass whenever the device looks at the clock; none when left out: code takes no time then. */
  readonly lookMs?: number;
}

export class Device {
  readonly name: string;
  readonly drive: FakeDrive;
  readonly log: string[] = [];
  readonly defects: unknown[] = [];
  readonly conflicts: Applied["conflicts"][number][] = [];
  store: MemoryStore = memoryStore();
  content!: FakeContent;
  vfs!: Vfs & VfsControl;
  apply!: Apply;
  puller!: Puller;
  flusher!: Flusher;
  readonly #disk = fakeDisk();
  readonly #options: DeviceOptions;
  crashes = 0;
  /** Told when a process dies at a point of `crashAt`. */
  crashed: (how: "kill" | "powerCut") => void = () => undefined;
  #lives = 0;
  #down = false;
  #crash = { at: Infinity, how: "kill" as "kill" | "powerCut", seen: 0 };

  constructor(options: DeviceOptions) {
    this.name = options.name;
    this.#options = options;
    const { clock, random, cloud, name } = options;
    this.drive = fakeDrive({ clock, random, cloud, device: name });
    this.start();
  }

  /** The next process on what the last one left; it may die before it has begun. */
  start(): void {
    const life = this.#lives + 1;
    try {
      this.#start();
    } catch (error) {
      if (life === this.#lives) throw error;
    }
  }

  #start(): void {
    const { name } = this.#options;
    const random = this.#options.random.split(`${name}/${this.#lives++}`);
    const life = this.#lives;
    const alive = (): boolean => life === this.#lives;
    const clock = livingClock(this.#options, alive);
    const point = (): void => void (alive() && this.#reach());
    const connection = this.#options.connect?.({ clock, random: random.split("drive") }) ?? this.drive;
    const drive = livingDrive(connection, alive, point);
    const store = mortalStore(this.store, point);
    const log = {
      fault: (message: string) => void this.log.push(message),
      trace: (message: string) => void this.log.push(`  ${message}`),
    };
    const onDefect = (error: unknown): void => {
      // What a process that was killed still does is nobody's business.
      if (alive()) this.defects.push(error);
    };
    const applied = (applied: Applied): void => {
      this.conflicts.push(...applied.conflicts);
      this.flusher.wake();
    };
    this.content = fakeContent({
      store,
      drive,
      disk: this.#disk,
      random,
      dirtied: (event) => this.vfs.dirtied(event),
    });
    this.vfs = createVfs({
      store,
      content: this.content,
      clock,
      log,
      uid: me.uid,
      gid: me.gid,
      umask: 0o022,
      localOnlyNames: DEFAULT_LOCAL_ONLY_NAMES,
      readOnly: false,
      writeBackMs: this.#options.writeBackMs ?? 3_000,
      list: (folder) => this.puller.list(folder),
      changed: (event) => void (event.kind === "logged" && this.flusher.wake(event.settling)),
    });
    this.apply = storeApply({ store, device: name, clock, log });
    const { content, apply } = this;
    const shared = { store, content, apply, drive, clock, random, log, applied, onDefect };
    this.puller = createPuller({
      ...shared,
      pollMs: this.#options.pollMs ?? 30_000,
      listTimeoutMs: 60_000,
      onlineChanged: (online) => {
        this.content.setOnline(online);
        if (online) this.flusher?.resume();
      },
    });
    this.flusher = createFlusher({
      ...shared,
      device: this.name,
      writeBackMs: this.#options.writeBackMs ?? 3_000,
      isOpen: (node) => this.vfs.isWriting(node),
      planning: this.#options.planning ?? { atOnce: Infinity, perTurn: 1 },
      isStillRead: (node) => this.#options.isStillRead?.(node) ?? false,
      cloud: this.puller,
      acknowledged: (node) => this.vfs.reunite(node),
      stirred: () => this.puller.wake(),
    });
  }

  /** The process has died and the next one has not begun. */
  get isDown(): boolean {
    return this.#down;
  }

  /** Dies when the next `at` points (requests, answers, commits, barriers) have passed. */
  crashAt(at: number, how: "kill" | "powerCut"): void {
    this.#crash = { at, how, seen: 0 };
  }

  #reach(): void {
    if (++this.#crash.seen !== this.#crash.at) return;
    this.crashes++;
    this.crashed(this.#crash.how);
    // The dead process goes on to its next await and no further; the next one starts after that.
    this.#lives++;
    const next = this.#crash.how === "kill" ? this.store.kill() : this.store.powerCut();
    this.#down = true;
    setImmediate(() => {
      this.#down = false;
      this.store = next;
      this.start();
    });
  }

  /** kill -9 and the next start. */
  kill(): void {
    this.store = this.store.kill();
    this.start();
  }

  /** Power off: only what a barrier made durable is sure to be there. */
  powerCut(random?: Random): void {
    this.store = this.store.powerCut(random);
    this.start();
  }

  async stop(deadlineMs = 0): Promise<void> {
    this.vfs.stopAccepting();
    await this.flusher.stop(deadlineMs);
    await this.puller.stop();
    await this.content.close();
  }

  // ---- the person ----

  find(path: string): ItemKey | undefined {
    let node: ItemKey | undefined = ROOT;
    for (const name of path.split("/").filter(Boolean))
      node = node === undefined ? undefined : localAt(this.store.read, node, fold(name));
    return node;
  }

  at(path: string): ItemKey {
    const node = this.find(path);
    assert.ok(node !== undefined, `${path} is there`);
    return node;
  }

  async open(path: string, how: "r" | "r+" | "w" = "r+"): Promise<HandleId> {
    const flags = { read: how !== "w", write: how !== "r", append: false, truncate: how === "w" };
    const node = this.find(path);
    if (node !== undefined) return must(this.vfs.open(node, flags, me));
    const [parent, name] = this.#split(path);
    return (await must(this.vfs.create(parent, name, 0o644, { ...flags, exclusive: false }, me))).handle;
  }

  async close(handle: HandleId): Promise<void> {
    await must(this.vfs.flush(handle));
    await must(this.vfs.release(handle));
  }

  async write(path: string, bytes: string | Uint8Array): Promise<void> {
    const handle = await this.open(path, "w");
    await must(this.vfs.write(handle, 0, typeof bytes === "string" ? Buffer.from(bytes) : bytes));
    await this.close(handle);
  }

  /** False when somebody was faster: the name is taken by now. */
  async create(path: string, text: string): Promise<boolean> {
    const [parent, name] = this.#split(path);
    const flags = { read: true, write: true, append: false, truncate: false, exclusive: true };
    const made = await this.vfs.create(parent, name, 0o644, flags, me);
    if (!made.ok && made.fault.kind === "exists") return false;
    const { handle } = await must(made);
    await must(this.vfs.write(handle, 0, Buffer.from(text)));
    await this.close(handle);
    return true;
  }

  async read(path: string): Promise<string> {
    const handle = await this.open(path, "r");
    const bytes = await must(this.vfs.read(handle, 0, 100_000_000));
    await this.close(handle);
    return Buffer.from(bytes).toString();
  }

  mkdir(path: string): Promise<unknown> {
    return must(this.vfs.mkdir(...this.#split(path), 0o755, me));
  }

  unlink(path: string): Promise<unknown> {
    return must(this.vfs.unlink(...this.#split(path)));
  }

  rmdir(path: string): Promise<unknown> {
    return must(this.vfs.rmdir(...this.#split(path)));
  }

  async remove(path: string): Promise<void> {
    const node = this.at(path);
    if (viewLocal(this.store.read, node)?.kind !== "folder") return void (await this.unlink(path));
    for (const name of this.names(path)) await this.remove(`${path}/${name}`);
    await this.rmdir(path);
  }

  rename(from: string, to: string): Promise<unknown> {
    const [parent, name] = this.#split(from);
    const [newParent, newName] = this.#split(to);
    return must(this.vfs.rename({ parent, name }, { parent: newParent, name: newName }, "replace"));
  }

  async touch(path: string, seconds: number): Promise<void> {
    await must(this.vfs.setattr(this.at(path), { mtime: { s: seconds, n: 0 } }, me));
  }

  names(path = ""): string[] {
    const { read } = this.store;
    return [...localChildren(read, this.at(path))].map((node) => viewLocal(read, node)!.name);
  }

  /** Every path with "/" for folders and the bytes for files. Reads what is only in the cloud. */
  async tree(): Promise<Map<string, string>> {
    const tree = new Map<string, string>();
    const walk = async (path: string): Promise<void> => {
      for (const name of this.names(path)) {
        const child = path === "" ? name : `${path}/${name}`;
        const folder = viewLocal(this.store.read, this.at(child))!.kind === "folder";
        tree.set(child, folder ? "/" : await this.read(child));
        if (folder) await walk(child);
      }
    };
    await walk("");
    return tree;
  }

  #split(path: string): [ItemKey, string] {
    const parts = path.split("/");
    const name = parts.pop()!;
    return [this.at(parts.join("/")), name];
  }
}

/** A call of a person that was refused. */
export class Refused extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(`${fault.kind}: ${fault.why}`);
    this.fault = fault;
  }
}

export async function must<T>(reply: Reply<T>): Promise<T> {
  const answer = await reply;
  if (!answer.ok) throw new Refused(answer.fault);
  return answer.value;
}

/** Timers of a process that is dead never fire. */
function livingClock({ clock, lookMs = 0 }: DeviceOptions, alive: () => boolean): Clock {
  let lookedMs = 0;
  return {
    now: () => Math.floor(clock.now() + (lookedMs += lookMs)),
    after: (ms, run) => clock.after(ms, () => void (alive() && run())),
  };
}

/** A dead process sends nothing and hears nothing; what it sent before goes its way. */
function livingDrive(drive: Drive, alive: () => boolean, point: () => void): Drive {
  const silence = new Promise<never>(() => undefined);
  return new Proxy(drive, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        point();
        if (!alive()) return silence;
        const answer: unknown = value.apply(target, args);
        if (!(answer instanceof Promise)) return answer;
        return answer.then((outcome: unknown) => {
          point();
          return alive() ? outcome : silence;
        });
      };
    },
  });
}

/** A store whose process may die before or after every commit and barrier. */
function mortalStore(store: MemoryStore, point: () => void): Store {
  return {
    read: store.read,
    snapshot: () => store.snapshot(),
    transact(change) {
      point();
      const outcome = store.transact(change);
      point();
      return outcome;
    },
    async barrier() {
      point();
      await store.barrier();
      point();
    },
    beforeBarrier: (hook) => store.beforeBarrier(hook),
    close: () => store.close(),
  };
}
