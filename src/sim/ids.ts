/**
 * Drive and item ids. Inside, an item is a number; outside it has an id in its profile's form. Both directions are
 * computed, so a million items need no table: the GUID of item n is a keyed mixture whose first word hides n, and an id
 * is accepted only when writing it again gives the very same characters (ids are case-sensitive).
 *
 * Invariant: parseItemId(itemId(n)) === n for every n; any other text gives undefined.
 */
import { hex8, mix } from "./mix.ts";
import type { Profile } from "./profile.ts";

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const NUMBERED_FIRST = 100;
/** Seen on real drives: the root of every personal drive, and the tail of every SharePoint root id. */
const PERSONAL_ROOT = "sea8cc6beffdb43d7976fbc7da445c639";
const SHAREPOINT_ROOT_ID = "01BYE5RZ56Y2GOVW7725BZO354PWSELRRZ";

export interface Ids {
  readonly driveId: string;
  itemId(num: number): string;
  parseItemId(id: string): number | undefined;
  /** `{GUID}` of an item, upper case, without braces. */
  guid(num: number): string;
  /** True when `text` names this drive; personal ids may lose zeros and change case on their way. */
  isDriveId(text: string): boolean;
}

export function makeIds(profile: Profile, seed: number, rootNum: number): Ids {
  const words: Words = (num) => guidWords(seed, num, rootNum);
  const driveId = profile.ids === "sharepoint" ? sharepointDriveId(seed) : personalDriveId(seed);
  const form = forms[profile.ids]({ driveId, words, rootNum, seed });
  return {
    driveId: profile.ids === "sharepoint" ? driveId : driveId.toLowerCase(),
    itemId: form.write,
    parseItemId(id) {
      const num = form.read(id);
      return num !== undefined && num > 0 && form.write(num) === id ? num : undefined;
    },
    guid: (num) => guidText(words(num)).toUpperCase(),
    isDriveId: (text) =>
      profile.ids === "sharepoint" ? text === driveId : text.toUpperCase().padStart(16, "0") === driveId,
  };
}

type Words = (num: number) => readonly [number, number, number, number];
interface FormParts {
  driveId: string;
  words: Words;
  rootNum: number;
  seed: number;
}
interface Form {
  write(num: number): string;
  read(id: string): number | undefined;
}

const forms: Record<Profile["ids"], (parts: FormParts) => Form> = {
  numbered: ({ driveId }) => ({
    write: (num) => `${driveId}!${num + NUMBERED_FIRST}`,
    read: (id) => Number.parseInt(id.slice(driveId.length + 1), 10) - NUMBERED_FIRST || undefined,
  }),
  guid: ({ driveId, words, rootNum, seed }) => ({
    write: (num) => `${driveId}!${num === rootNum ? PERSONAL_ROOT : "s" + words(num).map(hex8).join("")}`,
    read(id) {
      const hex = id.slice(driveId.length + 1);
      if (hex === PERSONAL_ROOT) return rootNum;
      return hex.length === 33
        ? hidden(
            seed,
            [1, 9, 17, 25].map((at) => Number.parseInt(hex.slice(at, at + 8), 16)),
          )
        : undefined;
    },
  }),
  sharepoint: ({ words, rootNum, seed }) => {
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32BE(mix(seed, 77, 3));
    const rootId = "01" + base32(Buffer.concat([prefix, sharepointRootGuid()]));
    return {
      write: (num) => (num === rootNum ? rootId : "01" + base32(Buffer.concat([prefix, littleEndian(words(num))]))),
      read(id) {
        if (id === rootId) return rootNum;
        const bytes = id.length === 34 ? unbase32(id.slice(2)) : undefined;
        return bytes && hidden(seed, bigWords(bytes.subarray(4)));
      },
    };
  },
};

/** Word 0 is the number, hidden by the three others, which are mixed from it. */
function guidWords(seed: number, num: number, rootNum: number): readonly [number, number, number, number] {
  if (num === rootNum) {
    const [a = 0, b = 0, c = 0, d = 0] = [1, 9, 17, 25].map((at) =>
      Number.parseInt(PERSONAL_ROOT.slice(at, at + 8), 16),
    );
    return [a, b, c, d];
  }
  const tail = [mix(seed, num, 11), mix(seed, num, 12), mix(seed, num, 13)] as const;
  return [(num ^ veil(seed, tail)) >>> 0, ...tail];
}

function hidden(seed: number, words: readonly number[]): number | undefined {
  const [first, a, b, c] = words;
  if (first === undefined || a === undefined || b === undefined || c === undefined) return undefined;
  return (first ^ veil(seed, [a, b, c])) >>> 0;
}

function veil(seed: number, tail: readonly [number, number, number]): number {
  return mix(mix(seed, tail[0], 21), tail[1], tail[2]);
}

function guidText(words: readonly number[]): string {
  const hex = words.map(hex8).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The 16 bytes of a GUID as SharePoint stores them: first three fields little-endian. */
function littleEndian(words: readonly number[]): Buffer {
  const [a = 0, b = 0, c = 0, d = 0] = words;
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(a, 0);
  bytes.writeUInt16LE(b >>> 16, 4);
  bytes.writeUInt16LE(b & 0xffff, 6);
  bytes.writeUInt32BE(c, 8);
  bytes.writeUInt32BE(d, 12);
  return bytes;
}

function bigWords(bytes: Buffer): number[] {
  const second = bytes.readUInt16LE(4) * 65536 + bytes.readUInt16LE(6);
  return [bytes.readUInt32LE(0), second, bytes.readUInt32BE(8), bytes.readUInt32BE(12)];
}

function sharepointRootGuid(): Buffer {
  return unbase32(SHAREPOINT_ROOT_ID.slice(2))!.subarray(4);
}

function personalDriveId(seed: number): string {
  return (hex8(mix(seed, 1, 1) | 0x10000000) + hex8(mix(seed, 2, 2))).toUpperCase();
}

function sharepointDriveId(seed: number): string {
  const bytes = Buffer.alloc(48);
  for (let i = 0; i < 12; i++) bytes.writeUInt32BE(mix(seed, i, 5), i * 4);
  return "b!" + bytes.toString("base64url");
}

function base32(bytes: Buffer): string {
  let text = "";
  for (let group = 0; group < bytes.length; group += 5) {
    const high = bytes.readUInt16BE(group) * 16 + (bytes[group + 2]! >>> 4);
    const low = (bytes[group + 2]! & 15) * 65536 + bytes.readUInt16BE(group + 3);
    for (const half of [high, low]) for (let shift = 15; shift >= 0; shift -= 5) text += BASE32[(half >>> shift) & 31];
  }
  return text;
}

function unbase32(text: string): Buffer | undefined {
  const bytes = Buffer.alloc((text.length * 5) >>> 3);
  let [bits, held, at] = [0, 0, 0];
  for (const letter of text) {
    const value = BASE32.indexOf(letter);
    if (value < 0) return undefined;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits >= 8) bytes[at++] = (held >>> (bits -= 8)) & 0xff;
  }
  return bytes;
}
