/**
 * The first words (INIT): which version both speak, what each can, how large a request may be.
 *
 * Asked for, where the kernel has it: parallel lookups in a folder, listings with attributes, reads and direct calls that do not wait for
 * each other, writes of up to 1 MiB, O_TRUNC as part of open, file handles for a file server (`.` and `..` can be looked up),
 * that we drop set-user-id bits ourselves (else the kernel asks for a file's capabilities before every write), and that the kernel
 * remembers that a file has no access control list (else `ls -l` asks for one, for every file, every time).
 *
 * Not asked for, with the reason:
 *   automatic invalidation   the kernel would drop a file's pages whenever its mtime moved, also by its own writes; it is told
 *                            by a notice when the bytes were changed elsewhere (explicit invalidation), and pages stay over closes
 *   writeback cache          the kernel would keep written bytes, the size and the mtime to itself for seconds: a daemon that is killed
 *                            would lose what write(2) answered, an append would go to the end the kernel remembers although the file
 *                            grew on another device, and a size set by another device would not be seen
 *   posix and flock locks    the kernel keeps them itself: they cost no call, deadlocks among them are found (EDEADLK), a waiting one
 *                            can always be interrupted; files are not locked in the cloud anyway, so there is nothing more to know
 *   cached links, no-open    there are no links; a handle keeps the bytes of the version it opened
 */
import type { Frame } from "./frame.ts";
import { BACKGROUND_MAX, READAHEAD_BYTES_MAX, WRITE_BYTES_MAX } from "../../model/limits.ts";
import { initFlag, MAJOR, MINOR_LEAST, MINOR_MOST } from "./wire.ts";
import type { Session } from "./session.ts";

const PAGE_BYTES = 4096;
const INIT_OUT_WORDS = 16;
const wanted =
  initFlag.asyncRead |
  initFlag.atomicTruncate |
  initFlag.exportSupport |
  initFlag.bigWrites |
  initFlag.readdirplus |
  initFlag.readdirplusAuto |
  initFlag.asyncDirect |
  initFlag.parallelFolders |
  initFlag.posixAcl |
  initFlag.maxPages |
  initFlag.explicitInvalidation |
  initFlag.killPrivileges;

export function init(at: Session, frame: Frame): void {
  const [major, minor, readahead, offered] = [frame.u32(0), frame.u32(4), frame.u32(8), frame.u32(12)];
  const words = Array.from({ length: INIT_OUT_WORDS }, () => 0);
  words[0] = MAJOR;
  words[1] = MINOR_MOST;
  if (major > MAJOR) return void at.out.words(frame.unique, ...words); // it asks again, in our version
  if (major < MAJOR || minor < MINOR_LEAST) {
    at.out.words(frame.unique, ...words);
    return at.onGreeting({
      kind: "absent",
      why: `the kernel host needs FUSE 7.${MINOR_LEAST} (Linux 5.4), and this kernel speaks ${major}.${minor}`,
    });
  }
  words[2] = Math.min(readahead, READAHEAD_BYTES_MAX);
  words[3] = offered & wanted;
  words[4] = BACKGROUND_MAX | (Math.floor((BACKGROUND_MAX * 3) / 4) << 16);
  words[5] = WRITE_BYTES_MAX;
  words[6] = 1; // times in nanoseconds
  words[7] = WRITE_BYTES_MAX / PAGE_BYTES;
  if (!at.out.words(frame.unique, ...words))
    return at.onGreeting({ kind: "failed", why: "the kernel took the connection back" });
  at.greeted = true;
  at.onGreeting(undefined);
}
