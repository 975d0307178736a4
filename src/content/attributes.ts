/**
 * The door to fs-xattr. Only its blocking calls are used: each of the others keeps about half a KiB for ever, and gives the thread pool
 * memory that nobody holds (see native-notes/fs-xattr.md). Where the disk may be slow they are made on a thread of their own.
 */
import { getAttributeSync, setAttributeSync } from "fs-xattr";
import { askingWorker } from "./asking-worker.ts";
import { startWorker } from "./start-worker.ts";

export interface Attributes {
  /** Undefined when there is none, or it cannot be had. */
  read(path: string, name: string): Promise<string | undefined>;
  /** Rejects with Node's errors. */
  write(path: string, name: string, value: string): Promise<void>;
}

export interface AttributeThread extends Attributes {
  close(): Promise<void>;
}

export interface AttributeQuestion {
  readonly path: string;
  readonly name: string;
  /** Missing: it is read. */
  readonly value?: string;
}

/** At once. */
export const attributesNow: Attributes = {
  read: async (path, name) => readNow(path, name),
  write: async (path, name, value) => setAttributeSync(path, name, value),
};

export function attributeThread(): AttributeThread {
  const thread = askingWorker<AttributeQuestion, string | undefined>(() => startWorker("attribute-worker", HEAP_MIB));
  return {
    // A thread that ended has read nothing, which is what a file without the attribute says.
    read: (path, name) => thread.ask({ path, name }).catch(() => undefined),
    write: async (path, name, value) => void (await thread.ask({ path, name, value })),
    close: () => thread.close(),
  };
}

/** What the thread does. */
export function answerNow({ path, name, value }: AttributeQuestion): string | undefined {
  if (value === undefined) return readNow(path, name);
  setAttributeSync(path, name, value);
  return undefined;
}

const HEAP_MIB = 16;

function readNow(path: string, name: string): string | undefined {
  try {
    return getAttributeSync(path, name).toString();
  } catch {
    return undefined;
  }
}
