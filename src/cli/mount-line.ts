/**
 * Reads the command line of mount.onedrive: `[ACCOUNT] MOUNTPOINT [-f|--foreground] [-v] [-o OPT[=VALUE],...]`. It is a mount(8)
 * helper as well: with two positional arguments `-f` means what mount(8) means by it (do everything but mount), and `-s -n -N -t`
 * are accepted. Says what is wrong in one sentence.
 */
import { ok, type Result } from "../base/result.ts";
import { parseOptionList, type Settings } from "./options.ts";

export interface MountLine {
  readonly account: string | undefined;
  readonly mountpoint: string;
  readonly foreground: boolean;
  /** mount -f: check everything, mount nothing. */
  readonly fake: boolean;
  readonly verbose: boolean;
  readonly settings: Settings;
}

export type MountWish = MountLine | "help" | "version";

export function parseMountLine(argv: readonly string[]): Result<MountWish, string> {
  const read = collect(argv);
  if (!read.ok) return read;
  const { flags, words, lists } = read.value;
  if (flags.has("--help") || flags.has("-h")) return ok("help");
  if (flags.has("--version") || flags.has("-V")) return ok("version");
  if (words.length === 0) return { ok: false, fault: "the mountpoint is missing: mount.onedrive [ACCOUNT] MOUNTPOINT" };
  if (words.length > 2) return { ok: false, fault: `one account and one mountpoint, not ${words.length} arguments` };
  const settings = parseOptionList(lists.join(","));
  if (!settings.ok) return settings;
  const helper = words.length === 2;
  return ok({
    account: helper ? words[0] : undefined,
    mountpoint: words[words.length - 1]!,
    foreground: flags.has("--foreground") || (!helper && flags.has("-f")),
    fake: helper && flags.has("-f"),
    verbose: flags.has("-v") || flags.has("--verbose"),
    settings: settings.value,
  });
}

const PLAIN = new Set(["--help", "-h", "--version", "-V", "--foreground", "-f", "-v", "--verbose", "-s", "-n"]);
/** These take a value; mount(8) passes -N and -t. */
const VALUED = new Set(["-o", "--options", "-N", "-t"]);

function collect(argv: readonly string[]): Result<{ flags: Set<string>; words: string[]; lists: string[] }, string> {
  const flags = new Set<string>();
  const words: string[] = [];
  const lists: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const arg = argv[i]!;
    if (arg === "--") {
      words.push(...argv.slice(i + 1));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") words.push(arg);
    else if (PLAIN.has(arg)) flags.add(arg);
    else if (VALUED.has(arg)) {
      const value = argv[++i];
      if (value === undefined) return { ok: false, fault: `"${arg}" needs a value` };
      if (arg === "-o" || arg === "--options") lists.push(value);
    } else if (arg.startsWith("-o")) lists.push(arg.slice(2));
    else if (/^-[fvsn]{2,}$/.test(arg)) for (const letter of arg.slice(1)) flags.add(`-${letter}`);
    else return { ok: false, fault: `unknown option "${arg}"; --help lists the options` };
  }
  return ok({ flags, words, lists });
}
