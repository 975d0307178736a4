/**
 * Builds the parts between the store and the kernel, and joins their ends: what one of them reports, another one has to hear. Each
 * part is given contracts only; this file alone knows which technology keeps them.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { join } from "node:path";
import { storeApply } from "../apply/store-apply.ts";
import type { Applied, Apply } from "../apply/apply.ts";
import { systemClock, type Clock } from "../base/clock.ts";
import { present } from "../base/assert.ts";
import { log } from "../base/log.ts";
import { seededRandom } from "../base/random.ts";
import { ok, type Result } from "../base/result.ts";
import type { Scope } from "../base/scope.ts";
import type { Content } from "../content/content.ts";
import { diskContent } from "../content/disk-content.ts";
import { foundFiles } from "../content/found.ts";
import { hasher } from "../content/hash.ts";
import { deferredDrive } from "../drive/deferred-drive.ts";
import type { Drive } from "../drive/drive.ts";
import type { Flusher } from "../flusher/flusher.ts";
import { createFlusher } from "../flusher/planning-flusher.ts";
import type { Mounted } from "../host/host.ts";
import { fuseDevice, type FuseDevice } from "../host/kernel/fuse-device.ts";
import { parseEndpoint } from "../http/endpoint.ts";
import type { Config } from "../model/config.ts";
import type { Fault } from "../model/fault.ts";
import type { ItemKey } from "../model/ids.ts";
import { createPuller } from "../puller/delta-puller.ts";
import { isListed } from "../store/children.ts";
import type { Puller } from "../puller/puller.ts";
import type { StartedState } from "../recover/start-state.ts";
import { takeBack } from "../recover/take-back.ts";
import type { Store } from "../store/store.ts";
import { viewLocal } from "../store/tree.ts";
import { askers } from "./askers.ts";
import { verifyStoreFiles } from "../store/verify-files.ts";
import { createVfs, type VfsControl, type VfsEvent } from "../vfs/create-vfs.ts";
import type { Vfs } from "../vfs/vfs.ts";
import type { CommandParts } from "./commands.ts";
import { downloadJournal, type Downloads } from "./downloads.ts";
import { networkDoor, openSignIn } from "./open-sign-in.ts";
import { keepFound, type KeptFound } from "./keep-found.ts";
import { pathOf } from "./paths.ts";
import { keepPinned, type Pins } from "./pins.ts";
import { tellingVfs } from "./telling-vfs.ts";

export interface Parts extends CommandParts {
  readonly vfs: Vfs & VfsControl;
  /** For what the daemon changes by itself: the kernel is told. */
  readonly ownVfs: Vfs & VfsControl;
  /** The kernel door is open: it hears what to forget from now on. */
  mounted(door: Mounted): void;
  /** What talks to the cloud is loaded, and may begin. Before that nothing of it takes time from those who wait for the mount. */
  goOnline(): void;
  /** All children of the folder are known, or why not. */
  listed(folder: ItemKey): Promise<Result<undefined, Fault>>;
}

export interface Around {
  readonly opened: Scope;
  onDefect(error: unknown): void;
}

/** The store's folder in the state folder. */
export const STORE_FOLDER = "store";

/** What exists only after what it is told to: filled in as the parts are made. */
interface Late {
  vfs?: Vfs & VfsControl;
  flusher?: Flusher;
  puller?: Puller;
  pins?: Pins;
  found?: KeptFound;
  door?: Mounted;
}

interface Network {
  readonly drive: Drive;
  isSignedIn(): boolean;
  open(): void;
}

