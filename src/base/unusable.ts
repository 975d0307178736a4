/**
 * What a failed call on a file, a folder or a socket file means, as one line for a person who can do something about it. Undefined:
 * the error is not one of those, and a defect.
 */
export function unusable(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, path, address, syscall } = error as NodeError;
  if (code === undefined || syscall === undefined) return undefined;
  const place = path ?? address ?? "a file of the state or cache folder";
  return (WORDS[code] ?? ((where: string) => `${where} cannot be used: ${code}`))(place);
}

interface NodeError extends Error {
  readonly code?: string;
  readonly path?: string;
  readonly address?: string;
  readonly syscall?: string;
}

const full = (place: string): string => `there is no room on the disk of ${place}`;
const refused = (place: string): string => `no permission to use ${place}`;
const inTheWay = (place: string): string => `${place} cannot be made: a file is where a folder has to be`;

const WORDS: Readonly<Record<string, (place: string) => string>> = {
  ENOSPC: full,
  EDQUOT: full,
  EROFS: (place) => `${place} is on a disk that is read-only`,
  EACCES: refused,
  EPERM: refused,
  EEXIST: inTheWay,
  ENOTDIR: inTheWay,
  ENOENT: (place) => `${place} is not there and cannot be made`,
  EIO: (place) => `the disk of ${place} fails`,
};
