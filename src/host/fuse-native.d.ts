/** What the patched fuse-native offers (patches/fuse-native+2.2.6.patch); the package itself has no declarations. */
declare module "fuse-native" {
  /** 0 or a negative errno; for read and write the number of bytes. */
  export type Done = (result: number) => void;

  export interface FuseTime {
    readonly s: number;
    /** Nanoseconds, or UTIME_NOW or UTIME_OMIT. */
    readonly n: number;
  }

  export interface FuseStat {
    readonly ino: number;
    readonly mode: number;
    readonly uid: number;
    readonly gid: number;
    readonly size: number;
    readonly nlink: number;
    readonly blocks: number;
    readonly blksize: number;
    readonly atime: FuseTime;
    readonly mtime: FuseTime;
    readonly ctime: FuseTime;
  }

  export interface FuseStatfs {
    readonly bsize: number;
    readonly frsize: number;
    readonly blocks: number;
    readonly bfree: number;
    readonly bavail: number;
    readonly files: number;
    readonly ffree: number;
    readonly favail: number;
    readonly namemax: number;
  }

  /** Calls that go by handle get null for the path. */
  export interface FuseOps {
    getattr(path: string, reply: (result: number, stat?: FuseStat) => void): void;
    fgetattr(path: null, fd: number, reply: (result: number, stat?: FuseStat) => void): void;
    chmod(path: string, mode: number, reply: Done): void;
    chown(path: string, uid: number, gid: number, reply: Done): void;
    truncate(path: string, size: number, reply: Done): void;
    ftruncate(path: null, fd: number, size: number, reply: Done): void;
    utimens(path: string, atime: FuseTime, mtime: FuseTime, reply: Done): void;
    opendir(path: string, flags: number, reply: (result: number, fd?: number) => void): void;
    readdir(
      path: null,
      fd: number,
      reply: (result: number, names?: string[], stats?: { ino: number; mode: number }[]) => void,
    ): void;
    releasedir(path: null, fd: number, reply: Done): void;
    fsyncdir(path: null, datasync: number, fd: number, reply: Done): void;
    create(path: string, mode: number, flags: number, reply: (result: number, fd?: number) => void): void;
    open(path: string, flags: number, reply: (result: number, fd?: number, pages?: number) => void): void;
    read(path: null, fd: number, buffer: Buffer, length: number, position: number, reply: Done): void;
    write(path: null, fd: number, buffer: Buffer, length: number, position: number, reply: Done): void;
    flush(path: null, fd: number, reply: Done): void;
    release(path: null, fd: number, reply: Done): void;
    fsync(path: null, datasync: number, fd: number, reply: Done): void;
    mkdir(path: string, mode: number, reply: Done): void;
    unlink(path: string, reply: Done): void;
    rmdir(path: string, reply: Done): void;
    rename(from: string, to: string, reply: Done): void;
    link(from: string, to: string, reply: Done): void;
    symlink(target: string, path: string, reply: Done): void;
    mknod(path: string, mode: number, device: number, reply: Done): void;
    statfs(path: string, reply: (result: number, statfs?: FuseStatfs) => void): void;
    getxattr(path: string, name: string, position: number, reply: (result: number, value?: Buffer) => void): void;
    setxattr(path: string, name: string, value: Buffer, position: number, flags: number, reply: Done): void;
    listxattr(path: string, reply: (result: number, names?: readonly string[]) => void): void;
    removexattr(path: string, name: string, reply: Done): void;
    /** The mount has gone, whoever ended it, and every call was answered. */
    gone(): void;
  }

  export default class Fuse {
    static readonly mountOneDrivePatch: number | undefined;
    static readonly binding: { readonly mountOneDrivePatch: number | undefined } | undefined;
    static readonly UTIME_NOW: number;
    static readonly UTIME_OMIT: number;
    static readonly KEEP_PAGES: number;
    static readonly NO_PAGES: number;

    constructor(
      mountpoint: string,
      ops: FuseOps,
      options: { readonly options: readonly string[]; readonly timeout: false; readonly checked: true },
    );
    /** The call being handed over: kernel opcode, libfuse's node, uid, gid, pid, umask. Valid until the handler returns. */
    readonly _context: Float64Array;
    mount(done: (error: Error | null) => void): void;
    /** Ends the loop although files are open (after a lazy unmount). May have to be called again until `gone`. */
    abort(): void;
  }
}
