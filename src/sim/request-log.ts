/** The last requests, newest last, as rows that are filled while a request is under way. */

const ROWS_KEPT = 100_000;

export interface RequestRow {
  /** Milliseconds since the epoch, real time. */
  readonly at: number;
  readonly method: string;
  /** As received, with its query. */
  readonly path: string;
  /** 0 while in flight, and for ever when the answer was lost. */
  status: number;
  /** Body bytes sent so far. */
  bytes: number;
  /** Body bytes received so far. */
  received: number;
  readonly ifMatch: string | null;
  readonly range: string | null;
  itemId: string | null;
  /** Part of a `$batch`, which has a row of its own. */
  readonly batched?: true;
}

export class RequestLog {
  #rows: RequestRow[] = [];
  #oldest = 0;

  add(row: RequestRow): void {
    if (this.#rows.length < ROWS_KEPT) {
      this.#rows.push(row);
      return;
    }
    this.#rows[this.#oldest] = row;
    this.#oldest = (this.#oldest + 1) % ROWS_KEPT;
  }

  rows(): RequestRow[] {
    return [...this.#rows.slice(this.#oldest), ...this.#rows.slice(0, this.#oldest)];
  }

  clear(): void {
    this.#rows = [];
    this.#oldest = 0;
  }
}
