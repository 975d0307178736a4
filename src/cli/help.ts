/** --help, the man pages and the README's tables, generated from the option and command tables. */
import { COMMANDS } from "./ctl-line.ts";
import { OPTIONS } from "./options.ts";

export function mountHelp(): string {
  const rows = OPTIONS.map((o): [string, string] => [
    o.value ? `${o.name}=${o.value}` : o.name,
    `${o.text} (${o.defaultText})`,
  ]);
  return `mount.onedrive - a OneDrive in the file tree

usage: mount.onedrive [ACCOUNT] MOUNTPOINT [-f|--foreground] [-v] [-o OPT[=VALUE],...]

  -f, --foreground   stay in the foreground (with two arguments -f is mount(8)'s: everything but mount)
  -v, --verbose      say what is done
  -h, --help         this text
  -V, --version      the version

options of -o (and lines of the config file):
${columns(rows)}

ends with: 0 mounted, 1 wrong usage, 2 sign-in needed, 32 the mount failed
unmount with: fusermount -u MOUNTPOINT
`;
}

export function ctlHelp(): string {
  return `onedrivectl - talks to the daemon of a mounted OneDrive

usage: onedrivectl COMMAND [PATH...] [--json]

${columns(COMMANDS.map((c): [string, string] => [`${c.name} ${c.takes}`.trim(), c.text]))}

Without PATH a command speaks to every daemon of yours. Ends with 0 only when what it says is true.
status --wait ends with: 0 all is pushed, 3 only parked or held operations are left, 4 timeout
`;
}

/** The README's option table, in Markdown. */
export function optionTable(): string {
  const rows = OPTIONS.map(
    (o) =>
      `| \`${escape(o.value ? `${o.name}=${o.value}` : o.name)}\` | ${escape(o.text)} | ${escape(o.defaultText)} |`,
  );
  return ["| option | meaning | default |", "| --- | --- | --- |", ...rows].join("\n");
}

/** The README's command table, in Markdown. */
export function commandTable(): string {
  const rows = COMMANDS.map((c) => `| \`${escape(`${c.name} ${c.takes}`.trim())}\` | ${escape(c.text)} |`);
  return ["| command | does |", "| --- | --- |", ...rows].join("\n");
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, right]) =>
      left.length > width ? `  ${left}\n  ${" ".repeat(width)}  ${right}` : `  ${left.padEnd(width)}  ${right}`,
    )
    .join("\n");
}

const escape = (text: string): string => text.replaceAll("|", "\\|").replaceAll("*", "\\*");
