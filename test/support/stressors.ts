/**
 * stress-ng's stressors of a file system, run in a folder. Every one of them passes on tmpfs; `link` and `symlink` are none of ours: the service
 * has no links. Which of them a machine's stress-ng has is asked of it.
 */
import { execFileSync } from "node:child_process";
import { run, type Ran } from "./mount-process.ts";

const NAMES =
  "access aio aiol chattr chdir chmod chown copy-file dentry dir dirdeep dirmany dnotify dup fallocate fanotify fault fcntl fiemap " +
  "file-ioctl filename flock fpunch fsize fstat getdent handle hdd inode-flags inotify io iomix lease locka lockf lockofd madvise " +
  "mincore mknod mmap mmapmany msync open readahead rename revio seek sendfile splice sync-file touch utime verity xattr";

/** Small files: it is the calls that are tried here. */
const SIZES =
  "--mmap-file --mmap-bytes 16M --hdd-bytes 32M --iomix-bytes 16M --fallocate-bytes 32M --readahead-bytes 16M --seek-size 16M " +
  "--revio-bytes 16M --sync-file-bytes 16M --dirdeep-inodes 2000 --dentries 500";

export function stressors(): readonly string[] {
  const known = new Set(execFileSync("stress-ng", ["--stressors"], { encoding: "utf8" }).split(/\s+/));
  return NAMES.split(" ").filter((name) => known.has(name));
}

/** Runs them at the same time, `instances` of each. Exit status 0: each did what it should, as far as it could be verified. */
export function stress(
  folder: string,
  names: readonly string[],
  how: { readonly seconds: number; readonly instances: number },
): Promise<Ran> {
  const wanted = names.flatMap((name) => [`--${name}`, String(how.instances)]);
  const args = [...wanted, ...SIZES.split(" "), "--temp-path", folder, "--timeout", `${how.seconds}s`, "--verify"];
  return run("stress-ng", args, { ...process.env, LC_ALL: "C" });
}
