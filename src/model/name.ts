/**
 * Names. A local name is what the mount shows; a cloud name is what the service stores. The mapping between them is a
 * bijection on the names either side can hold, so any POSIX name works here and comes back unchanged on another machine:
 * a character the service refuses becomes a full-width look-alike; a name that already holds a look-alike or the escape gets
 * the escape in front of it. `fold` is the service's notion of equal names.
 *
 * The mapping is a chain of rules. Each is a bijection from the names that pass the rules before it onto those that pass this
 * one too, so the chain is a bijection from all names onto the accepted ones, and decoding is the same rules backwards:
 *   1 everywhere  `" * : < > ? \ |` and control characters; the run of escapes before one is doubled, plus one for a look-alike
 *   2 last        a space or a dot, likewise
 *   3 first       a space (of a longer name); one escape more in front of a name that begins as the mapped one
 *   4 first       `~$`, likewise     5 whole  reserved names, likewise     6 inside  `_vti_`, likewise
 * A name for which Unicode composition would make the mapping disagree with `fold` cannot be mapped (`<` or `>` before U+0338).
 */
import { fault, type Fault } from "./fault.ts";
import { folded, type Folded } from "./ids.ts";
import { NAME_UTF16_UNITS_MAX } from "./limits.ts";

const ASCII = /^[\x20-\x7e]*$/;

