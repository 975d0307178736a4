/** A shared limit on bytes per second: each caller is told how long to wait after what it moved. */

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
    this.#freeAtMs = Math.max(now, this.#freeAtMs) + (bytes / this.#bytesPerSecond) * 1000;
    return this.#freeAtMs - now;
  }

  /** A piece small enough to keep the flow even. */
  get pieceBytes(): number {
    return this.#bytesPerSecond === Infinity ? Infinity : Math.max(1, Math.floor(this.#bytesPerSecond / 20));
  }
}
