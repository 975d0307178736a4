/**
 * The ONE table of `-o` options. Parsing, --help, the man page and the README's table all come from it; a test compares them.
 */
import { ok, type Result } from "../base/result.ts";
import { DEFAULT_NO_DOWNLOAD_PROGRAMS } from "../model/config.ts";
import { DEFAULT_LOCAL_ONLY_NAMES } from "../model/name.ts";

/** What an option's value must look like, and how a config file or `-o` spells it. */
export type Shape = "text" | "path" | "bytes" | "seconds" | "number" | "octal" | "endpoint" | "host" | "names" | "flag";

export interface Option {
  readonly name: string;
  readonly shape: Shape;
  /** As shown in the help. */
  readonly value: string;
  readonly defaultText: string;
  readonly text: string;
}

export const OPTIONS: readonly Option[] = [
  option("endpoint", "endpoint", "URL", "global", "base of Graph and sign-in, or one of global, us, us-dod, china"),
  option("state", "path", "DIR", "$XDG_STATE_HOME/mount.onedrive/ACCOUNT", "tree, operation log and unpushed bytes"),
  option(
    "cache",
    "path",
    "DIR",
    "$XDG_CACHE_HOME/mount.onedrive/ACCOUNT",
    "clean downloaded bytes only; may be wiped at any time without loss",
  ),
  option("cache_size", "bytes", "N[KMGT]", "10G", "most bytes kept clean"),
  option("cache_free", "bytes", "N[KMGT]", "2G", "least free disk space left by the cache"),
  option("poll", "seconds", "SECONDS", "30", "how often the cloud is asked for changes"),
  option(
    "write_back",
    "seconds",
    "SECONDS",
    "3",
    "quiet time after the last close, rename or unlink before an item is pushed",
  ),
  option("flush_timeout", "seconds", "SECONDS", "5", "how long unmounting goes on pushing"),
  option(
    "attr_timeout",
    "seconds",
    "SECONDS",
    "by host",
    "how long the kernel may keep attributes (fuse-native 1, kernel 3600)",
  ),
  option(
    "entry_timeout",
    "seconds",
    "SECONDS",
    "by host",
    "how long the kernel may keep names (fuse-native 1, kernel 3600)",
  ),
  option("client_id", "text", "ID", "none", "app registration used to sign in"),
  option(
    "config",
    "path",
    "FILE",
    "$XDG_CONFIG_HOME/mount.onedrive/config",
    "a file with the same option names, one NAME=VALUE a line",
  ),
  option(
    "read_timeout",
    "seconds",
    "SECONDS",
    "60",
    "longest wait of a read for the network before EIO (offline: at once)",
  ),
  option("host", "host", "auto|fuse-native|kernel", "auto", "which kernel door serves the mount"),
  option(
    "local_only",
    "names",
    "GLOB:GLOB...",
    DEFAULT_LOCAL_ONLY_NAMES.join(":"),
    "names that never leave this machine",
  ),
  option(
    "no_download",
    "names",
    "GLOB:GLOB...",
    DEFAULT_NO_DOWNLOAD_PROGRAMS.join(":"),
    "programs that get EIO at once for a file that is not wholly here, and never download",
  ),
  option("ro", "flag", "", "off", "no changes through this mount"),
  option("noexec", "flag", "", "off", "no program of this mount may be run"),
  option("allow_other", "flag", "", "off", "other users may use the mount, as owners and modes allow"),
  option(
    "uid",
    "number",
    "N",
    "the mounting user",
    "owner of new items and items of the cloud; leave it out where several people make files",
  ),
  option("gid", "number", "N", "the mounting user's", "group of new items and items of the cloud"),
  option("umask", "octal", "NNN", "022", "permission bits taken from new items and items of the cloud"),
];

/**
 * Options of mount(8) and fstab that mean nothing here (or are so anyhow: nosuid, nodev, noatime) and are accepted; so is everything
 * that starts with `x-`. mount(8) itself adds noexec, nosuid and nodev when fstab says `user`.
 */
