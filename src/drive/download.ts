/**
 * Bytes from the cloud. An item's description brings an address that needs no token; it is kept per item and version until it dies,
 * so a cold read costs two round trips and the next ones one.
 *
 *  - The description must be of the wanted version, or the answer is `changed`. The address itself serves whatever the file has at
 *    the moment, so each answer must carry a tag that belongs to the description; else the item is described once more after the
 *    answer began, and only the same version before and after lets the bytes through. So no two versions are ever mixed.
 *  - A full answer to a ranged request is cut to the range; an answer for another range is `garbled`.
 *  - A body that ends early, or brings more than it promised, throws `DownloadCut`.
 *  - A dead address (401, 403, 404, 410) is asked for again once.
 */
import type { Clock } from "../base/clock.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { BodyLost, type HttpAnswer } from "../http/http.ts";
import { fault, type Fault } from "../model/fault.ts";
import type { ItemId } from "../model/ids.ts";
import { DOWNLOAD_URLS_MAX, REDIRECTS_MAX } from "../model/limits.ts";
import type { Asking } from "./asking.ts";
import { DownloadCut, type Answer, type Download, type Drive } from "./drive.ts";
import type { Outside } from "./outside.ts";
import { refusal } from "./refusal.ts";
import { isVersion } from "./version.ts";
import { ITEM_PROPERTIES } from "./wire.ts";

export interface Downloads {
  range(...args: Parameters<Drive["download"]>): Answer<Download>;
}

export interface DownloadOptions {
  readonly asking: Asking;
  readonly outside: Outside;
  readonly clock: Clock;
}

interface Address {
  readonly url: string;
  readonly size: number;
  /** Tags an answer may carry that is of this version. */
  readonly tags: Set<string>;
}

/** Bytes on their way, and what is needed to tell whose they are. */
interface Served {
  readonly download: Download;
  readonly tag: string | undefined;
  discard(): void;
}

interface Wanted {
  readonly id: ItemId;
  readonly start: number;
  readonly end: number;
  readonly version: string;
  readonly signal: AbortSignal | undefined;
}

export function downloads(options: DownloadOptions): Downloads {
  return new GraphDownloads(options);
}

const DEAD: readonly number[] = [401, 403, 404, 410];

class GraphDownloads implements Downloads {
  readonly #options: DownloadOptions;
  /** Oldest first. */
  readonly #addresses = new Map<string, Address>();

  constructor(options: DownloadOptions) {
    this.#options = options;
  }

  async range(...[id, start, end, version, signal]: Parameters<Drive["download"]>): Answer<Download> {
    const wanted = { id, start, end, version, signal };
    const key = `${id}\n${version}`;
    const kept = this.#addresses.get(key);
    const first = kept ? await this.#fetch(kept, wanted) : undefined;
    if (kept && first && !(first.ok ? isStale(kept, first.value) : isDead(first.fault))) {
      return first.ok ? this.#verified(kept, first.value, wanted) : first;
    }
    if (first?.ok) first.value.discard();
    this.#addresses.delete(key);
    for (let tries = first ? 1 : 0; ; tries++) {
      const address = await this.#address(wanted);
      if (!address.ok) return address;
      this.#keep(key, address.value);
      const answer = await this.#fetch(address.value, wanted);
      if (answer.ok) return this.#verified(address.value, answer.value, wanted);
      if (!isDead(answer.fault)) return answer;
      this.#addresses.delete(key);
      if (tries > 0) return asLast(answer.fault);
    }
  }

