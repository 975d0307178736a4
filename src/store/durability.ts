/**
 * Makes commits survive a power cut: takes what each commit changed, writes it to the journal at every barrier, and replaces the
 * journal by a checkpoint (a synced copy of the LMDB file) when it has grown.
 *
 * The chain is what restores the store: the checkpoint, then the journals after it. While it is `whole` a barrier only appends to the
 * journal. It is not whole after a kill -9 (the commits since the last barrier are in the LMDB file, but in no journal) and after
 * a restore; then the first barrier waits for a checkpoint, which makes it whole again. Of its own accord that begins when the first
 * hook is given: before, nobody has said what is to be durable first, and the commits of the killed process may name such bytes.
 *
 * A checkpoint, in steps; a crash or power cut between any two of them leaves a chain that restores every commit some barrier covered:
 *  1. Flush what waits into the journal (if the chain is whole) and start a new journal after that commit. Old chain: old
 *     checkpoint, old journals, new journal.
 *  2. Copy the LMDB file, in the threadpool, to `checkpoint.new`. The copy shows a commit at or after the new journal's start.
 *  3. Wait for the hooks, so that bytes named in the copy are durable.
 *  4. Sync the copy.
 *  5. Rename it to `checkpoint.mdb` and sync the folder: now the chain is the new checkpoint and the new journal, which skips the
 *     commits that the copy has already.
 *  6. Remove the older journals.
 * Only one checkpoint runs at a time; barriers go on meanwhile. Nothing here ever waits for the disk on the loop's thread.
 */
import type { Clock } from "../base/clock.ts";
import { keyedLock } from "../base/lock.ts";
import { log } from "../base/log.ts";
import {
  BARRIER_INTERVAL_MS,
  BARRIER_RETRY_MS,
  JOURNAL_BYTES_BEFORE_CLOSING_CHECKPOINT,
  JOURNAL_WAITING_CHARACTERS,
  JOURNAL_WAITING_CHARACTERS_MAX,
} from "../model/limits.ts";
import type { Disk } from "./disk.ts";
import { createJournal, journalPath, type CommitText, type Journal } from "./journal.ts";
import type { Chain } from "./mark.ts";
import { CHECKPOINT, CHECKPOINT_NEW, LIVE } from "./paths.ts";

export interface Durability {
  /** Takes note of a commit, right after it. */
  committed(record: CommitText): void;
  /** True when commits cannot be made durable and too many wait for it. */
  readonly stuck: boolean;
  barrier(): Promise<void>;
  beforeBarrier(hook: () => Promise<void>): void;
  checkpoint(): Promise<void>;
  /** Everything is durable in the chain it returns. No commits after this. */
  finish(): Promise<Chain>;
  /** Stops timers and closes files, without making anything durable. */
  abandon(): Promise<void>;
}

export interface DurabilityOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly clock: Clock;
  /** Copies the LMDB file. */
  readonly copyTo: (path: string) => Promise<void>;
  /** The last commit that is there. */
  readonly commit: number;
  /** The journal to go on with; undefined when the chain is not whole. */
  readonly journal: Journal | undefined;
  /** Generations of journals in the folder. */
  readonly generations: readonly number[];
  readonly hasCheckpoint: boolean;
  readonly checkpointBytes: number;
}

const trouble = log("store");

export function durability(options: DurabilityOptions): Durability {
  return new Durable(options);
}

class Durable implements Durability {
  private readonly hooks: (() => Promise<void>)[] = [];
  private readonly lock = keyedLock<"journal">();
  private readonly options: DurabilityOptions;
  private journal: Journal | undefined;
  private generations: number[];
  private hasCheckpoint: boolean;
  private lastCommit: number;
  private waiting: CommitText[] = [];
  private waitingCharacters = 0;
  private queued: Promise<void> | undefined;
  private running: Promise<void> | undefined;
  private cancelTimer: (() => void) | undefined;
  /** Times of the first commit that waits and of the last one. */
  private failing = false;
  /** The journal continues a commit that neither a checkpoint nor older journals have. */
  private unfounded = false;
  private ended = false;

  constructor(options: DurabilityOptions) {
    this.options = options;
    this.journal = options.journal;
    this.generations = [...options.generations];
    this.hasCheckpoint = options.hasCheckpoint;
    this.lastCommit = options.commit;
  }

  /** The chain restores everything but what waits. */
  private get whole(): boolean {
    return this.journal !== undefined && !this.unfounded;
  }

  get stuck(): boolean {
    return this.failing && this.waitingCharacters > JOURNAL_WAITING_CHARACTERS_MAX;
  }

