/**
 * Bytes that were replaced or deleted while they were being sent. The vfs leaves their row to the request; when that has ended it
 * stays for as long as newer bytes go back to it (should the request arrive late after all, the merge knows its bytes for ours) and
 * goes then. Without a row, whoever removed it, nobody wants its upload session any more. The file goes with content's next sweep.
 */
import { origin } from "../apply/trees.ts";
import type { BlobId, ItemKey } from "../model/ids.ts";
import type { Reader } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import type { Pushing } from "./pushing.ts";
import { dropSession } from "./session.ts";

export class Superseded {
  readonly #blobs = new Set<BlobId>();
  readonly #pushing: Pushing;
  /** Nodes with a request under way, or one nobody knows the outcome of. */
  readonly #busy: (node: ItemKey) => boolean;

  constructor(pushing: Pushing, busy: (node: ItemKey) => boolean) {
    this.#pushing = pushing;
    this.#busy = busy;
    for (const [blob, row] of pushing.store.read.blobs.range()) if (row.state === "frozen") this.#blobs.add(blob);
  }

  /** Its request has ended without an acknowledgement. */
  add(blob: BlobId): void {
    this.#blobs.add(blob);
  }

  async sweep(): Promise<void> {
    if (this.#blobs.size === 0) return;
    const { store } = this.#pushing;
    const done = [...this.#blobs].filter((blob) => !this.#mayBeNeeded(store.read, blob));
    const unwanted = done.filter((blob) => isUnwanted(store.read, blob));
    if (unwanted.length > 0) store.transact((tx) => unwanted.forEach((blob) => tx.blobs.remove(blob)));
    for (const blob of done) this.#blobs.delete(blob);
    for (const blob of done) if (!store.read.blobs.get(blob)) await dropSession(this.#pushing, blob);
  }

  #mayBeNeeded(read: Reader, blob: BlobId): boolean {
    const row = read.blobs.get(blob);
    if (row?.state !== "frozen") return false;
    if (this.#busy(row.node)) return true;
    const content = viewLocal(read, row.node)?.content;
    return content?.from === "blob" && (content.blob === blob || origin(read, row.node, content).blobs.includes(blob));
  }
}

function isUnwanted(read: Reader, blob: BlobId): boolean {
  return read.blobs.get(blob)?.state === "frozen";
}
