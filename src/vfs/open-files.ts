/**
 * The handles in use, and what is known of open files before it is committed: the mtime of writes since the last commit.
 * Times are kept per blob, because a rebase may move a blob to another node while it is open.
 * A handle number is never used twice.
 */
import { handleId, type BlobId, type HandleId, type ItemKey } from "../model/ids.ts";
import type { Time } from "../model/item.ts";
import type { Source } from "../content/content.ts";
import type { LocalView } from "../store/tree.ts";
import type { Asker } from "./core.ts";

export interface OpenFile {
  readonly id: HandleId;
  /** The node that was opened. Its bytes may have moved: `source.node` says where they belong now. */
  readonly node: ItemKey;
  readonly source: Source;
  /** As it was then: all that is left of a file that the cloud deletes while it is open. */
  readonly view: LocalView;
  readonly read: boolean;
  readonly write: boolean;
  readonly append: boolean;
  /** Who opened it, when not all of it was here. */
  readonly asker: Asker | undefined;
  /**
   * The file was made, cut or written to, or is about to be, while this handle was open for writing: more may come until its last
   * close. A program that only keeps a file open for writing (an office program does, all day) keeps nobody waiting.
   */
  writing: boolean;
}

export interface OpenFiles {
  add(file: Omit<OpenFile, "id">): OpenFile;
  get(id: HandleId): OpenFile | undefined;
  remove(id: HandleId): void;
  all(): Iterable<OpenFile>;
  /** More bytes may come: its last close is waited for. */
  isWriting(node: ItemKey): boolean;
  /** The node's bytes are about to change: who has it open for writing is writing, from before anybody else can act. */
  writes(node: ItemKey): void;
  /** Handles of the node, as opened or by where their bytes are now. */
  of(node: ItemKey): readonly OpenFile[];
  readonly count: number;
  /** When the blob was last written to, if that is not committed yet. */
  readonly unsaved: Map<BlobId, Time>;
}

export function openFiles(): OpenFiles {
  const byId = new Map<HandleId, OpenFile>();
  let next = 1;
  const of = (node: ItemKey): readonly OpenFile[] =>
    [...byId.values()].filter((file) => file.node === node || file.source.node === node);
  return {
    add(file) {
      const opened: OpenFile = { ...file, id: handleId(next++) };
      byId.set(opened.id, opened);
      return opened;
    },
    get: (id) => byId.get(id),
    remove: (id) => void byId.delete(id),
    all: () => byId.values(),
    of,
    isWriting: (node) => of(node).some((file) => file.writing),
    writes(node) {
      for (const file of of(node)) file.writing = file.write;
    },
    get count() {
      return byId.size;
    },
    unsaved: new Map(),
  };
}