  beforeBarrier(hook: () => Promise<void>): void {
    this.hooks.push(hook);
    if (!this.journal) this.arm(0);
  }

  committed(record: CommitText): void {
    this.lastCommit = record.commit;
    this.waiting.push(record);
    for (const change of record.changes) this.waitingCharacters += change.length;
    this.arm(this.waitingCharacters > JOURNAL_WAITING_CHARACTERS && !this.failing ? 0 : BARRIER_INTERVAL_MS);
  }

  async barrier(): Promise<void> {
    if (!this.whole) await this.checkpoint();
    this.queued ??= this.lock.run("journal", () => {
      this.queued = undefined;
      return this.flush();
    });
    await this.queued;
    this.failing = false;
  }

  checkpoint(): Promise<void> {
    this.running ??= this.makeCheckpoint().finally(() => (this.running = undefined));
    return this.running;
  }

  async finish(): Promise<Chain> {
    this.end();
    await this.running?.catch(() => undefined);
    await this.barrier();
    if (this.journalBytes > JOURNAL_BYTES_BEFORE_CLOSING_CHECKPOINT) await this.checkpoint();
    await this.journal?.close();
    return { checkpoint: this.hasCheckpoint, generations: this.generations, bytes: this.journalBytes };
  }

  async abandon(): Promise<void> {
    this.end();
    await this.running?.catch(() => undefined);
    await this.lock.run("journal", async () => await this.journal?.close());
  }

  private get journalBytes(): number {
    return this.journal?.bytes ?? 0;
  }

  private end(): void {
    this.ended = true;
    this.cancelTimer?.();
  }

  /** Appends what waits, as of now, behind the hooks. */
  private async flush(): Promise<void> {
    const count = this.waiting.length;
    await this.runHooks();
    if (count === 0 || !this.journal) return;
    await this.journal.append(this.waiting.slice(0, count));
    this.forget(count);
    if (!this.running && !this.ended && (await this.isLong())) this.checkpoint().catch((error) => this.report(error));
  }

  private async runHooks(): Promise<void> {
    await Promise.all(this.hooks.map((hook) => hook()));
  }

  private forget(count: number): void {
    for (const record of this.waiting.splice(0, count))
      for (const change of record.changes) this.waitingCharacters -= change.length;
  }

  /** Long against the file too, so that filling a large store copies it a few times, not every few seconds. */
  private async isLong(): Promise<boolean> {
    const { disk, folder, checkpointBytes } = this.options;
    if (this.journalBytes < checkpointBytes) return false;
    return this.journalBytes > ((await disk.size(`${folder}/${LIVE}`)) ?? 0) / 2;
  }

  private async makeCheckpoint(): Promise<void> {
    const { disk, folder, copyTo } = this.options;
    const copy = `${folder}/${CHECKPOINT_NEW}`;
    const older = await this.lock.run("journal", () => this.cut());
    await disk.remove(copy);
    await copyTo(copy);
    await this.runHooks();
    const file = await disk.open(copy);
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(copy, `${folder}/${CHECKPOINT}`);
    await disk.syncFolder(folder);
    this.hasCheckpoint = true;
    this.unfounded = false;
    this.generations = this.generations.filter((generation) => !older.includes(generation));
    for (const generation of older) await disk.remove(journalPath(folder, generation));
  }

  /** Step 1: a new journal. Returns the generations before it. */
  private async cut(): Promise<readonly number[]> {
    const { disk, folder } = this.options;
    const whole = this.whole;
    if (whole) await this.flush();
    const base = whole && this.waiting[0] ? this.waiting[0].commit - 1 : this.lastCommit;
    const older = [...this.generations];
    const next = await createJournal(disk, folder, Math.max(0, ...older) + 1, base);
    const previous = this.journal;
    this.journal = next;
    this.generations = [...older, next.generation];
    this.unfounded = !whole;
    if (!whole) this.forget(this.waiting.filter((record) => record.commit <= base).length);
    await previous?.close();
    return older;
  }

  private arm(delayMs: number): void {
    if (this.ended || (this.cancelTimer && delayMs > 0)) return;
    this.cancelTimer?.();
    this.cancelTimer = this.options.clock.after(delayMs, () => {
      this.cancelTimer = undefined;
      this.barrier().then(
        () => this.waiting.length > 0 && this.arm(BARRIER_INTERVAL_MS),
        (error: unknown) => this.report(error),
      );
    });
  }

  /** A barrier that nobody waited for failed: say so once, and try again. */
  private report(error: unknown): void {
    if (this.ended) return;
    if (!this.failing) trouble.fault("recent changes cannot be made safe against a power cut yet", { error });
    this.failing = true;
    this.arm(BARRIER_RETRY_MS);
  }
}
