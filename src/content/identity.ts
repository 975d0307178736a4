/**
 * Every content file says in an extended attribute whose bytes it holds, so that recovery and rebuild find what belongs to what without the
 * index. On a file system without user attributes the same words go into a file beside it.
 */
import { promises as fs } from "node:fs";
import { dirname } from "node:path";
import { attributesNow, type Attributes } from "./attributes.ts";
import { isMissing, removeFile } from "./files.ts";

const ATTRIBUTE = "user.onedrive.identity";
const SIDECAR = ".identity";

export interface Identity {
  readonly node: number;
  /** The cloud's id, when it has one. */
  readonly item?: string;
  /** Version of clean bytes, or the version unpushed bytes are based on. */
  readonly version?: string;
  /** Set for unpushed bytes. */
  readonly blob?: number;
  readonly size?: number;
  /** Of complete clean bytes, which need not be what the service says. */
  readonly hash?: string;
  /** Where unpushed bytes are in the tree: the name, the cloud's id of the nearest folder that has one, and the folders between. */
  readonly name?: string;
  readonly folder?: string;
  readonly below?: readonly string[];
  /** The cloud has the item at another place. */
  readonly moved?: true;
  /** Seconds since the epoch. */
  readonly mtime?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Never leaves this machine because a person said so. */
  readonly localOnly?: true;
}

export interface Identities {
  write(path: string, identity: Identity): Promise<void>;
  /** Undefined when the file does not say, or is not there. */
  read(path: string): Promise<Identity | undefined>;
  /** To be called when the file goes. */
  forget(path: string): Promise<void>;
  /** To be called when the file was renamed. */
  moved(from: string, to: string): Promise<void>;
}

/**
 * `onSidecar` is called once, when the first file had to be described beside itself. `isQuick`: attributes may be read and written at
 * once (files.ts), otherwise `aside`, which answers in order.
 */
export function identities(
  onSidecar: (path: string) => void,
  { aside, isQuick }: { readonly aside: Attributes; isQuick(): boolean } = AT_ONCE,
): Identities {
  /** Folders whose filesystem has no attributes. */
  const sidecars = new Set<string>();
  /** True once an attribute was set: no file has one beside it, then. */
  let attributes = false;
  const beside = async (path: string, words: string): Promise<void> => {
    if (sidecars.size === 0) onSidecar(path);
    sidecars.add(dirname(path));
    await fs.writeFile(path + SIDECAR, words, { mode: 0o600 });
  };
  /** Writes on their way aside. Nothing overtakes them: the words written last are to stay. */
  let underWay = 0;
  const write = async (path: string, words: string): Promise<void> => {
    if (isQuick() && underWay === 0) return attributesNow.write(path, ATTRIBUTE, words);
    underWay++;
    await aside.write(path, ATTRIBUTE, words).finally(() => underWay--);
  };
  const mayBeBeside = (): boolean => sidecars.size > 0 || !attributes;
  return {
    async write(path, identity) {
      const words = JSON.stringify(identity);
      if (sidecars.has(dirname(path))) return beside(path, words);
      try {
        await write(path, words);
        attributes = true;
      } catch (error) {
        if (isMissing(error)) throw error;
        if (!isUnsupported(error)) throw error;
        await beside(path, words);
      }
    },
    async read(path) {
      const words = await (isQuick() ? attributesNow : aside).read(path, ATTRIBUTE);
      return parse(words ?? (await fs.readFile(path + SIDECAR, "utf8").catch(() => undefined)));
    },
    async forget(path) {
      if (mayBeBeside()) await removeFile(path + SIDECAR);
    },
    async moved(from, to) {
      if (!mayBeBeside()) return;
      await fs.rename(from + SIDECAR, to + SIDECAR).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    },
  };
}

/** For who keeps nobody waiting, at start. */
const AT_ONCE = { aside: attributesNow, isQuick: () => true };

/** True for the sidecar of a content file. */
export function isSidecar(name: string): boolean {
  return name.endsWith(SIDECAR);
}

/** Attributes cannot be had (ENOTSUP, EOPNOTSUPP), or there is no room for one on this file. */
function isUnsupported(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOTSUP" || code === "EOPNOTSUPP" || code === "E2BIG" || code === "EPERM";
}

function parse(words: string | undefined): Identity | undefined {
  if (words === undefined) return undefined;
  try {
    const read: unknown = JSON.parse(words);
    return typeof read === "object" && read !== null && "node" in read && typeof read.node === "number"
      ? (read as Identity)
      : undefined;
  } catch {
    return undefined;
  }
}
