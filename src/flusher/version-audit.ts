/**
 * After a content was sent without its condition (the service had refused the tag it gave itself): did another one's content slip in
 * between, which ours has covered? The service keeps it as a version, and it becomes a conflict copy beside the file.
 *
 * Before the request the newest version is noted, durably; what lies between that one and the present content afterwards and is
 * neither ours nor what ours was made from was seen by nobody here. The note goes when all of it is kept; until then the look is
 * repeated, in later processes too, and reaches as far back however often the file is sent meanwhile. A copy is on this machine only
 * until its bytes are whole.
 */
import { failed, ok, type Result } from "../base/result.ts";
import { DownloadCut, type ItemVersion } from "../drive/drive.ts";
import { isoDate } from "../merge/aside.ts";
import { fault, type Fault } from "../model/fault.ts";
import { ROOT, type BlobId, type ItemId, type ItemKey } from "../model/ids.ts";
import { VERSION_AUDIT_RETRY_MS } from "../model/limits.ts";
import { conflictName, fold } from "../model/name.ts";
import { append } from "../oplog/oplog.ts";
import type { Reader, Writer } from "../store/store.ts";
import { changeTrees, localAt, newNode, viewLocal, type LocalView } from "../store/tree.ts";
import type { Request } from "./begin.ts";
import type { Pushing } from "./pushing.ts";

interface Audit {
  readonly item: ItemId;
  /** What was the newest version before the request. */
  readonly newest: string;
  /** Contents that are known: what was sent, and what it was made from. */
  readonly known: readonly string[];
  /** Version -> the node that is being made of it, or was. */
  readonly copies: Readonly<Record<string, ItemKey>>;
}

type Audits = Readonly<Record<string, Audit>>;
type ContentRequest = Request & { readonly action: "writeContent" };

/** Notes what the newest version is, while the item still is at the version that `request` was made from. */
export async function noteVersions(
  pushing: Pushing,
  { node, request }: { readonly node: ItemKey; readonly request: ContentRequest },
  signal: AbortSignal,
): Promise<Result<undefined, Fault>> {
  const { drive, store } = pushing;
  const versions = await drive.versions(request.id, signal);
  if (!versions.ok) return versions;
  const item = await drive.item(request.id, signal);
  if (!item.ok) return item;
  const [newest] = versions.value;
  if (!newest || (item.value.cTag !== request.seen && item.value.eTag !== request.seen))
    return fault("changed", "the file was written meanwhile");
  const hashes = [request.frozen.hash, store.read.mirror.get(node)?.hash];
  const known = hashes.filter((hash) => hash !== undefined);
  store.transact((tx) => put(tx, node, widened(auditOf(tx, node), { item: request.id, newest: newest.id, known })));
  await pushing.durable();
  return ok();
}

/** What an earlier look did not come to is looked for as well: its note reaches further back. */
function widened(before: Audit | undefined, now: Omit<Audit, "copies">): Audit {
  if (before?.item !== now.item) return { ...now, copies: {} };
  return { ...before, known: [...new Set([...before.known, ...now.known])] };
}

export interface VersionAuditsOptions {
  /** A request of the node is under way, or one whose outcome nobody knows. */
  isBusy(node: ItemKey): boolean;
  /** A copy was made: there is something to push. */
  made(): void;
}

export class VersionAudits {
  #nextAt = 0;
  readonly #pushing: Pushing;
  readonly #options: VersionAuditsOptions;

  constructor(pushing: Pushing, options: VersionAuditsOptions) {
    this.#pushing = pushing;
    this.#options = options;
  }

