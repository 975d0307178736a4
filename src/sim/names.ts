/**
 * Names as the service sees them: which it refuses, and which it takes for the same. Two names in one folder are the same
 * when their collation keys are equal: case folded, composed (NFC, which also joins the CJK compatibility forms) and with
 * `æ` equal to `ae`. Names are stored as they came.
 */
import { badRequest, type Refusal } from "./refusal.ts";
import type { Profile } from "./profile.ts";

export const NAME_MAX_UNITS = 255;
export const PATH_MAX_CHARS = 400;

const FORBIDDEN_CHARS = /["*:<>?/\\|\p{Cc}]/u;
const FORBIDDEN_NAMES = /^(\.lock|con|prn|aux|nul|com[0-9]|lpt[0-9]|desktop\.ini)$/i;
const PLAIN = /^[\x20-\x40\x5b-\x7e]*$/;

/** The key two colliding names share. */
export function collate(name: string): string {
  if (PLAIN.test(name)) return name;
  return name.normalize("NFC").toLowerCase().normalize("NFC").replaceAll("æ", "ae");
}

export interface NamePlace {
  readonly profile: Profile;
  readonly atRoot: boolean;
  readonly folder: boolean;
}

/** Why the service would refuse the name here, or undefined. */
export function refusedName(name: unknown, place: NamePlace): Refusal | undefined {
  if (typeof name !== "string" || name === "")
    return badRequest("invalidRequest", "The name is missing.", "invalidName");
  if (name.length > NAME_MAX_UNITS) return badRequest("invalidRequest", "The name is too long.", "pathIsTooLong");
  if (FORBIDDEN_CHARS.test(name)) {
    return badRequest("invalidRequest", "The name contains invalid characters.", "nameContainsInvalidCharacters");
  }
  return isReserved(name, place)
    ? badRequest("invalidRequest", "The provided name cannot be used.", "invalidName")
    : undefined;
}

function isReserved(name: string, { profile, atRoot, folder }: NamePlace): boolean {
  if (name !== name.trim() || name.endsWith(".") || name.startsWith("~$")) return true;
  if (FORBIDDEN_NAMES.test(name) || /_vti_/i.test(name)) return true;
  if (atRoot && profile.refusesFormsAtRoot && name.toLowerCase() === "forms") return true;
  return folder && profile.ids === "sharepoint" && name.startsWith("~");
}

/** The nth free-name candidate: "Name 1.ext". */
export function numberedName(name: string, n: number): string {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? `${name.slice(0, dot)} ${n}${name.slice(dot)}` : `${name} ${n}`;
}
