/**
 * The commands of onedrivectl: ONE table for parsing, --help and the README, and the reading of its command line.
 */
import { parseArgs } from "node:util";
import { ok, type Result } from "../base/result.ts";

export interface CtlCommand {
  readonly name: string;
  readonly takes: string;
  readonly text: string;
  /** How many arguments it needs, and may have. */
  readonly least: number;
  readonly most: number;
  readonly options: readonly (
    "wait" | "timeout" | "graph" | "downloads" | "keep" | "cloud" | "device-code" | "endpoint" | "client-id"
  )[];
}

export const COMMANDS: readonly CtlCommand[] = [
  command(
    "status",
    "[PATH] [--wait [--timeout S]]",
    "what the daemon is doing; --wait until everything is pushed",
    [0, 1],
    ["wait", "timeout"],
  ),
  command("sync", "[PATH]", "ask the cloud now and push now; returns when both are finished", [0, 1], []),
  command(
    "ops",
    "[PATH] [--graph]",
    "the operations not yet in the cloud; --graph as a Mermaid graph",
    [0, 1],
    ["graph"],
  ),
  command("retry", "OP [PATH]", "try a parked operation again", [1, 2], []),
  command(
    "cancel",
    "OP [PATH]",
    "give up one operation not sent yet: the cloud does not get it; unpushed bytes stay, on this machine only",
    [1, 2],
    [],
  ),
  command(
    "undo",
    "OP|held [PATH]",
    "take back all that an item (or a held mass deletion) has pending: as the cloud has it; unpushed bytes stay, on this machine only",
    [1, 2],
    [],
  ),
  command("release", "[PATH]", "let a held mass deletion go to the cloud", [0, 1], []),
  command("conflicts", "[PATH]", "list conflicts", [0, 1], []),
  command(
    "log",
    "[PATH] --downloads",
    "which programs made bytes come from the cloud (of PATH and what is below it), how many and when, since the daemon started",
    [0, 1],
    ["downloads"],
  ),
  command("resolve", "PATH --keep mine|theirs|both", "settle a conflict", [1, 1], ["keep"]),
  command("pin", "PATH...", "always keep here, with everything below", [1, Infinity], []),
  command("unpin", "PATH...", "stop keeping", [1, Infinity], []),
  command("free", "PATH...", "drop clean bytes now; what is pinned stays", [1, Infinity], []),
  command("info", "PATH", "everything known of one item", [1, 1], []),
  command(
    "check",
    "[PATH] [--cloud]",
    "verify index, log and the bytes that are here; --cloud audits the tree against a full enumeration",
    [0, 1],
    ["cloud"],
  ),
  command(
    "rebuild",
    "[PATH]",
    "build the index anew from the cloud; bytes that are here and pending operations stay",
    [0, 1],
    [],
  ),
  command(
    "login",
    "[ACCOUNT] [--device-code] [--endpoint URL] [--client-id ID]",
    "sign in, by browser or by a code on another device; once more with the registration it was done with before",
    [0, 1],
    ["device-code", "endpoint", "client-id"],
  ),
  command("logout", "[ACCOUNT]", "forget the account's tokens", [0, 1], []),
  command("accounts", "", "list accounts that have tokens", [0, 0], []),
];

export interface CtlLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly json: boolean;
  readonly wait: boolean;
  readonly timeoutSeconds: number | null;
  readonly graph: boolean;
  readonly keep: "mine" | "theirs" | "both" | undefined;
  readonly cloud: boolean;
  readonly deviceCode: boolean;
  readonly endpoint: string | undefined;
  readonly clientId: string | undefined;
}

export type CtlWish = CtlLine | "help" | "version";

export function parseCtlLine(argv: readonly string[]): Result<CtlWish, string> {
  const read = readArgs(argv);
  if (!read.ok) return read;
  const { values, positionals } = read.value;
  if (values.help) return ok("help");
  if (values.version) return ok("version");
  const [name, ...args] = positionals;
  if (name === undefined) return { ok: false, fault: "which command? --help lists them" };
  const known = COMMANDS.find((each) => each.name === name);
  if (!known) return { ok: false, fault: `unknown command "${name}"; --help lists them` };
  const wrong = misfit(known, args, values);
  if (wrong !== undefined) return { ok: false, fault: wrong };
  return ok({
    command: name,
    args,
    json: values.json ?? false,
    wait: values.wait ?? false,
    timeoutSeconds: values.timeout === undefined ? null : Number(values.timeout),
    graph: values.graph ?? false,
    keep: values.keep as CtlLine["keep"],
    cloud: values.cloud ?? false,
    deviceCode: values["device-code"] ?? false,
    endpoint: values.endpoint,
    clientId: values["client-id"],
  });
}

const ARGUMENTS = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
  json: { type: "boolean" },
  wait: { type: "boolean" },
  timeout: { type: "string" },
  graph: { type: "boolean" },
  downloads: { type: "boolean" },
  keep: { type: "string" },
  cloud: { type: "boolean" },
  "device-code": { type: "boolean" },
  endpoint: { type: "string" },
  "client-id": { type: "string" },
} as const;

type Values = { [K in keyof typeof ARGUMENTS]?: (typeof ARGUMENTS)[K]["type"] extends "boolean" ? boolean : string };

function readArgs(argv: readonly string[]): Result<{ values: Values; positionals: string[] }, string> {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: ARGUMENTS,
      allowPositionals: true,
      strict: true,
    });
    return ok({ values: { ...values } as Values, positionals });
  } catch (error) {
    const why = error instanceof Error ? error.message.split(". ")[0]! : String(error);
    return { ok: false, fault: `${why}; --help lists the options` };
  }
}

function misfit(known: CtlCommand, args: readonly string[], values: Values): string | undefined {
  if (args.length < known.least || args.length > known.most) return `usage: onedrivectl ${known.name} ${known.takes}`;
  for (const name of Object.keys(values)) {
    if (!["help", "version", "json"].includes(name) && !known.options.includes(name as never))
      return `"${known.name}" has no option --${name}`;
  }
  if (values.timeout !== undefined && !/^\d+(\.\d+)?$/.test(values.timeout))
    return `--timeout ${values.timeout}: not a number of seconds`;
  if (values.timeout !== undefined && !values.wait) return "--timeout goes with --wait";
  if (known.name === "log" && !values.downloads) return "say which log: --downloads";
  if (known.name === "resolve" && !["mine", "theirs", "both"].includes(values.keep ?? ""))
    return "say which to keep: --keep mine|theirs|both";
  if (known.name === "undo" && args[0] === "held") return undefined;
  if (["retry", "cancel", "undo"].includes(known.name) && !/^[1-9]\d{0,14}$/.test(args[0] ?? ""))
    return `"${args[0]}" is no operation number; "onedrivectl ops" lists them`;
  return undefined;
}

function command(
  name: string,
  takes: string,
  text: string,
  [least, most]: [number, number],
  options: CtlCommand["options"],
): CtlCommand {
  return { name, takes, text, least, most, options };
}