  async sweep(signal: AbortSignal): Promise<void> {
    const { clock, store, log } = this.#pushing;
    for (const [node, audit] of auditsIn(store.read)) {
      if (clock.now() < this.#nextAt && this.#nextAt <= clock.now() + VERSION_AUDIT_RETRY_MS) return;
      if (this.#options.isBusy(node)) continue;
      const done = await this.#look(node, audit, signal);
      if (done.ok) {
        store.transact((tx) => put(tx, node, undefined));
        continue;
      }
      log.trace("the versions of a file could not be looked through yet", { node, why: done.fault.why });
      this.#nextAt = clock.now() + VERSION_AUDIT_RETRY_MS;
    }
  }

  async #look(node: ItemKey, audit: Audit, signal: AbortSignal): Promise<Result<undefined, Fault>> {
    const versions = await this.#pushing.drive.versions(audit.item, signal);
    // Deleted since then by somebody who saw the file as it was.
    if (!versions.ok) return versions.fault.kind === "notFound" ? ok() : versions;
    for (const version of between(versions.value, audit.newest)) {
      const kept = await this.#keep({ node, version, audit }, signal);
      if (!kept.ok) return kept;
    }
    return ok();
  }

  async #keep(
    of: { node: ItemKey; version: ItemVersion; audit: Audit },
    signal: AbortSignal,
  ): Promise<Result<undefined, Fault>> {
    const { store, content } = this.#pushing;
    const copy = await this.#staged(of);
    if (!copy.ok) return copy;
    // Whole already, and a person's since then.
    if (copy.value === undefined) return ok();
    const node = copy.value;
    const written = await this.#write(node, of, signal);
    if (!written.ok) return written;
    const staged = viewLocal(store.read, node)?.content;
    if (staged?.from !== "blob") return ok();
    const { blob } = staged;
    const frozen = await content.freeze(blob);
    if (!frozen.ok) return frozen;
    const view = viewLocal(store.read, node);
    if (view?.content.from !== "blob") return ok();
    // What a person has written into it meanwhile stays.
    const isKnown = view.content.blob === blob && of.audit.known.includes(frozen.value.hash);
    store.transact((tx) => (isKnown ? drop(tx, view, blob) : finish(tx, { view, of, at: this.#pushing.clock.now() })));
    this.#tell(view);
    return ok();
  }

  /**
   * A file of its own, on this machine only while its bytes are not whole. Undefined: it is finished. One that a person has written into
   * meanwhile is the person's, and another one is made.
   */
  async #staged(of: {
    node: ItemKey;
    version: ItemVersion;
    audit: Audit;
  }): Promise<Result<ItemKey | undefined, Fault>> {
    const { store, content } = this.#pushing;
    const before = auditOf(store.read, of.node)?.copies[of.version.id];
    if (before !== undefined) {
      const view = viewLocal(store.read, before);
      if (view?.content.from !== "blob" || store.read.facts.get(before)?.localOnly !== true) return ok(undefined);
      const touched = this.#touched(before);
      if (touched === undefined) return ok(before);
      if (this.#pushing.isOpen(before)) return failed(touched);
      store.transact((tx) => finish(tx, { view, of, at: this.#pushing.clock.now() }));
      this.#tell(view);
    }
    const blob = await content.createBlob();
    if (!blob.ok) return blob;
    return ok(store.transact((tx) => stage(tx, { ...of, blob: blob.value })));
  }

  async #write(
    node: ItemKey,
    { version, audit }: { version: ItemVersion; audit: Audit },
    signal: AbortSignal,
  ): Promise<Result<undefined, Fault>> {
    const bytes = await this.#pushing.drive.versionContent(audit.item, version, signal);
    if (!bytes.ok) return bytes;
    const touched = this.#touched(node);
    if (touched) return failed(touched);
    const source = this.#pushing.content.open(node);
    try {
      const cut = await source.truncate(0);
      if (!cut.ok) return cut;
      let at = 0;
      for await (const part of bytes.value) {
        const disturbed = this.#touched(node);
        if (disturbed) return failed(disturbed);
        const written = await source.write(at, part);
        if (!written.ok) return failed(written.fault);
        if (written.value < part.length) return fault("noSpace", "the disk of the state folder is full");
        at += part.length;
      }
      const disturbed = this.#touched(node);
      if (disturbed) return failed(disturbed);
      this.#pushing.store.transact((tx) => resize(tx, node, at));
      return ok();
    } catch (error) {
      if (error instanceof DownloadCut) return fault("unavailable", error.message);
      throw error;
    } finally {
      await source.close();
    }
  }

  /** Somebody writes into a copy that is not whole yet, or has: nothing more is written there. (We never set a time of our own.) */
  #touched(node: ItemKey): Fault | undefined {
    const { store, isOpen } = this.#pushing;
    if (!isOpen(node) && store.read.facts.get(node)?.mtime === undefined) return undefined;
    return { kind: "busy", why: "somebody writes into the copy that is being made of it" };
  }

  #tell({ node, parent, name }: LocalView): void {
    this.#pushing.applied({ conflicts: [], adopt: [], nodes: [node], renewed: [node], entries: [{ parent, name }] });
    this.#options.made();
  }
}

/** Without the present content; when what was the newest is not kept any more, the one below the present. */
function between(versions: readonly ItemVersion[], newest: string): readonly ItemVersion[] {
  const at = versions.findIndex((version) => version.id === newest);
  return versions.slice(1, at < 0 ? 2 : at);
}

function stage(tx: Writer, of: { node: ItemKey; version: ItemVersion; audit: Audit; blob: BlobId }): ItemKey {
  const { version, audit, blob } = of;
  const file = viewLocal(tx, of.node) ?? tx.mirror.get(of.node);
  const parent = file && viewLocal(tx, file.parent)?.kind === "folder" ? file.parent : ROOT;
  const mark = {
    device: "cloud",
    date: isoDate(version.mtime),
    tag: `v${version.id.toLowerCase().replace(/[^a-z0-9]/g, "")}`,
  };
  const name = conflictName(file?.name ?? "file", mark, (each) => localAt(tx, parent, fold(each)) !== undefined);
  const node = newNode(tx);
  const row = { kind: "file", parent, name, mtime: version.mtime, content: { from: "blob", blob, size: 0 } } as const;
  changeTrees(tx, new Map([[node, { local: row }]]));
  tx.blobs.put(blob, { node, size: 0, state: "open" });
  tx.facts.put(node, { localOnly: true });
  put(tx, of.node, { ...audit, copies: { ...auditOf(tx, of.node)?.copies, [version.id]: node } });
  return node;
}

function resize(tx: Writer, node: ItemKey, size: number): void {
  const row = tx.local.get(node);
  if (!row || "gone" in row || row.content.from !== "blob") return;
  changeTrees(tx, new Map([[node, { local: { ...row, content: { ...row.content, size } } }]]));
}

/** Bytes that are known after all. */
function drop(tx: Writer, { node }: LocalView, blob: BlobId): void {
  changeTrees(tx, new Map([[node, { local: null }]]));
  tx.blobs.remove(blob);
  tx.facts.remove(node);
}

function finish(tx: Writer, { view, of, at }: { view: LocalView; of: { node: ItemKey }; at: number }): void {
  const { node, parent, name, content } = view;
  tx.facts.remove(node);
  append(tx, { type: "createFile", node, parent, name }, at);
  if (content.from === "blob") append(tx, { type: "writeContent", node, blob: content.blob }, at);
  tx.conflicts.put(node, { of: of.node, why: "written in the cloud while the service refused the tag of its own", at });
}

function auditsIn(read: Reader): readonly (readonly [ItemKey, Audit])[] {
  const all = (read.meta.get("versionAudits") ?? {}) as Audits;
  return Object.entries(all).map(([node, audit]) => [Number(node) as ItemKey, audit]);
}

function auditOf(read: Reader, node: ItemKey): Audit | undefined {
  return ((read.meta.get("versionAudits") ?? {}) as Audits)[node];
}

function put(tx: Writer, node: ItemKey, audit: Audit | undefined): void {
  const { [node]: _, ...others } = (tx.meta.get("versionAudits") ?? {}) as Audits;
  const all = audit ? { ...others, [node]: audit } : others;
  if (Object.keys(all).length > 0) tx.meta.put("versionAudits", all);
  else tx.meta.remove("versionAudits");
}
