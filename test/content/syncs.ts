/** The disk's syncs, watched or refused. The tests of a folder run one after another, so what is put in their place is put back. */
import fs from "node:fs";

/** Inodes synced while `run` runs. */
export async function synced(run: () => Promise<unknown>): Promise<Set<number>> {
  const inodes = new Set<number>();
  const real = fs.fsync;
  fs.fsync = Object.assign(
    (fd: number, done: (error: Error | null) => void) => {
      inodes.add(fs.fstatSync(fd).ino);
      real(fd, done);
    },
    { __promisify__: real.__promisify__ },
  );
  try {
    await run();
  } finally {
    fs.fsync = real;
  }
  return inodes;
}

/** While `run` runs the disk takes no file, or not this one. */
export async function withoutSyncs(run: () => Promise<unknown>, ino?: number): Promise<void> {
  const real = fs.fsync;
  fs.fsync = Object.assign(
    (fd: number, done: (error: Error | null) => void) =>
      ino === undefined || fs.fstatSync(fd).ino === ino
        ? done(Object.assign(new Error("EIO"), { code: "EIO" }))
        : real(fd, done),
    { __promisify__: real.__promisify__ },
  );
  try {
    await run();
  } finally {
    fs.fsync = real;
  }
}

/** While `run` runs no sync comes to its end before `run` lets it. */
export async function withHeldSyncs(run: (letGo: () => void) => Promise<unknown>): Promise<void> {
  const real = fs.fsync;
  let letGo: () => void = () => undefined;
  const free = new Promise<void>((resolve) => (letGo = resolve));
  fs.fsync = Object.assign((fd: number, done: (error: Error | null) => void) => void free.then(() => real(fd, done)), {
    __promisify__: real.__promisify__,
  });
  try {
    await run(letGo);
  } finally {
    fs.fsync = real;
    letGo();
  }
}
