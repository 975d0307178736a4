/**
 * Complete files of the cache folder that no row names, because the index was lost or is older than they are. Each says of which version
 * of which item its bytes are; as soon as that item is known they are its clean bytes again, before anybody fetches them.
 *
 * The files are those that were there at the start, so what is being downloaded now is never among them. None is removed before every
 * item of the drive is known.
 */
import { promises as fs } from "node:fs";
import { dirname } from "node:path";
import { breathe } from "../base/loop.ts";
import { limit } from "../base/limit.ts";
import type { Log } from "../base/log.ts";
import { itemId, type ItemId, type ItemKey } from "../model/ids.ts";
import type { Reader } from "../store/store.ts";
import { isMissing, removeFile } from "./files.ts";
import type { Identities } from "./identity.ts";

export interface StrayOptions {
  /** Paths of the files, as recovery found them. */
  readonly paths: readonly string[];
  readonly read: Reader;
  readonly identities: Identities;
  readonly log: Log;
}

/** What a file must be to be the bytes of a version. */
export interface Wanted {
  readonly item: ItemId | undefined;
  readonly version: string;
  readonly size: number;
  /** Where it goes. */
  readonly path: string;
}

const READS_AT_ONCE = 4;

export class Strays {
  readonly #options: StrayOptions;
  readonly #byVersion = new Map<string, string>();
  readonly #nameless: string[] = [];
  #reading: Promise<void> | undefined;

  constructor(options: StrayOptions) {
    this.#options = options;
    if (options.paths.length > 0) this.#reading = this.#readAll();
  }

  get isEmpty(): boolean {
    return !this.#reading && this.#byVersion.size === 0 && this.#nameless.length === 0;
  }

  /** Whether the version's bytes are known to be here. */
  has(item: ItemId, version: string): boolean {
    return this.#byVersion.has(keyOf(item, version));
  }

  /** Moves the bytes to where they belong; false when they are not here. */
  async claim({ item, version, size, path }: Wanted): Promise<boolean> {
    if (item === undefined || this.isEmpty) return false;
    await this.#reading;
    const from = this.#byVersion.get(keyOf(item, version));
    if (from === undefined) return false;
    this.#byVersion.delete(keyOf(item, version));
    try {
      if ((await fs.stat(from)).size !== size) return false;
      await fs.mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await fs.rename(from, path);
      await this.#options.identities.moved(from, path);
      return true;
    } catch (error) {
      if (!isMissing(error)) this.#options.log.trace("bytes in the cache could not be taken over", { error });
      return false;
    }
  }

  /** Nodes whose bytes are here and wait to be taken over. */
  async known(): Promise<ItemKey[]> {
    await this.#reading;
    const nodes: ItemKey[] = [];
    for (const key of this.#byVersion.keys()) {
      const node = this.#options.read.ids.get(itemId(key.slice(0, key.indexOf("\n"))));
      if (node !== undefined) nodes.push(node);
    }
    return nodes;
  }

  /** Every item is known: what is still here is of no use. */
  async drop(): Promise<void> {
    await this.#reading;
    for (const path of [...this.#byVersion.values(), ...this.#nameless]) {
      await removeFile(path);
      await this.#options.identities.forget(path);
    }
    this.#byVersion.clear();
    this.#nameless.length = 0;
  }

  async #readAll(): Promise<void> {
    const gate = limit(READS_AT_ONCE);
    const { paths, identities } = this.#options;
    for (let at = 0; at < paths.length; at += 256) {
      await Promise.all(
        paths.slice(at, at + 256).map((path) =>
          gate.run(async () => {
            const identity = path.endsWith(".part") ? undefined : await identities.read(path);
            if (identity?.item && identity.version && identity.blob === undefined)
              this.#byVersion.set(keyOf(itemId(identity.item), identity.version), path);
            else this.#nameless.push(path);
          }),
        ),
      );
      await breathe();
    }
    this.#reading = undefined;
  }
}

function keyOf(item: ItemId, version: string): string {
  return `${item}\n${version}`;
}
