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
