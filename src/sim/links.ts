/**
 * The addresses put into answers. They are built from the Host the caller used, so any port, name or proxy works; behind
 * the CONNECT proxy the caller speaks to Microsoft's hosts, and gets those of the profile.
 *
 * Download links are pre-authenticated: they carry an expiry and a signature, and need no token. There is one in every item
 * written, so their signature is a quick one; tokens are signed properly.
 */
import { createHmac } from "node:crypto";
import type { Drive } from "./drive.ts";
import type { Item } from "./item.ts";
import { hex8, mix } from "./mix.ts";
import type { Profile } from "./profile.ts";

const MICROSOFT =
  /(^|\.)(graph\.microsoft\.(com|us)|dod-graph\.microsoft\.us|microsoftgraph\.chinacloudapi\.cn|login\.microsoftonline\.(com|us)|login\.chinacloudapi\.cn|sharepoint\.com|1drv\.com|onedrive\.com|microsoftpersonalcontent\.com|svc\.ms)$/;
const DOWNLOAD_LIFE_MS = 3_600_000;

export interface Links {
  readonly graph: string;
  readonly login: string;
  readonly upload: string;
  readonly download: string;
  readonly monitor: string;
}

export function isMicrosoftHost(host: string): boolean {
  return MICROSOFT.test(host.replace(/:\d+$/, "").toLowerCase());
}

export function linksFor(host: string, profile: Profile): Links {
  const own = `http://${host}`;
  if (!isMicrosoftHost(host)) {
    return { graph: `${own}/v1.0`, login: own, upload: own, download: own, monitor: own };
  }
  const graphHost = host.includes("graph.") || host.includes("microsoftgraph.") ? host : "graph.microsoft.com";
  return {
    graph: `https://${graphHost}/v1.0`,
    login: `https://${host}`,
    upload: `https://${profile.hosts.upload}`,
    download: `https://${profile.hosts.download}`,
    monitor: `https://${profile.hosts.monitor}`,
  };
}

export interface Signer {
  /** A download link path with query, good for an hour. */
  downloadPath(item: Item, nowMs: number, version?: number): string;
  /** What a download link is for; undefined when forged, "expired" when too old. */
  readDownloadPath(path: string, query: URLSearchParams, nowMs: number): SignedItem | "expired" | undefined;
  sign(text: string): string;
}

export interface SignedItem {
  readonly num: number;
  readonly version: number;
}

export function makeSigner(seed: number): Signer {
  const sign = (text: string): string =>
    createHmac("sha256", `secret:${seed}`).update(text).digest("base64url").slice(0, 27);
  const quick = (num: number, version: number, expires: number): string =>
    [1, 2, 3].map((part) => hex8(mix(mix(seed, num, version), expires, part))).join("");
  return {
    sign,
    downloadPath(item, nowMs, version = 0) {
      const expires = Math.floor((nowMs + DOWNLOAD_LIFE_MS) / 1000);
      return `/_dl/${item.num}.${version}?e=${expires}&tempauth=${quick(item.num, version, expires)}`;
    },
    readDownloadPath(path, query, nowMs) {
      const expires = Number(query.get("e"));
      const [num = 0, version = 0] = path.slice("/_dl/".length).split(".").map(Number);
      if (query.get("tempauth") !== quick(num, version, expires)) return undefined;
      return expires * 1000 < nowMs ? "expired" : { num, version };
    },
  };
}

/** Where a person would see the item in a browser. */
export function webUrl(drive: Drive, path: string, profile: Profile): string {
  const base =
    profile.driveType === "personal" ? "https://onedrive.live.com" : `https://${profile.hosts.download}/Documents`;
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return profile.driveType === "personal" ? `${base}?cid=${drive.ids.driveId}&path=${encoded}` : `${base}/${encoded}`;
}