  async #verified(address: Address, served: Served, wanted: Wanted): Answer<Download> {
    if (address.size === 0 || (served.tag !== undefined && address.tags.has(served.tag))) return ok(served.download);
    const still = await this.#address(wanted);
    if (!still.ok) {
      served.discard();
      return still;
    }
    if (served.tag !== undefined) address.tags.add(served.tag);
    return ok(served.download);
  }

  /** What the item is now, and where its bytes are. */
  async #address({ id, version, signal }: Wanted): Promise<Result<Address, Fault>> {
    const { asking } = this.#options;
    const query = { $select: `${ITEM_PROPERTIES},@microsoft.graph.downloadUrl` };
    const found = await asking.item({ method: "GET", path: asking.itemPath(id), query, signal });
    if (!found.ok) return found;
    const { item, downloadUrl } = found.value;
    if (item.kind === "folder") return fault("isFolder", "a folder has no content");
    if (!isVersion(item, version)) return fault("changed", "the file has another version now", { status: 412 });
    const tags = new Set<string>([item.eTag, item.cTag].filter((tag) => tag !== undefined));
    if (item.size === 0) return ok({ url: "", size: 0, tags });
    const url = downloadUrl ? ok(downloadUrl) : await this.#redirected(id, signal);
    return url.ok ? ok({ url: url.value, size: item.size, tags }) : url;
  }

  /** Descriptions without an address: `/content` redirects to one. */
  async #redirected(id: ItemId, signal: AbortSignal | undefined): Promise<Result<string, Fault>> {
    const { asking } = this.#options;
    const reply = await asking.redirect({ method: "GET", path: asking.itemPath(id, "/content"), signal });
    return reply.ok ? reply : failed(reply.fault);
  }

  async #fetch(address: Address, wanted: Wanted): Promise<Result<Served, Fault>> {
    const start = Math.min(wanted.start, address.size);
    const whole = { start, total: address.size };
    if (address.size === 0)
      return ok({ download: { start: 0, end: 0, total: 0, bytes: nothing() }, tag: undefined, discard() {} });
    if (wanted.start >= address.size) return fault("rangeUnsatisfied", "past the end of the file", { status: 416 });
    const ranged = await this.#follow(address.url, wanted, {
      range: `bytes=${start}-${Math.min(wanted.end, address.size) - 1}`,
    });
    if (!ranged.ok) return ranged;
    // Some files are served without ranges only, though the description promises a size.
    const answer = ranged.value.status === 416 ? await this.#again(ranged.value, address.url, wanted) : ranged;
    return answer.ok ? this.#asDownload(answer.value, wanted, whole) : answer;
  }

  #again(refused: HttpAnswer, url: string, wanted: Wanted): Promise<Result<HttpAnswer, Fault>> {
    refused.discard();
    return this.#follow(url, wanted, {});
  }

  async #follow(url: string, { signal }: Wanted, headers: Record<string, string>): Promise<Result<HttpAnswer, Fault>> {
    const { outside } = this.#options;
    let at = url;
    for (let hops = 0; ; hops++) {
      const answer = await outside.open({
        method: "GET",
        url: at,
        what: `content ${headers["range"] ?? ""}`,
        headers,
        signal,
      });
      if (!answer.ok || answer.value.status < 300 || answer.value.status >= 400) return answer;
      answer.value.discard();
      const to = answer.value.headers["location"];
      if (!to || hops === REDIRECTS_MAX || !URL.canParse(to, at)) return fault("garbled", "content that leads nowhere");
      at = new URL(to, at).href;
    }
  }

  async #asDownload(
    answer: HttpAnswer,
    wanted: Wanted,
    whole: { start: number; total: number },
  ): Promise<Result<Served, Fault>> {
    const { status, headers } = answer;
    if (status !== 200 && status !== 206) return failed(await this.#refused(answer));
    if (isPageInstead(headers)) {
      answer.discard();
      return fault("garbled", "a web page instead of content", { status });
    }
    const served = status === 206 ? contentRange(headers["content-range"]) : fullRange(headers["content-length"]);
    if (!served || served.start > whole.start) {
      answer.discard();
      return fault("garbled", "other bytes than were asked for", { status });
    }
    const { start } = whole;
    // The length of a full answer may be unknown; then its own end counts, up to the size the description gave.
    const end = Math.min(wanted.end, served.end ?? whole.total);
    const bytes = slice(answer.body, start - served.start, end - start);
    const download = { start, end, total: served.total ?? whole.total, bytes };
    return ok({ download, tag: headers["etag"], discard: () => answer.discard() });
  }

  async #refused(answer: HttpAnswer): Promise<Fault> {
    const finished = await this.#options.outside.finish(answer, false);
    if (!finished.ok) return finished.fault;
    return refusal({ ...finished.value, changing: false, nowMs: this.#options.clock.now() });
  }

  #keep(key: string, address: Address): void {
    this.#addresses.set(key, address);
    const [oldest] = this.#addresses.keys();
    if (oldest !== undefined && this.#addresses.size > DOWNLOAD_URLS_MAX) this.#addresses.delete(oldest);
  }
}

/** Exactly `length` bytes after the first `skip`; what comes after them is not read. */
async function* slice(body: AsyncIterable<Uint8Array>, skip: number, length: number): AsyncGenerator<Uint8Array> {
  let before = skip;
  let left = length;
  try {
    for await (const chunk of body) {
      const from = Math.min(before, chunk.length);
      before -= from;
      const part = chunk.subarray(from, from + left);
      left -= part.length;
      if (part.length > 0) yield part;
      if (left === 0) return;
    }
  } catch (error) {
    if (error instanceof BodyLost) throw new DownloadCut(error.message);
    throw error;
  }
  if (left > 0) throw new DownloadCut(`the body ended ${left} bytes early`);
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function contentRange(
  header: string | undefined,
): { start: number; end: number; total: number | undefined } | undefined {
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header ?? "") ?? [];
  if (first === undefined || last === undefined) return undefined;
  return { start: Number(first), end: Number(last) + 1, total: total === "*" ? undefined : Number(total) };
}

function fullRange(length: string | undefined): { start: 0; end: number | undefined; total: number | undefined } {
  const total = length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined;
  return { start: 0, end: total, total };
}

/** A login page of the network comes as 200 with HTML; real HTML files are served as an attachment or with a range. */
function isPageInstead(headers: Readonly<Record<string, string>>): boolean {
  const html = (headers["content-type"] ?? "").startsWith("text/html");
  return html && headers["content-range"] === undefined && headers["content-disposition"] === undefined;
}

/** A kept address that serves something its description does not know any more. */
function isStale(address: Address, served: Served): boolean {
  return address.size > 0 && served.tag !== undefined && !address.tags.has(served.tag);
}

function isDead(why: Fault): boolean {
  return why.status !== undefined && DEAD.includes(why.status);
}

function asLast(why: Fault): Result<never, Fault> {
  return why.kind === "signedOut" ? fault("unavailable", why.why, { status: why.status ?? 401 }) : failed(why);
}
