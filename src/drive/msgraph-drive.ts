/**
 * The Drive on Microsoft Graph v1.0: the signed-in person's own drive (`/me/drive`). It says what the service said, checked and in
 * our words, and keeps nothing but the drive's own facts and download addresses, which it can lose at any time.
 *
 * Reading and metadata are here; content is in upload.ts and download.ts, copies in copy.ts, several calls at once in batch.ts. What
 * stands between a call and the network is in chain.ts.
 */
import type { Clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { failed, ok, type Result } from "../base/result.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { Http } from "../http/http.ts";
import type { ChangePage } from "../model/change.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { CTag, ETag, ItemId } from "../model/ids.ts";
import type { CloudItem } from "../model/item.ts";
import { CHILDREN_PAGE_ITEMS, DELTA_PAGE_ITEMS, REQUESTS_MAX } from "../model/limits.ts";
import { asking, type Asking } from "./asking.ts";
import { sendBatch } from "./batch.ts";
import { changeJson, folderJson, ifMatch } from "./call-bodies.ts";
import { authorized, logged, retrying, sendCall, throttled } from "./chain.ts";
import { copyItem } from "./copy.ts";
import { downloads, type Downloads } from "./download.ts";
import type {
  Answer,
  BatchCall,
  Body,
  Download,
  Drive,
  DriveInfo,
  ItemPage,
  ItemVersion,
  Session,
  UploadTarget,
} from "./drive.ts";
import { graphClient } from "./graph-client.ts";
import type { GraphAsk, Tokens } from "./graph.ts";
import { itemAt } from "./item-at.ts";
import { outside, type Outside } from "./outside.ts";
import { knownChanges } from "./page-items.ts";
import { reach, type Reach } from "./reach.ts";
import { throttleGate } from "./throttle-gate.ts";
import { uploads, type Uploads } from "./upload.ts";
import { listVersions, readVersion } from "./versions.ts";
import { ITEM_PROPERTIES, parseDrive, parsePage, type WirePage } from "./wire.ts";
import { withLimit } from "./with-limit.ts";
import { withLog } from "./with-log.ts";

export interface MsgraphDriveOptions {
  readonly endpoint: Endpoint;
  readonly http: Http;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly random: Random;
}

export interface MsgraphDrive extends Drive {
  readonly reach: Reach;
  /** Ends what runs in the background. Calls under way are the caller's to abort. */
  close(): void;
}

export function msgraphDrive(options: MsgraphDriveOptions): MsgraphDrive {
  const { endpoint, http, clock } = options;
  const gate = throttleGate(clock);
  const reached = reach({ http, clock, base: endpoint.graph });
  const chain = [
    reached.watch,
    retrying(options),
    throttled(gate),
    authorized(options.tokens, endpoint.graph),
    logged(clock),
  ];
  const graph = graphClient({ base: endpoint.graph, chain, last: sendCall(http) });
  const inner = new GraphDrive({
    asking: asking(graph, endpoint, clock),
    outside: outside({ http, clock, random: options.random, gate, endpoint }),
    ...options,
  });
  const drive = withLog(withLimit(inner, REQUESTS_MAX), clock);
  return Object.assign(drive, { reach: reached, close: () => reached.close() });
}

interface GraphDriveOptions extends MsgraphDriveOptions {
  readonly asking: Asking;
  readonly outside: Outside;
}

type Facts = Omit<DriveInfo, "quota">;
type Change = Parameters<Drive["update"]>[1];

const LISTED = { $select: ITEM_PROPERTIES };

class GraphDrive implements Drive {
  readonly #asking: Asking;
  readonly #options: GraphDriveOptions;
  readonly #uploads: Uploads;
  readonly #downloads: Downloads;
  readonly #log = log("drive");
  #facts: Facts | undefined;

  constructor(options: GraphDriveOptions) {
    this.#asking = options.asking;
    this.#options = options;
    this.#uploads = uploads(options);
    this.#downloads = downloads(options);
  }

  async info(signal?: AbortSignal): Answer<DriveInfo> {
    const root = this.#facts ? undefined : this.#asking.item({ method: "GET", path: "/me/drive/root", signal });
    const drive = await this.#asking.read({ method: "GET", path: "/me/drive", signal }, parseDrive);
    const found = await root;
    if (!drive.ok) return drive;
    if (found && !found.ok) return found;
    const { quota, ...about } = drive.value;
    if (found) this.#facts = { ...about, rootId: found.value.item.id };
    return this.#facts
      ? ok({ ...this.#facts, quota })
      : fault("garbled", "the service does not say which folder is the root");
  }

  async changes(link: string | undefined, signal?: AbortSignal): Answer<ChangePage> {
    const first = { path: "/me/drive/root/delta", query: { ...LISTED, $top: String(DELTA_PAGE_ITEMS) } };
    const page = await this.#page({ method: "GET", ...(link === undefined ? first : { link }), signal });
    if (!page.ok) return link === undefined ? page : asResync(page.fault);
    const { next, cursor } = page.value;
    if ((next === undefined) === (cursor === undefined))
      return fault("garbled", "a page of changes that neither ends nor goes on");
    const changes = await knownChanges(page.value, { drive: this, log: this.#log, signal });
    return changes.ok
      ? ok({ changes: changes.value, ...(next ? { next } : {}), ...(cursor ? { cursor } : {}) })
      : changes;
  }

  async children(folder: ItemId, link?: string, signal?: AbortSignal): Answer<ItemPage> {
    const query = { ...LISTED, $top: String(CHILDREN_PAGE_ITEMS) };
    const first = { path: this.#asking.itemPath(folder, "/children"), query };
    const page = await this.#page({ method: "GET", ...(link === undefined ? first : { link }), signal });
    if (!page.ok) return failed(this.#ifRoot(folder, page.fault));
    const changes = await knownChanges(page.value, { drive: this, log: this.#log, signal });
    if (!changes.ok) return changes;
    const items = changes.value.flatMap((change) => (change.deleted ? [] : [change.item]));
    return ok({ items, ...(page.value.next ? { next: page.value.next } : {}) });
  }

  async item(id: ItemId, signal?: AbortSignal): Answer<CloudItem> {
    const found = await this.#asking.item({ method: "GET", path: this.#asking.itemPath(id), query: LISTED, signal });
    return found.ok ? ok(found.value.item) : failed(this.#ifRoot(id, found.fault));
  }

  itemAt(parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem> {
    return itemAt({ asking: this.#asking, drive: this, parent, name, signal });
  }

  async createFolder(parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem> {
    const json = folderJson(name);
    if (!json.ok) return json;
    return this.#changed({
      method: "POST",
      path: this.#asking.itemPath(parent, "/children"),
      json: json.value,
      signal,
    });
  }

  async update(id: ItemId, change: Change, seen: ETag | CTag | undefined, signal?: AbortSignal): Answer<CloudItem> {
    const json = changeJson(change);
    if (!json.ok) return json;
    const path = this.#asking.itemPath(id);
    const changed = await this.#changed({ method: "PATCH", path, json: json.value, headers: ifMatch(seen), signal });
    // A success without the item (204, or an empty 200) was carried out: what it made of the item is asked for.
    const bare = !changed.ok && changed.fault.kind === "garbled" && (changed.fault.status ?? 0) < 300;
    return bare ? this.item(id, signal) : changed;
  }

  async remove(id: ItemId, seen: ETag | CTag | undefined, signal?: AbortSignal): Answer<undefined> {
    const done = await this.#asking.ask({
      method: "DELETE",
      path: this.#asking.itemPath(id),
      headers: ifMatch(seen),
      signal,
    });
    return done.ok ? ok() : done;
  }

  restore(id: ItemId, signal?: AbortSignal): Answer<CloudItem> {
    return this.#changed({ method: "POST", path: this.#asking.itemPath(id, "/restore"), json: {}, signal });
  }

  async copy(id: ItemId, parent: ItemId, name: string, signal?: AbortSignal): Answer<CloudItem> {
    const info = this.#facts ? ok(this.#facts) : await this.info(signal);
    if (!info.ok) return info;
    return copyItem({ ...this.#options, drive: this, driveId: info.value.driveId, id, parent, name, signal });
  }

  upload(target: UploadTarget, body: Body, signal?: AbortSignal): Answer<CloudItem> {
    return this.#uploads.whole(target, body, signal);
  }

  openSession(target: UploadTarget, _size: number, mtime: number, signal?: AbortSignal): Answer<Session> {
    return this.#uploads.open(target, mtime, signal);
  }

  sendFragment(...args: Parameters<Drive["sendFragment"]>): ReturnType<Drive["sendFragment"]> {
    return this.#uploads.fragment(...args);
  }

  sessionStatus(session: Session, signal?: AbortSignal): Answer<Session> {
    return this.#uploads.status(session, signal);
  }

  cancelSession(session: Session): Answer<undefined> {
    return this.#uploads.cancel(session);
  }

  download(...args: Parameters<Drive["download"]>): Answer<Download> {
    return this.#downloads.range(...args);
  }

  versions(id: ItemId, signal?: AbortSignal): Answer<readonly ItemVersion[]> {
    return listVersions(this.#asking, id, signal);
  }

  versionContent(id: ItemId, version: ItemVersion, signal?: AbortSignal): Answer<AsyncIterable<Uint8Array>> {
    return readVersion({ ...this.#options, id, version, signal });
  }

  batch(calls: readonly BatchCall[], signal?: AbortSignal): Promise<readonly Result<CloudItem | undefined, Fault>[]> {
    return sendBatch({ ...this.#options, drive: this, calls, signal });
  }

  async #changed(ask: GraphAsk): Answer<CloudItem> {
    const found = await this.#asking.item(ask);
    return found.ok ? ok(found.value.item) : found;
  }

  async #page(ask: GraphAsk): Promise<Result<WirePage, Fault>> {
    if (ask.link !== undefined && !this.#isOurs(ask.link)) return fault("resync", "the link is of another service");
    const page = await this.#asking.read(ask, parsePage);
    if (!page.ok) return page;
    const links = [page.value.next, page.value.cursor].filter((link) => link !== undefined);
    return links.every((link) => this.#isOurs(link))
      ? page
      : fault("garbled", "a page whose links lead away from the service");
  }

  /** The root cannot be gone; the service says so now and then. */
  #ifRoot(id: ItemId, why: Fault): Fault {
    return why.kind === "notFound" && id === this.#facts?.rootId ? { ...why, kind: "unavailable" } : why;
  }

  #isOurs(link: string): boolean {
    return URL.canParse(link) && new URL(link).origin === new URL(this.#options.endpoint.graph).origin;
  }
}

/** A cursor that the service does not take any more, whatever it calls that: the drive is enumerated anew. */
function asResync(why: Fault): Result<never, Fault> {
  const worn = why.kind === "invalid" || why.kind === "notFound";
  return worn ? fault("resync", why.why, { status: why.status ?? 410 }) : { ok: false, fault: why };
}
