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
import { unusable } from "../base/unusable.ts";
import { log } from "../base/log.ts";
import { failed, ok, type Result } from "../base/result.ts";
import { scope, type Scope } from "../base/scope.ts";
import { serveControl } from "../control/socket-server.ts";
import { socketPathOf, sourceOf } from "../control/whereabouts.ts";
import { chooseHost } from "../host/choose-host.ts";
import type { Mounted } from "../host/host.ts";
import type { Config } from "../model/config.ts";
import { ROOT } from "../model/ids.ts";
import { startState, type StartedState } from "../recover/start-state.ts";
import { openLmdbStore } from "../store/lmdb-store.ts";
import { lockFolder } from "../store/process-lock.ts";
import { StoreFull } from "../store/store.ts";
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
  const started = await start(config, around, opened).catch(refusal);
  // What could not be opened may not be closed either; why it could not be is what is said.
  if (!started.ok) await opened.close().catch((error: unknown) => log("daemon").trace("not all was closed", { error }));
  return started;
}

/** A folder that cannot be used is said in one line; every other error is a defect. */
function refusal(error: unknown): Result<never, StartFault> {
  const why = error instanceof StoreFull ? error.message : unusable(error);
  if (why === undefined) throw error;
  return failed({ exit: 32, why });
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
    noExec: config.noExec === true,
    allowOther: config.allowOther,
    source: sourceOf(config.account, socketPath, around.usualRuntimeDir),
    onDefect: around.onDefect,
  });
  if (!mounted.ok) return failed({ exit: 32, why: mounted.fault.why });
  parts.value.mounted(mounted.value);
  const handlers = commands({ ...parts.value, vfs: parts.value.ownVfs });
  const control = await serveControl(socketPath, handlers, around.onDefect).catch(async (error: unknown) => {
    await mounted.value.unmount(true);
    throw error;
  });
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

async function openFolders(
  config: Config,
  around: Surroundings,
  opened: Scope,
): Promise<Result<StartedState, StartFault>> {
  const locked = await lockFolders(config, opened);
  if (locked) return failed(locked);
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const dir = join(config.stateDir, STORE_FOLDER);
  const started = await startState({
    stateDir: config.stateDir,
    cacheDir: config.cacheDir,
    storeDir: dir,
    now: systemClock.now(),
    log: log("recover"),
    open: () => openLmdbStore({ dir, bootId, clock: systemClock, onDamaged: around.onDefect }),
  });
  if (!started.ok) return failed({ exit: 32, why: started.fault.why });
  const { store } = started.value;
  opened.add("the store", () => store.close());
  return started;
}

/** Clean files are named by the numbers of one state: two daemons in one cache folder would take each other's for their own. */
async function lockFolders({ account, stateDir, cacheDir }: Config, opened: Scope): Promise<StartFault | undefined> {
  const folders = [
    [stateDir, `account ${account} is mounted already: another daemon uses ${stateDir}`],
    [cacheDir, `another mount uses the cache folder ${cacheDir}: give this one its own, -o cache=DIR`],
  ] as const;
  for (const [folder, why] of folders) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const lock = await lockFolder(folder);
    if (!lock) return { exit: 32, why };
    opened.add(`the lock of ${folder}`, () => lock.release());
  }
  return undefined;
}

/** The tree can be listed, or it is known why not: offline and never listed. */
async function rootListed(parts: Parts): Promise<void> {
  const listed = await parts.listed(ROOT);
  if (!listed.ok) log("daemon").fault(`the drive cannot be listed yet: ${listed.fault.why}`);
}
