/**
 * The one place where a fault becomes an errno. Total: a new kind of fault does not compile until it stands here. What only callers
 * of the drive should ever see is EIO if it comes this far.
 */
import { constants } from "node:os";
import type { Fault, FaultKind } from "../model/fault.ts";

const { errno } = constants;

/** The (positive) errno that a program gets for a fault. */
export function errnoOf(fault: Fault): number {
  return table[fault.kind];
}

const table: Readonly<Record<FaultKind, number>> = {
  notFound: errno.ENOENT,
  exists: errno.EEXIST,
  notEmpty: errno.ENOTEMPTY,
  isFolder: errno.EISDIR,
  notFolder: errno.ENOTDIR,
  invalid: errno.EINVAL,
  nameTooLong: errno.ENAMETOOLONG,
  crossDrive: errno.EXDEV,
  busy: errno.EBUSY,
  stale: errno.ESTALE,
  badHandle: errno.EBADF,
  notPermitted: errno.EPERM,
  denied: errno.EACCES,
  readOnly: errno.EROFS,
  noSpace: errno.ENOSPC,
  tooLarge: errno.EFBIG,
  notSupported: errno.EOPNOTSUPP,
  noAttribute: errno.ENODATA,
  tooSmall: errno.ERANGE,
  interrupted: errno.EINTR,
  wouldBlock: errno.EAGAIN,
  offline: errno.EIO,
  timedOut: errno.EIO,
  io: errno.EIO,
  signedOut: errno.EIO,
  changed: errno.EIO,
  nameTaken: errno.EEXIST,
  locked: errno.EIO,
  throttled: errno.EIO,
  unavailable: errno.EIO,
  resync: errno.EIO,
  expired: errno.EIO,
  rangeUnsatisfied: errno.EIO,
  garbled: errno.EIO,
};
