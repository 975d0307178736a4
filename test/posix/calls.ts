/**
 * System calls on one empty folder, as far as the POSIX cases need them. Paths are relative to it. A call that fails throws an Error
 * whose `code` is the errno's name. Implementations: a real folder (the kernel is the oracle), the vfs in-process, a mount.
 */
export interface Stat {
  readonly kind: "file" | "folder";
  readonly ino: number;
  readonly size: number;
  readonly mode: number;
  readonly nlink: number;
  /** Milliseconds since the epoch, with fraction. */
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export interface OpenFile {
  read(position: number, length: number): Promise<string>;
  write(position: number, text: string): Promise<number>;
  truncate(size: number): Promise<void>;
  stat(): Promise<Stat>;
  chmod(mode: number): Promise<void>;
  /** Sets the mtime, in seconds. */
  utimes(mtime: number): Promise<void>;
  fsync(): Promise<void>;
  close(): Promise<void>;
}

/** As fopen(3) has it: `x` is O_EXCL; `c` alone opens read-write, creating without truncation. */
export type Mode = "r" | "r+" | "w" | "w+" | "wx" | "a" | "ax" | "c";

export interface Calls {
  open(path: string, mode: Mode, permissions?: number): Promise<OpenFile>;
  stat(path: string): Promise<Stat>;
  readdir(path: string): Promise<string[]>;
  mkdir(path: string, permissions?: number): Promise<void>;
  rmdir(path: string): Promise<void>;
  unlink(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Undefined where Node has no way to ask for it. */
  readonly renameat2?: (from: string, to: string, how: "noReplace" | "exchange") => Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  chmod(path: string, mode: number): Promise<void>;
  chown(path: string, uid: number, gid: number): Promise<void>;
  utimes(path: string, mtime: number): Promise<void>;
  readonly uid: number;
  readonly gid: number;
  /** Lets a moment pass, so that times differ. */
  pause(): Promise<void>;
}

/** The code with which a call fails, or "ok". */
export async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "ok";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

export async function writeFile(calls: Calls, path: string, text: string): Promise<void> {
  const file = await calls.open(path, "w");
  try {
    if (text) await file.write(0, text);
  } finally {
    await file.close();
  }
}

export async function readFile(calls: Calls, path: string): Promise<string> {
  const file = await calls.open(path, "r");
  try {
    return await file.read(0, (await file.stat()).size + 1);
  } finally {
    await file.close();
  }
}