/** Nothing of this waits for the network. */
export async function buildParts(
  config: Config,
  { store, recovered }: Pick<StartedState, "store" | "recovered">,
  around: Around,
): Promise<Result<Parts, Fault>> {
  const late: Late = {};
  const network = openNetwork(config, around.opened, (up) => up && (late.puller?.wake(), late.flusher?.resume()));
  if (!network.ok) return network;
  const { drive, isSignedIn } = network.value;
  const downloads = openJournal(config, store);
  const watched = downloads.watched(drive);
  const content = buildContent(config, { store, drive: watched, late, recovered, onDefect: around.onDefect });
  around.opened.add("content", () => content.close());
  const common = { store, content, clock: systemClock, onDefect: around.onDefect };
  const { apply, puller, flusher } = buildActors(config, { ...common, drive, late });
  const listed: Parts["listed"] = (folder) => {
    if (!isListed(store.read, folder)) network.value.open();
    return puller.list(folder);
  };
  const vfs = createVfs({
    ...common,
    ...config,
    log: log("vfs"),
    asker: askers(config.noDownloadPrograms),
    asks: downloads.asks,
    list: listed,
    changed: joints(late, content).changed,
  });
  const pins = keepPinned({
    read: store.read,
    content: downloads.forPins(content),
    clock: systemClock,
    log: log("pins"),
    onDefect: around.onDefect,
  });
  const found = buildFound(config, { ...common, late, puller, opened: around.opened });
  Object.assign(late, { vfs, flusher, puller, pins, found });
  around.opened.add("the puller", () => puller.stop());
  around.opened.add("the pins", () => pins.stop());
  // Closed first: who waits for the network waits no longer.
  around.opened.add("the wait for the mount", network.value.open);
  return ok({
    config,
    store,
    content,
    vfs,
    apply,
    flusher,
    puller,
    clock: systemClock,
    isSignedIn,
    found,
    downloads,
    ownVfs: tellingVfs(vfs, () => late.door),
    told: async () => late.door?.told(),
    restat: (node) => late.door?.forgetNode(node, false),
    verifyStore: () => verifyStoreFiles(join(config.stateDir, STORE_FOLDER), store),
    mounted: (door) => void (late.door = door),
    goOnline: network.value.open,
    listed,
  });
}

function openNetwork(config: Config, opened: Scope, reached: (up: boolean) => void): Result<Network, Fault> {
  const endpoint = parseEndpoint(config.endpoint);
  if (!endpoint.ok) return endpoint;
  const http = networkDoor();
  opened.add("the network", () => http.close());
  const account = openSignIn(config, http);
  if (!account.ok) return account;
  const { signIn } = account.value;
  let open: () => void = () => undefined;
  const mayBegin = new Promise<void>((resolve) => (open = resolve));
  const drive = deferredDrive(async () => {
    await mayBegin;
    const { msgraphDrive } = await import("../drive/msgraph-drive.ts");
    const loaded = msgraphDrive({
      endpoint: endpoint.value,
      http,
      tokens: signIn,
      clock: systemClock,
      random: seededRandom(randomUUID()),
    });
    opened.add("the drive", () => loaded.close());
    loaded.reach.onChange(reached);
    return loaded;
  });
  return ok({ drive, isSignedIn: () => !signIn.signedOut, open });
}

function openJournal(config: Config, { read }: Store): Downloads {
  return downloadJournal({
    clock: systemClock,
    nodeOf: (item) => read.ids.get(item),
    pathOf: (node) => pathOf(read, config.mountpoint, node),
  });
}

interface Given {
  readonly store: Store;
  readonly drive: Drive;
  readonly late: Late;
  onDefect(error: unknown): void;
}

interface ContentGiven extends Omit<Given, "drive"> {
  readonly drive: Pick<Drive, "download">;
  readonly recovered: StartedState["recovered"];
}

function buildContent(config: Config, { store, drive, late, recovered, onDefect }: ContentGiven): Content {
  return diskContent({
    store,
    recovered,
    drive,
    clock: systemClock,
    stateDir: config.stateDir,
    cacheDir: config.cacheDir,
    dirtied: (event) => present(late.vfs, "the vfs").dirtied(event),
    limits: config,
    log: log("content"),
    readCached: readCached(),
    onDefect,
    onStale: (node) => void late.puller?.reread(node),
  });
}

