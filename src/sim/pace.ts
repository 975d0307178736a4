/**
 * A shared limit on bytes per second: each caller is told how long to wait after what it moved. Timers wake late and moving takes time:
 * who comes back up to LATE_MS after its time is taken to have been moving all along, so that the line carries what it is said to carry.
 * A longer pause is a pause: it saves nothing up.
 */

const LATE_MS = 20;

export class Pace {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number, now: () => number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
  }

  /** Milliseconds until `bytes` more have had their time. */
  waitMs(bytes: number): number {
    if (this.#bytesPerSecond === Infinity) return 0;
    const now = this.#now();
    if (now - this.#freeAtMs > LATE_MS) this.#freeAtMs = now;
    this.#freeAtMs += (bytes / this.#bytesPerSecond) * 1000;
    return Math.max(0, this.#freeAtMs - now);
  }

  /** A piece small enough to keep the flow even. */
  get pieceBytes(): number {
    return this.#bytesPerSecond === Infinity ? Infinity : Math.max(1, Math.floor(this.#bytesPerSecond / 20));
  }
}
