/**
 * Builds the parts between the store and the kernel, and joins their ends: what one of them reports, another one has to hear. Each
 * part is given contracts only; this file alone knows which technology keeps them.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { storeApply } from "../apply/store-apply.ts";
import type { Applied, Apply } from "../apply/apply.ts";
import { systemClock } from "../base/clock.ts";
import { present } from "../base/assert.ts";
import { log } from "../base/log.ts";
import { seededRandom } from "../base/random.ts";
import { ok, type Result } from "../base/result.ts";
import type { Scope } from "../base/scope.ts";
import type { Content } from "../content/content.ts";
import { diskContent } from "../content/disk-content.ts";
import { msgraphDrive } from "../drive/msgraph-drive.ts";
import type { Flusher } from "../flusher/flusher.ts";
import { createFlusher } from "../flusher/planning-flusher.ts";
import type { Mounted } from "../host/host.ts";
import { parseEndpoint } from "../http/endpoint.ts";
import { undiciHttp } from "../http/undici-http.ts";
import type { Config } from "../model/config.ts";
import type { Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { createPuller } from "../puller/delta-puller.ts";
import type { Puller } from "../puller/puller.ts";
import type { Store } from "../store/store.ts";
import { createVfs, type VfsControl, type VfsEvent } from "../vfs/create-vfs.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { CommandParts } from "./commands.ts";
import { openSignIn } from "./open-sign-in.ts";
import { keepPinned, type Pins } from "./pins.ts";

export interface Parts extends CommandParts {
  readonly vfs: Vfs & VfsControl;
  /** The kernel door is open: it hears what to forget from now on. */
  mounted(door: Mounted): void;
  /** All children of the folder are known, or why not. */
  listed(folder: ItemKey): Promise<Result<undefined, Fault>>;
}

export interface Around {
  readonly opened: Scope;
  onDefect(error: unknown): void;
}

/** Nothing of this waits for the network. */
export async function buildParts(config: Config, store: Store, around: Around): Promise<Result<Parts, Fault>> {
  const { opened, onDefect } = around;
  const clock = systemClock;
  const random = seededRandom(randomUUID());
  const endpoint = parseEndpoint(config.endpoint);
  if (!endpoint.ok) return endpoint;
  const http = undiciHttp({ clock });
  opened.add("the network", () => http.close());
  const account = openSignIn(config, http);
  if (!account.ok) return account;
  const { signIn } = account.value;
  const drive = msgraphDrive({ endpoint: endpoint.value, http, tokens: signIn, clock, random });
  opened.add("the drive", () => drive.close());

  const late: { vfs?: Vfs & VfsControl; flusher?: Flusher; puller?: Puller; pins?: Pins; door?: Mounted } = {};
  const content: Content = diskContent({
    store,
    drive,
    clock,
    stateDir: config.stateDir,
    cacheDir: config.cacheDir,
    dirtied: (event) => present(late.vfs, "the vfs").dirtied(event),
    limits: {
      cacheSizeBytes: config.cacheSizeBytes,
      cacheFreeBytes: config.cacheFreeBytes,
      readTimeoutMs: config.readTimeoutMs,
    },
    log: log("content"),
    onDefect,
    onStale: () => late.puller?.wake(),
  });
  opened.add("content", () => content.close());
  const heard = joints(late, content);
  const apply: Apply = storeApply({ store, clock, device: hostname().split(".")[0] || "linux" });
  const puller = createPuller({
    store,
    apply,
    content,
    drive,
    clock,
    random,
    onDefect,
    log: log("puller"),
    pollMs: config.pollMs,
    listTimeoutMs: config.readTimeoutMs,
    applied: heard.applied,
    onlineChanged: heard.online,
  });
  const flusher = createFlusher({
    store,
    apply,
    content,
    drive,
    clock,
    random,
    onDefect,
    log: log("flusher"),
    writeBackMs: config.writeBackMs,
    isOpen: (node) => late.vfs?.openForWrite(node) ?? false,
    cloud: puller,
    acknowledged: (node) => late.vfs?.reunite(node),
    applied: heard.applied,
    stirred: () => puller.wake(),
  });
  const vfs = createVfs({
    store,
    content,
    clock,
    log: log("vfs"),
    uid: config.uid,
    gid: config.gid,
    umask: config.umask,
    localOnlyNames: config.localOnlyNames,
    readOnly: config.readOnly,
    writeBackMs: config.writeBackMs,
    list: (folder) => puller.list(folder),
    changed: heard.changed,
  });
  const pins = keepPinned({ read: store.read, content, clock, log: log("pins"), onDefect });
  Object.assign(late, { vfs, flusher, puller, pins });
  opened.add("the puller", () => puller.stop());
  opened.add("the pins", () => pins.stop());
  opened.add(
    "word of the network",
    drive.reach.onChange((up) => up && (puller.wake(), flusher.resume())),
  );
  return ok({
    config,
    store,
    content,
    vfs,
    apply,
    flusher,
    puller,
    clock,
    isSignedIn: () => !signIn.signedOut,
    mounted: (door) => void (late.door = door),
    listed: (folder) => puller.list(folder),
  });
}

/** What one part says, and who hears it. */
function joints(
  late: { vfs?: Vfs & VfsControl; flusher?: Flusher; puller?: Puller; pins?: Pins; door?: Mounted },
  content: Content,
): { applied(applied: Applied): void; online(up: boolean): void; changed(event: VfsEvent): void } {
  return {
    applied(applied) {
      for (const node of applied.nodes) late.door?.forgetNode(node);
      for (const { parent, name } of applied.entries) late.door?.forgetEntry(parent, name);
      late.flusher?.wake();
      late.pins?.wake();
    },
    online(up) {
      content.setOnline(up);
      if (up) late.flusher?.resume();
      if (up) late.pins?.wake();
    },
    changed(event) {
      if (event.kind === "logged") late.flusher?.wake();
      else if (event.kind === "entry") late.door?.forgetEntry(event.parent, event.name);
      else if (event.kind === "node") late.door?.forgetNode(event.node);
      else late.pins?.wake();
    },
  };
}
