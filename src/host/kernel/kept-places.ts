/**
 * What the places mean in the listings that the kernel keeps: what they mean to the stream that began the listing last, open or closed.
 * Remembered for so many folders, and of closed streams for so many entries in all; who began longest ago is forgotten first.
 */
import type { ItemKey } from "../../model/ids.ts";
import { LISTED_FOLDERS_KEPT, LISTED_PLACES_KEPT } from "../../model/limits.ts";

/** Behind the n-th entry. */
type Cookies = readonly (string | undefined)[];

export class KeptPlaces {
  readonly #folders = new Map<ItemKey, { readonly cookies: Cookies; entries: number }>();
  #entries = 0;

  /** A stream lists the folder from the start. */
  began(folder: ItemKey, cookies: Cookies): void {
    this.#forget(folder);
    this.#folders.set(folder, { cookies, entries: 0 });
    this.#shrink();
  }

  /** The stream is closed. */
  ended(folder: ItemKey, cookies: Cookies): void {
    const kept = this.#folders.get(folder);
    if (kept?.cookies !== cookies) return;
    kept.entries = cookies.length;
    this.#entries += kept.entries;
    this.#shrink();
  }

  /** Undefined: nobody knows. */
  behind(folder: ItemKey, index: number): string | undefined {
    return this.#folders.get(folder)?.cookies[index];
  }

  #shrink(): void {
    for (const oldest of this.#folders.keys()) {
      const isMuch = this.#folders.size > LISTED_FOLDERS_KEPT || this.#entries > LISTED_PLACES_KEPT;
      if (!isMuch || this.#folders.size === 1) return;
      this.#forget(oldest);
    }
  }

  #forget(folder: ItemKey): void {
    this.#entries -= this.#folders.get(folder)?.entries ?? 0;
    this.#folders.delete(folder);
  }
}
