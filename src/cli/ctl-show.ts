/** How onedrivectl's answers look to a person. --json prints the answer itself instead. */
import type { Calls, ConflictReport, DownloadReport, InfoReport, OpReport, StatusReport } from "../control/control.ts";

export function showStatus(s: StatusReport): string {
  const lines = [
    `${s.mountpoint} (account ${s.account}, process ${s.pid})`,
    `  ${s.online ? "online" : "offline"}${s.signedIn ? "" : ", signed out: onedrivectl login"}, ${age(s.cursorAgeSeconds)}`,
    `  ${s.items} items known${s.enumerated ? "" : ", still reading the tree"}`,
    `  ${s.pending} pending, ${s.uploading} uploading, ${s.parked} parked, ${s.held} held, ${s.conflicts} conflicts`,
    `  cache ${size(s.cache.cleanBytes)} of ${size(s.cache.limitBytes)}, unpushed ${size(s.cache.unpushedBytes)}, disk free ${size(s.cache.diskFreeBytes)}`,
    ...(s.quota ? [`  drive ${size(s.quota.used)} of ${size(s.quota.total)} used`] : []),
    ...s.reasons.map((reason) => `  ! ${reason}`),
  ];
  return lines.join("\n");
}

export function showOps(ops: readonly OpReport[]): string {
  if (ops.length === 0) return "nothing is waiting";
  return ops
    .map(
      (op) =>
        `${String(op.id).padStart(6)}  ${op.type.padEnd(13)} ${op.state.padEnd(9)} ${op.path}${op.reason ? `  (${op.reason})` : ""}`,
    )
    .join("\n");
}

export function showConflicts(conflicts: readonly ConflictReport[]): string {
  if (conflicts.length === 0) return "no conflicts";
  return conflicts.map((c) => `${c.path}\n  of ${c.of}: ${c.why}`).join("\n");
}

export function showInfo(info: InfoReport): string {
  const rows: [string, string | null][] = [
    ["path", info.path],
    ["inode", String(info.inode)],
    ["kind", info.kind],
    ["size", String(info.size)],
    ["state", info.state],
    ["pinned", info.pinned ? "yes" : "no"],
    ["id", info.id],
    ["eTag", info.eTag],
    ["cTag", info.cTag],
    ["quickXorHash", info.hash],
    ["web", info.webUrl],
    ["error", info.error],
  ];
  const shown = rows.filter(([, value]) => value !== null).map(([name, value]) => `${name.padEnd(13)} ${value}`);
  return [
    ...shown,
    ...info.pending.map((op) => `pending       ${op.id} ${op.type} (${op.state})`),
    ...info.downloads.map((each) => `downloaded    ${download(each)}`),
  ].join("\n");
}

export function showDownloads(downloads: readonly DownloadReport[]): string {
  if (downloads.length === 0) return "nothing was downloaded since the daemon started";
  return downloads.map((each) => `${download(each)}  ${each.path}`).join("\n");
}

function download({ program, pid, bytes, at }: DownloadReport): string {
  return `${localTime(at)}  ${size(bytes).padStart(10)}  ${program}${pid === null ? "" : ` (process ${pid})`}`;
}

/** As a person's clock has it. */
function localTime(ms: number): string {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace("T", " ");
}

export function showFreed(path: string, { freedBytes, pinned }: Calls["free"]["gives"]): string {
  const stay = pinned === 0 ? "" : `; ${pinned} pinned files stay`;
  return `${path}: ${size(freedBytes)} freed${stay}`;
}

export function showPin(path: string, pin: Calls["pin"]["gives"]): string {
  return `${path}: kept here; ${size(pin.neededBytes)} to fetch, ${size(pin.freeBytes)} free`;
}

export function showCheck({ problems, items, files, bytes }: Calls["check"]["gives"]): string {
  const read = `${items} items, ${files} files with bytes here, ${size(bytes)} read`;
  if (problems.length === 0) return `everything is in order: ${read}`;
  return [...problems.map((p) => `${p.where}: ${p.what}${p.mended ? " (mended)" : ""}`), read].join("\n");
}

export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function age(seconds: number | null): string {
  return seconds === null ? "the cloud was not asked yet" : `the cloud was asked ${Math.round(seconds)} s ago`;
}