const IGNORED = new Set(
  (
    "rw exec suid nosuid dev nodev async defaults auto noauto nofail _netdev user nouser users owner group comment " +
    "atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime lazytime"
  ).split(" "),
);

export type Value = string | number | boolean | readonly string[];
export type Settings = Readonly<Record<string, Value>>;

/** Reads `name=value,name,...`; later ones win. The fault is a sentence for a person. */
export function parseOptionList(list: string): Result<Settings, string> {
  const settings: Record<string, Value> = {};
  for (const part of splitList(list)) {
    const read = parseOption(part);
    if (!read.ok) return read;
    if (read.value) settings[read.value.name] = read.value.value;
  }
  return ok(settings);
}

/** Reads a config file: a NAME=VALUE or NAME a line, `#` starts a comment line. */
export function parseConfigFile(text: string, file: string): Result<Settings, string> {
  const settings: Record<string, Value> = {};
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const read = parseOption(line.replace(/\s*=\s*/, "="));
    if (!read.ok) return { ok: false, fault: `${file}, line ${index + 1}: ${read.fault}` };
    if (read.value?.name === "config")
      return { ok: false, fault: `${file}, line ${index + 1}: a config file cannot name another` };
    if (read.value) settings[read.value.name] = read.value.value;
  }
  return ok(settings);
}

function option(name: string, shape: Shape, value: string, defaultText: string, text: string): Option {
  return { name, shape, value, defaultText, text };
}

/** Commas separate; `\,` is a comma in a value, as mount(8) has it. */
function splitList(list: string): readonly string[] {
  return (list.match(/(?:\\.|[^,\\])+/g) ?? []).map((part) => part.replace(/\\(.)/g, "$1"));
}

function parseOption(part: string): Result<{ name: string; value: Value } | undefined, string> {
  const at = part.indexOf("=");
  const name = at < 0 ? part : part.slice(0, at);
  const text = at < 0 ? undefined : part.slice(at + 1);
  if (IGNORED.has(name) || name.startsWith("x-")) return ok(undefined);
  const known = OPTIONS.find((each) => each.name === name);
  if (!known) return { ok: false, fault: `unknown option "${name}"; --help lists the options` };
  if (known.shape === "flag") {
    return text === undefined ? ok({ name, value: true }) : { ok: false, fault: `option "${name}" takes no value` };
  }
  if (text === undefined || text === "")
    return { ok: false, fault: `option "${name}" needs a value: ${name}=${known.value}` };
  const value = readValue(known.shape, text);
  return value === undefined
    ? { ok: false, fault: `option "${name}=${text}": not of the form ${known.value}` }
    : ok({ name, value });
}

function readValue(shape: Shape, text: string): Value | undefined {
  switch (shape) {
    case "text":
    case "path":
      return text;
    case "names":
      return text.split(":").filter((name) => name !== "");
    case "bytes":
      return readBytes(text);
    case "seconds":
      return /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined;
    case "number":
      return /^\d{1,10}$/.test(text) ? Number(text) : undefined;
    case "octal":
      return /^[0-7]{1,4}$/.test(text) ? parseInt(text, 8) : undefined;
    case "endpoint":
      return ["global", "us", "us-dod", "china"].includes(text) || isBaseUrl(text) ? text : undefined;
    case "host":
      return ["auto", "fuse-native", "kernel"].includes(text) ? text : undefined;
    case "flag":
      return undefined;
  }
}

function readBytes(text: string): number | undefined {
  const match = /^(\d+)([KMGT]?)$/i.exec(text);
  if (!match) return undefined;
  const power = " KMGT".indexOf((match[2] || " ").toUpperCase());
  const bytes = Number(match[1]) * 1024 ** power;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** https anywhere; plain http only on this machine, since tokens travel on it. */
function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === "https:" || (protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(hostname));
}
