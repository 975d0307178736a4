/**
 * The numbers of the FUSE protocol, version 7.31 to 7.38, as linux/fuse.h has them: operations, flags, sizes of fixed parts. All
 * fields are little-endian here: Node runs on no big-endian Linux that this program is built for, and the device refuses to load there.
 */
export const MAJOR = 7;
/** What this program speaks at most, and needs at least. */
export const MINOR_MOST = 38;
export const MINOR_LEAST = 31;

export const IN_HEADER_BYTES = 40;
export const OUT_HEADER_BYTES = 16;
/** A write carries this much besides its bytes. */
export const WRITE_PREFIX_BYTES = IN_HEADER_BYTES + 40;

export const opcode = {
  lookup: 1,
  forget: 2,
  getattr: 3,
  setattr: 4,
  readlink: 5,
  symlink: 6,
  mknod: 8,
  mkdir: 9,
  unlink: 10,
  rmdir: 11,
  rename: 12,
  link: 13,
  open: 14,
  read: 15,
  write: 16,
  statfs: 17,
  release: 18,
  fsync: 20,
  setxattr: 21,
  getxattr: 22,
  listxattr: 23,
  removexattr: 24,
  flush: 25,
  init: 26,
  opendir: 27,
  readdir: 28,
  releasedir: 29,
  fsyncdir: 30,
  create: 35,
  interrupt: 36,
  destroy: 38,
  ioctl: 39,
  batchForget: 42,
  fallocate: 43,
  readdirplus: 44,
  rename2: 45,
} as const;

/** Operations are numbered below this. */
export const OPCODES_END = 64;

export const initFlag = {
  asyncRead: 1 << 0,
  atomicTruncate: 1 << 3,
  exportSupport: 1 << 4,
  bigWrites: 1 << 5,
  readdirplus: 1 << 13,
  readdirplusAuto: 1 << 14,
  asyncDirect: 1 << 15,
  parallelFolders: 1 << 18,
  posixAcl: 1 << 20,
  maxPages: 1 << 22,
  explicitInvalidation: 1 << 25,
  killPrivileges: 1 << 28,
} as const;

export const openedAs = {
  direct: 1 << 0,
  keepPages: 1 << 1,
  cacheFolder: 1 << 3,
  noFlush: 1 << 5,
} as const;

export const setattrHas = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  atime: 1 << 4,
  mtime: 1 << 5,
  handle: 1 << 6,
  atimeNow: 1 << 7,
  mtimeNow: 1 << 8,
  killPrivileges: 1 << 11,
} as const;

export const GETATTR_HANDLE = 1;
export const OPEN_KILL_PRIVILEGES = 1;
export const WRITE_FROM_PAGES = 1;
export const WRITE_KILL_PRIVILEGES = 4;
export const RENAME_NO_REPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

export const notice = { node: 2, entry: 3, gone: 6 } as const;
export const FILE_TYPE = 0o100000;
export const FOLDER_TYPE = 0o040000;
export const TYPE_BITS = 0o170000;
export const PERMISSION_BITS = 0o7777;
/** Types as directory entries carry them. */
export const FILE_ENTRY = 8;
export const FOLDER_ENTRY = 4;

/** What a lookup answers, and what stands before a name in a listing. */
export const ENTRY_BYTES = 128;
export const DIRENT_BYTES = 24;

export const TWO_TO_32 = 2 ** 32;
