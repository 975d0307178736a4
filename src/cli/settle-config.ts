/**
 * Turns a parsed command line, the config file and the environment into the Config of a mount. Options on the line win over the
 * file, the file over the defaults. Every path in the result is absolute.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ok, type Result } from "../base/result.ts";
import { DEFAULT_NO_DOWNLOAD_PROGRAMS, type Config } from "../model/config.ts";
import { DEFAULT_LOCAL_ONLY_NAMES } from "../model/name.ts";
import type { MountLine } from "./mount-line.ts";
import { parseConfigFile, type Settings, type Value } from "./options.ts";
import { cacheHome, configHome, runtimeHome, stateHome, type Environment } from "./places.ts";

export interface Circumstances {
  readonly env: Environment;
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  /** Accounts that have tokens. */
  readonly accounts: readonly string[];
}

export function settleConfig(line: MountLine, around: Circumstances): Result<Config, string> {
  const file = readFile(line.settings, around);
  if (!file.ok) return file;
  const account = settleAccount(line.account, around.accounts);
  if (!account.ok) return account;
  const config = build(line, account.value, { ...file.value, ...line.settings }, around);
  const why = foldersFault(config);
  return why === undefined ? ok(config) : { ok: false, fault: why };
}

/** Folders that cannot be what they are asked to be; nothing has been made yet. */
function foldersFault({ mountpoint, stateDir, cacheDir }: Config): string | undefined {
  if (within(stateDir, mountpoint)) return `the state folder ${stateDir} lies in the mountpoint ${mountpoint}`;
  if (within(cacheDir, mountpoint)) return `the cache folder ${cacheDir} lies in the mountpoint ${mountpoint}`;
  if (within(stateDir, cacheDir))
    return `the state folder ${stateDir} lies in the cache folder, which may be wiped at any time`;
  return undefined;
}

function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? folder : `${folder}/`);
}

/** What the usual config file says; nothing when there is none. */
export function storedSettings(env: Environment): Result<Settings, string> {
  return readFile({}, { env, cwd: "/" });
}

/** An account is a folder name; it defaults to the only one there is, else `default`. */
export function settleAccount(given: string | undefined, accounts: readonly string[]): Result<string, string> {
  const account = given ?? (accounts.length === 1 ? accounts[0]! : "default");
  if (/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/.test(account)) return ok(account);
  return { ok: false, fault: `"${account}" is no account name: letters, digits and . _ @ + - only` };
}

function build(line: MountLine, account: string, settings: Settings, around: Circumstances): Config {
  const { env, cwd } = around;
  const path = (name: string, otherwise: string): string => resolve(cwd, text(settings[name]) ?? otherwise);
  const seconds = (name: string, otherwise: number): number => Math.round(number(settings[name], otherwise) * 1000);
  const optionalMs = (name: string): number | undefined =>
    settings[name] === undefined ? undefined : seconds(name, 0);
  const stateDir = path("state", join(stateHome(env), account));
  return {
    account,
    mountpoint: resolve(cwd, line.mountpoint),
    endpoint: text(settings["endpoint"]) ?? "global",
    stateDir,
    cacheDir: path("cache", join(cacheHome(env), account)),
    accountDir: join(configHome(env), account),
    runtimeDir: socketDir(env, account, stateDir),
    cacheSizeBytes: number(settings["cache_size"], 10 * 1024 ** 3),
    cacheFreeBytes: number(settings["cache_free"], 2 * 1024 ** 3),
    pollMs: seconds("poll", 30),
    writeBackMs: seconds("write_back", 3),
    flushTimeoutMs: seconds("flush_timeout", 5),
    readTimeoutMs: seconds("read_timeout", 60),
    attrTimeoutMs: optionalMs("attr_timeout"),
    entryTimeoutMs: optionalMs("entry_timeout"),
    clientId: text(settings["client_id"]),
    host: (text(settings["host"]) ?? "auto") as Config["host"],
    readOnly: settings["ro"] === true,
    noExec: settings["noexec"] === true,
    allowOther: settings["allow_other"] === true,
    uid: number(settings["uid"], around.uid),
    gid: number(settings["gid"], around.gid),
    ...(typeof settings["uid"] === "number" ? { uidOfNew: settings["uid"] } : {}),
    ...(typeof settings["gid"] === "number" ? { gidOfNew: settings["gid"] } : {}),
    umask: number(settings["umask"], 0o022),
    ...(typeof settings["umask"] === "number" ? { umaskOfNew: settings["umask"] } : {}),
    localOnlyNames: names(settings["local_only"]) ?? DEFAULT_LOCAL_ONLY_NAMES,
    noDownloadPrograms: names(settings["no_download"]) ?? DEFAULT_NO_DOWNLOAD_PROGRAMS,
    verbose: line.verbose,
  };
}

/** Two states of one account can be mounted at once: a state somewhere else has its socket in a folder of its own. */
function socketDir(env: Environment, account: string, stateDir: string): string {
  const usual = runtimeHome(env);
  if (usual === undefined) return stateDir;
  if (stateDir === join(stateHome(env), account)) return usual;
  return join(usual, createHash("sha256").update(stateDir).digest("hex").slice(0, 12));
}

/** The file named by `config=`; without the option, the usual one when it is there. */
function readFile(settings: Settings, around: Pick<Circumstances, "env" | "cwd">): Result<Settings, string> {
  const named = text(settings["config"]);
  const file = named === undefined ? join(configHome(around.env), "config") : resolve(around.cwd, named);
  try {
    return parseConfigFile(readFileSync(file, "utf8"), file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (named === undefined && code === "ENOENT") return ok({});
    return { ok: false, fault: `the config file ${file} cannot be read: ${code ?? String(error)}` };
  }
}

const text = (value: Value | undefined): string | undefined => (typeof value === "string" ? value : undefined);
const number = (value: Value | undefined, otherwise: number): number => (typeof value === "number" ? value : otherwise);
const names = (value: Value | undefined): readonly string[] | undefined =>
  Array.isArray(value) ? (value as readonly string[]) : undefined;
