/** Shows what native-notes/fs-xattr.md says. Prints one line a fact; exits 1 when one does not hold. */
import { execFileSync } from "node:child_process";
import { link, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { getAttribute, setAttribute, setAttributeSync } from "fs-xattr";

const folder = await mkdtemp(join(tmpdir(), "xattr-"));
const path = join(folder, "file");
const name = "user.onedrive.identity";

async function codeOf(run: Promise<unknown>): Promise<string> {
  try {
    await run;
    return "none";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "no code";
  }
}

function holds(what: string, truth: boolean): void {
  console.log(`${truth ? "holds" : "FAILS"}: ${what}`);
  if (!truth) process.exitCode = 1;
}

/** Objects that the collector may not take after many calls, for each call. */
async function keptBy(call: (turn: number) => unknown): Promise<number> {
  const calls = 20_000;
  const before = handleBytes();
  for (let i = 0; i < calls; i++) await call(i);
  return (handleBytes() - before) / calls;
}

/** What native code keeps hold of. */
function handleBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return getHeapStatistics().used_global_handles_size;
}

try {
  await writeFile(path, "x");
  holds("no attribute: ENODATA", (await codeOf(getAttribute(path, name))) === "ENODATA");
  holds("no file: ENOENT", (await codeOf(getAttribute(join(folder, "none"), name))) === "ENOENT");
  await setAttribute(path, name, "words");
  await rename(path, `${path}2`);
  await link(`${path}2`, `${path}3`);
  holds("stays through rename and link", (await getAttribute(`${path}3`, name)).toString() === "words");
  execFileSync("mkfifo", [join(folder, "fifo")]);
  const refused = await codeOf(setAttribute(join(folder, "fifo"), name, "words"));
  holds(`refused on what is no file or folder: ${refused}`, refused === "EPERM");
  const large = await codeOf(setAttribute(`${path}2`, "user.large", "x".repeat(70_000)));
  holds(`a large value: ${large}`, large === "ENOSPC" || large === "E2BIG");
  const start = performance.now();
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  for (let i = 0; i < 1000; i++) await setAttribute(`${path}2`, name, `words ${i}`);
  clearInterval(timer);
  holds(`the loop goes on meanwhile (${Math.round(performance.now() - start)} us each)`, turns > 0);
  const [kept, keptNow] = [
    await keptBy((i) => setAttribute(`${path}2`, name, `words ${i}`)),
    await keptBy((i) => setAttributeSync(`${path}2`, name, `words ${i}`)),
  ];
  holds(`a promise keeps ${kept} bytes of handles for ever, a blocking call ${keptNow}`, kept > 8 && keptNow < 1);
  const bytes = new Uint8Array([1]) as Buffer;
  const taken = await Promise.resolve()
    .then(() => setAttribute(`${path}2`, name, bytes))
    .then(
      () => true,
      () => false,
    );
  holds("a Uint8Array is refused", !taken);
} finally {
  await rm(folder, { recursive: true });
}