/** The addon of our own host can; without it reads go by way of the thread pool. */
function readCached(): FuseDevice["readCached"] | undefined {
  const device = fuseDevice();
  return device.ok ? device.value.readCached : undefined;
}

/** Who takes back what a lost index did not know. */
function buildFound(
  config: Config,
  given: Omit<Given, "drive"> & { readonly content: Content; readonly puller: Puller; readonly opened: Scope },
): KeptFound {
  const { store, content, puller, late, opened, onDefect } = given;
  const digests = hasher();
  opened.add("the digests of what was found", () => digests.close());
  const startedAt = systemClock.now();
  const kept = keepFound({
    takeBack: takeBack({
      store,
      content,
      found: foundFiles({ stateDir: config.stateDir, store, hasher: digests }),
      device: device(),
      localOnlyPatterns: config.localOnlyNames,
      now: () => systemClock.now(),
      applied: (changed) =>
        joints(late, content).applied({ ...changed, renewed: changed.nodes, conflicts: [], adopt: [] }),
      onDefect,
    }),
    content,
    clock: systemClock,
    log: log("recover"),
    isCurrent: () => puller.status().enumerated && (puller.status().polledAt ?? 0) >= startedAt,
    onDefect,
  });
  opened.add("what was found", () => kept.stop());
  return kept;
}

function device(): string {
  return hostname().split(".")[0] || "linux";
}

/** Those who act between the trees and the cloud. */
function buildActors(
  config: Config,
  given: Given & { readonly content: Content; readonly clock: Clock },
): { readonly apply: Apply; readonly puller: Puller; readonly flusher: Flusher } {
  const { late, content } = given;
  const heard = joints(late, content);
  const apply = storeApply({
    ...given,
    device: device(),
    localOnlyPatterns: config.localOnlyNames,
    readOnly: config.readOnly,
  });
  const random = seededRandom(randomUUID());
  const puller = createPuller({
    ...given,
    apply,
    random,
    log: log("puller"),
    pollMs: config.pollMs,
    listTimeoutMs: config.readTimeoutMs,
    applied: heard.applied,
    onlineChanged: heard.online,
  });
  const flusher = createFlusher({
    ...given,
    apply,
    random,
    device: device(),
    log: log("flusher"),
    writeBackMs: config.writeBackMs,
    isOpen: (node) => late.vfs?.isWriting(node) ?? false,
    isStillRead: (node) => content.isOpen(node) && !viewLocal(given.store.read, node) && content.have(node) !== "all",
    cloud: puller,
    acknowledged: (node) => late.vfs?.reunite(node),
    applied: heard.applied,
    stirred: () => puller.wake(),
  });
  return { apply, puller, flusher };
}

/** What one part says, and who hears it. */
function joints(
  late: Late,
  content: Content,
): { applied(applied: Applied): void; online(up: boolean): void; changed(event: VfsEvent): void } {
  return {
    applied(applied) {
      const renewed = new Set(applied.renewed);
      for (const node of applied.nodes) late.door?.forgetNode(node, renewed.has(node));
      const longer = new Set<ItemKey>();
      for (const { parent, name, gone, came } of applied.entries) {
        if (came) longer.add(parent);
        else late.door?.forgetEntry(parent, name, gone);
        late.vfs?.changedElsewhere(parent, name);
      }
      for (const folder of longer) late.door?.forgetListing(folder);
      late.flusher?.wake();
      late.pins?.wake();
      late.found?.wake();
    },
    online(up) {
      content.setOnline(up);
      if (up) late.flusher?.resume();
      if (up) late.pins?.wake();
    },
    changed(event) {
      if (event.kind === "logged") late.flusher?.wake(event.settling);
      else if (event.kind === "entry") late.door?.forgetEntry(event.parent, event.name);
      else if (event.kind === "node") late.door?.forgetNode(event.node, true);
      else late.pins?.wake();
    },
  };
}
