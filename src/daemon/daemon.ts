/**
 * The composition root: a Config becomes a running mount. Parts are built downward (store, network, content, vfs, apply, puller,
 * flusher, socket, kernel door) and closed upward. No decision of the product is made here.
 *
 * Ending, in order: the kernel sends no more calls; what is open is recorded; pending operations are pushed for `flush_timeout`;
 * everything is made durable. A defect anywhere ends the process without that: what was acknowledged is on disk already.
 */
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { scope, type Scope } from "../base/scope.ts";
import { serveControl } from "../control/socket-server.ts";
import { socketPathOf, sourceOf } from "../control/whereabouts.ts";
import { recoverContent } from "../content/recover-content.ts";
import { chooseHost } from "../host/choose-host.ts";
import type { Mounted } from "../host/host.ts";
import type { Config } from "../model/config.ts";
import { ROOT } from "../model/ids.ts";
import { reconcileContent } from "../recover/reconcile-content.ts";
import { openState } from "../recover/recover.ts";
import { openLmdbStore } from "../store/lmdb-store.ts";
import type { Store } from "../store/store.ts";
import { commands } from "./commands.ts";
import { buildParts, STORE_FOLDER, type Parts } from "./parts.ts";

export interface Surroundings {
  /** Where onedrivectl looks for sockets by itself; undefined when the system names no place. */
  readonly usualRuntimeDir: string | undefined;
  /** A bug: the process must end at once. */
  onDefect(error: unknown): void;
}

/** Why the daemon did not start, and the exit status that says so. */
export interface StartFault {
  readonly exit: 2 | 32;
  readonly why: string;
}

export interface Daemon {
  /** Resolves when the mount has gone, whoever ended it. */
  readonly gone: Promise<void>;
  /** Ends the mount (also when it has gone already) and everything behind it; how many operations stay queued for the next mount. */
  end(): Promise<number>;
}

export async function startDaemon(config: Config, around: Surroundings): Promise<Result<Daemon, StartFault>> {
  const opened = scope();
  const started = await start(config, around, opened);
  if (!started.ok) await opened.close();
  return started;
}

async function start(config: Config, around: Surroundings, opened: Scope): Promise<Result<Daemon, StartFault>> {
  const folders = await openFolders(config, around, opened);
  if (!folders.ok) return folders;
  const parts = await buildParts(config, folders.value, { opened, onDefect: around.onDefect });
  if (!parts.ok) return failed({ exit: 32, why: parts.fault.why });
  const socketPath = socketPathOf(config.runtimeDir, config.account);
  const host = chooseHost(config.host);
  const mounted = await host.mount(parts.value.vfs, {
    mountpoint: config.mountpoint,
    attrTimeoutMs: config.attrTimeoutMs,
    entryTimeoutMs: config.entryTimeoutMs,
    readOnly: config.readOnly,
    allowOther: config.allowOther,
    source: sourceOf(config.account, socketPath, around.usualRuntimeDir),
    onDefect: around.onDefect,
  });
  if (!mounted.ok) return failed({ exit: 32, why: mounted.fault.why });
  parts.value.mounted(mounted.value);
  const control = await serveControl(
    socketPath,
    commands({ ...parts.value, vfs: parts.value.ownVfs }),
    around.onDefect,
  );
  opened.add("the control socket", () => control.close());
  await rootListed(parts.value);
  parts.value.goOnline();
  return ok(running(mounted.value, parts.value, opened, config));
}

function running(mounted: Mounted, parts: Parts, opened: Scope, config: Config): Daemon {
  let ending: Promise<number> | undefined;
  const end = async (): Promise<number> => {
    if (!(await mounted.unmount(false))) await mounted.unmount(true);
    await mounted.gone;
    parts.vfs.stopAccepting();
    parts.vfs.checkpointOpenFiles();
    await parts.vfs.settle();
    const left = await parts.flusher.stop(config.flushTimeoutMs);
    await opened.close();
    return left.pending + left.parked + left.held;
  };
  return { gone: mounted.gone, end: () => (ending ??= end()) };
}

/** The state folder, in order: the store believed, restored or begun anew, what is on disk found, log and bytes made to agree. */
async function openFolders(
  config: Config,
  around: Surroundings,
  opened: Scope,
): Promise<Result<{ readonly store: Store; readonly strays: readonly string[] }, StartFault>> {
  await mkdir(config.stateDir, { recursive: true, mode: 0o700 });
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const dir = join(config.stateDir, STORE_FOLDER);
  const found = await openState(dir, () =>
    openLmdbStore({ dir, bootId, clock: systemClock, onDamaged: around.onDefect }),
  );
  if (!found.ok) return failed({ exit: 32, why: found.fault.why });
  const { store, after, report } = found.value;
  opened.add("the store", () => store.close());
  for (const line of report) log("daemon").fault(line);
  const bytes = await recoverContent({
    store,
    stateDir: config.stateDir,
    cacheDir: config.cacheDir,
    after,
    log: log("content"),
  });
  const powerCut = after === "powerCut" || after === "lost";
  if (after !== "clean") reconcileContent(store, bytes, { powerCut, now: systemClock.now() });
  return ok({ store, strays: bytes.strays });
}

/** The tree can be listed, or it is known why not: offline and never listed. */
async function rootListed(parts: Parts): Promise<void> {
  const listed = await parts.listed(ROOT);
  if (!listed.ok) log("daemon").fault(`the drive cannot be listed yet: ${listed.fault.why}`);
}
