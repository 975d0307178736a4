/**
 * Names. A local name is what the mount shows; a cloud name is what the service stores. The mapping between them is a
 * bijection on the names either side can hold, so any POSIX name works here and comes back unchanged on another machine:
 * a character the service refuses becomes a full-width look-alike; a name that already holds a look-alike or the escape gets
 * the escape in front of it. `fold` is the service's notion of equal names.
 */
import { folded, type Folded } from "./ids.ts";

/** How the service compares names: case-insensitively and blind to Unicode composition. For comparing only. */
export function fold(name: string): Folded {
  return folded(name.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC"));
}

// The rest of this file's contract (signatures other folders rely on):
//   toCloudName(local: string): string | undefined     undefined: cannot be mapped (EINVAL)
//   fromCloudName(cloud: string): string | undefined   undefined: refused (`/`, NUL, `.`, `..`, empty)
//   checkLocalName(name: string): Fault | undefined    nameTooLong, invalid
//   isLocalOnlyName(name: string, patterns: readonly string[]): boolean, DEFAULT_LOCAL_ONLY_NAMES
//   conflictName(name: string, mark: { device: string; date: string; tag: string }, taken: (name: string) => boolean): string
//   parkingName(name: string, tag: string): string, parkedOriginal(name: string): string | undefined
//   isBackupOf(candidate: string, name: string): boolean