/** How the service compares names: case-insensitively and blind to Unicode composition. For comparing only. */
export function fold(name: string): Folded {
  if (ASCII.test(name)) return folded(name.toLowerCase());
  return folded(name.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC"));
}

/** The name the service is given; undefined when the name cannot be mapped (EINVAL). */
export function toCloudName(local: string): string | undefined {
  if (PLAIN.test(local)) return local;
  if (!isName(local)) return undefined;
  const cloud = encode(local);
  return cloud.length <= NAME_UTF16_UNITS_MAX && foldsAlike(local, cloud) ? cloud : undefined;
}

/**
 * The name the mount shows; undefined when the cloud's name is refused (empty, `.`, `..`, `/`, NUL, broken UTF-16). A name that
 * `toCloudName` never gives (the service should not hold it) is shown as it is.
 */
export function fromCloudName(cloud: string): string | undefined {
  if (PLAIN.test(cloud)) return cloud;
  if (!isName(cloud)) return undefined;
  const local = decode(cloud);
  return toCloudName(local) === cloud ? local : cloud;
}

/** Why a name cannot be given to something made here; undefined when it can. */
export function checkLocalName(name: string): Fault | undefined {
  if (name.length > NAME_UTF16_UNITS_MAX) return tooLong(name);
  if (!isName(name)) return fault("invalid", `not a name: ${JSON.stringify(name)}`).fault;
  if (toCloudName(name) !== undefined) return undefined;
  if (encode(name).length > NAME_UTF16_UNITS_MAX) return tooLong(name);
  return fault("invalid", `the service cannot hold the name ${JSON.stringify(name)}, nor a look-alike of it`).fault;
}

// ---- local-only names -------------------------------------------------------------------------------------------------------

/** Names that never leave this machine unless the configuration says otherwise: `*` is any text, `?` one character. */
export const DEFAULT_LOCAL_ONLY_NAMES: readonly string[] = [
  ".~lock.*#",
  ".#*",
  "~$*",
  ".*.sw?",
  "*.tmp",
  ".fuse_hidden*",
  ".goutputstream-*",
  ".Trash-*",
  ".directory",
  ".DS_Store",
  "desktop.ini",
  "Thumbs.db",
];

/** True when the name matches one of the patterns, as the service compares names. */
export function isLocalOnlyName(name: string, patterns: readonly string[]): boolean {
  return matchesAny(name, patterns);
}

/** True when the text matches one of the patterns, whatever its case. */
export function matchesAny(text: string, patterns: readonly string[]): boolean {
  const letters = Array.from(fold(text));
  return lettersOf(patterns).some((pattern) => matches(letters, pattern));
}

/** Asked for every name of a plan, always with the same few patterns. */
const readPatterns = new WeakMap<readonly string[], readonly (readonly string[])[]>();

function lettersOf(patterns: readonly string[]): readonly (readonly string[])[] {
  const known = readPatterns.get(patterns);
  if (known) return known;
  const read = patterns.map((pattern) => Array.from(fold(pattern)));
  readPatterns.set(patterns, read);
  return read;
}

/** Glob matching with one point to go back to: the last `*`. */
function matches(letters: readonly string[], wanted: readonly string[]): boolean {
  let star = -1;
  let resume = 0;
  let at = 0;
  for (let i = 0; i < letters.length;) {
    if (wanted[at] === "*") {
      star = at++;
      resume = i;
    } else if (at < wanted.length && (wanted[at] === "?" || wanted[at] === letters[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++resume;
    } else return false;
  }
  return wanted.slice(at).every((letter) => letter === "*");
}

// ---- names the product makes ------------------------------------------------------------------------------------------------

/** The name of a conflict copy, never one that is `taken`. `tag` comes from the bytes, so the same conflict gives the same name. */
export function conflictName(
  name: string,
  mark: { readonly device: string; readonly date: string; readonly tag: string },
  taken: (name: string) => boolean,
): string {
  const { stem, extension } = splitExtension(parkedOriginal(name) ?? name);
  const device = mark.device.replace(/[/\0]/g, "-").slice(0, 64);
  for (let serial = 1; ; serial++) {
    const again = serial === 1 ? "" : ` ${serial}`;
    const copy = fitted(stem, ` (conflict ${device} ${mark.date} ${mark.tag}${again})${extension}`);
    if (!taken(copy)) return copy;
  }
}

/** The name that a conflict copy would have liked to have; undefined when it is none. */
export function conflictOriginal(name: string): string | undefined {
  const found = /^(.+) \(conflict .+ \S+ [a-z0-9]+(?: \d+)?\)(\.[^.]*)?$/.exec(name);
  return found ? `${found[1]}${found[2] ?? ""}` : undefined;
}

/** The name an item carries in the cloud while it is out of the way. */
export function parkingName(name: string, tag: string): string {
  return fitted(parkedOriginal(name) ?? name, `${PARKED}${tag}`);
}

/** The name before parking (shortened when it was very long: the parks table knows exactly), or undefined when not a parking name. */
export function parkedOriginal(name: string): string | undefined {
  const at = name.lastIndexOf(PARKED);
  return at > 0 && /^[A-Za-z0-9-]+$/.test(name.slice(at + PARKED.length)) ? name.slice(0, at) : undefined;
}

/** True when `candidate` is what a program calls the backup it keeps of `name`. */
export function isBackupOf(candidate: string, name: string): boolean {
  const backup = fold(candidate);
  const original = fold(name);
  if (backup === original) return false;
  const { stem } = splitExtension(original);
  if (backup === `${stem}.bak` || backup === `.${original}~`) return true;
  return (
    backup.startsWith(original) &&
    /^(~|\.~\d+~|\.bak|\.bak~|\.old|\.orig|\.backup)$/.test(backup.slice(original.length))
  );
}

const PARKED = ".od-park-";
/** What follows the last dot counts as an extension up to this length. */
const EXTENSION_UNITS_MAX = 32;

function splitExtension(name: string): { stem: string; extension: string } {
  const dot = name.lastIndexOf(".");
  const units = name.length - dot;
  if (dot <= 0 || units > EXTENSION_UNITS_MAX || units < 2 || name.includes(" ", dot))
    return { stem: name, extension: "" };
  return { stem: name.slice(0, dot), extension: name.slice(dot) };
}

/** `stem + ending`, the stem shortened by whole characters until both the local and the cloud name fit. */
function fitted(stem: string, ending: string): string {
  const letters = Array.from(stem);
  for (;;) {
    const name = letters.join("") + ending;
    if (letters.length === 0 || Math.max(name.length, encode(name).length) <= NAME_UTF16_UNITS_MAX) return name;
    letters.pop();
  }
}

// ---- the mapping ------------------------------------------------------------------------------------------------------------

/** Names no rule can touch: no escape or look-alike, no reserved shape (those are at most 11 units and start with these letters). */
const PLAIN =
  /^(?=[^.~ ])(?!(?:con|prn|aux|nul|com|lpt|desktop)(?:[^a-z]|$))(?!.*_vt)[\w .,()+=@#$%&!'[\]{}^`~;-]{0,254}[\w,()+=@#$%&!'[\]{}^`~;-]$/i;

const ESCAPE = "\u201b";
const REFUSED = '"*:<>?\\|';
const SPACE = "\u2420";
const DOT = "\uff0e";
const TILDE = "\uff5e";
const RESERVED = new Set<string>([
  ".lock",
  "con",
  "prn",
  "aux",
  "nul",
  "desktop.ini",
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].flatMap((digit) => [`com${digit}`, `lpt${digit}`]),
]);

interface Rule {
  readonly encode: (name: string) => string;
  readonly decode: (name: string) => string;
}

const everywhere: Rule = {
  encode: (name) =>
    name.replace(
      // oxlint-disable-next-line no-control-regex
      /(\u201b*)([\x01-\x1f\x7f"*:<>?\\|\u2401-\u241f\u2421\uff02\uff0a\uff1a\uff1c\uff1e\uff1f\uff3c\uff5c])/g,
      run,
    ),
  decode: (name) =>
    name.replace(/(\u201b*)([\u2401-\u241f\u2421\uff02\uff0a\uff1a\uff1c\uff1e\uff1f\uff3c\uff5c])/g, unrun),
};

const last: Rule = {
  encode: (name) =>
    name.replace(/(\u201b*)([ .\u2420\uff0e])$/, (whole, escapes: string, letter: string) => {
      if (!isDots(name, whole)) return run(whole, escapes, letter);
      return letter === "." ? ESCAPE.repeat(2 * escapes.length - 1) + DOT : ESCAPE.repeat(2 * escapes.length) + letter;
    }),
  decode: (name) =>
    name.replace(/(\u201b*)([\u2420\uff0e])$/, (whole, escapes: string, letter: string) => {
      if (!isDots(name, whole)) return unrun(whole, escapes, letter);
      const odd = escapes.length % 2 === 1;
      return odd ? `${ESCAPE.repeat((escapes.length + 1) / 2)}.` : ESCAPE.repeat(escapes.length / 2) + letter;
    }),
};

const first = prefixRule(/^ (?=.)/su, /^(\u201b*)\u2420(?=.)/su, SPACE, " ");
const officeLock = prefixRule(/^~(?=\$)/, /^(\u201b*)\uff5e(?=\$)/, TILDE, "~");

const reserved: Rule = {
  encode: (name) => {
    if (RESERVED.has(fold(name))) return wide(name[0]!) + name.slice(1);
    return isMaskedReserved(name) ? ESCAPE + name : name;
  },
  decode: (name) => {
    if (!isMaskedReserved(name)) return name;
    return name.startsWith(ESCAPE) ? name.slice(1) : narrow(name[0]!) + name.slice(1);
  },
};

const inside: Rule = {
  encode: (name) =>
    name
      .replace(/(?<=_)\u201b*[\uff36\uff56](?=[tT][iI\u0131]_)/g, (masked) => ESCAPE + masked)
      .replace(/(?<=_)[vV](?=[tT][iI\u0131]_)/g, wide),
  decode: (name) =>
    name.replace(/(?<=_)(\u201b*)([\uff36\uff56])(?=[tT][iI\u0131]_)/g, (whole, escapes: string, letter: string) =>
      escapes ? whole.slice(1) : narrow(letter),
    ),
};

const RULES: readonly Rule[] = [everywhere, last, first, officeLock, reserved, inside];

function encode(local: string): string {
  return RULES.reduce((name, rule) => rule.encode(name), local);
}

function decode(cloud: string): string {
  return RULES.reduceRight((name, rule) => rule.decode(name), cloud);
}

/** A rule for the beginning of a name: the refused character becomes its look-alike; a look-alike there gets one escape more. */
function prefixRule(refused: RegExp, masked: RegExp, lookAlike: string, plain: string): Rule {
  return {
    encode: (name) => (masked.test(name) ? ESCAPE + name : name.replace(refused, lookAlike)),
    decode: (name) => name.replace(masked, (whole, escapes: string) => (escapes ? whole.slice(1) : plain)),
  };
}

/** n escapes before a refused character: 2n before its look-alike; n before a look-alike: 2n + 1. */
function run(_whole: string, escapes: string, letter: string): string {
  const lookAlike = mask(letter);
  return ESCAPE.repeat(2 * escapes.length + (lookAlike ? 0 : 1)) + (lookAlike ?? letter);
}

function unrun(_whole: string, escapes: string, letter: string): string {
  const half = ESCAPE.repeat(Math.floor(escapes.length / 2));
  return half + (escapes.length % 2 === 0 ? unmask(letter) : letter);
}

/** `.` and `..` are no names, so names that decode near them count differently: n before a dot 2n - 1, before its look-alike 2n. */
function isDots(name: string, ending: string): boolean {
  if (!ending.endsWith(".") && !ending.endsWith(DOT)) return false;
  const before = name.slice(0, name.length - ending.length);
  return before === "" || before === ".";
}

/** The look-alike of a refused character, undefined for every other. */
function mask(letter: string): string | undefined {
  const code = letter.charCodeAt(0);
  if (letter === " ") return SPACE;
  if (letter === "." || REFUSED.includes(letter)) return wide(letter);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : undefined;
}

function unmask(lookAlike: string): string {
  const code = lookAlike.charCodeAt(0);
  if (code === 0x2420) return " ";
  if (code === 0x2421) return "\x7f";
  return code < 0x2420 ? String.fromCharCode(code - 0x2400) : narrow(lookAlike);
}

/** ASCII to its full-width form and back. */
function wide(letter: string): string {
  return String.fromCharCode(letter.charCodeAt(0) + 0xfee0);
}

function narrow(letter: string): string {
  return String.fromCharCode(letter.charCodeAt(0) - 0xfee0);
}

/** Any number of escapes, then a reserved name whose first letter is full-width. */
function isMaskedReserved(name: string): boolean {
  const bare = name.replace(/^\u201b+/, "");
  const code = bare.charCodeAt(0);
  return code > 0xff00 && code < 0xff5f && RESERVED.has(fold(narrow(bare[0]!) + bare.slice(1)));
}

function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]|\p{Surrogate}/u.test(name);
}

/** Names equal under `fold` stay so through the mapping, both ways. */
function foldsAlike(local: string, cloud: string): boolean {
  return fold(cloud) === fold(encode(fold(local))) && fold(local) === fold(decode(fold(cloud)));
}

function tooLong(name: string): Fault {
  return fault("nameTooLong", `the name is longer than ${NAME_UTF16_UNITS_MAX} units: ${name.slice(0, 40)}...`).fault;
}
