/** Reads and writes of files through shared memory (mmap), by a small program of its own: Node has no such call. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export interface MappedFiles {
  read(path: string, at: number, length: number): Promise<Uint8Array>;
  /** Returns when the pages were handed to the filesystem. */
  write(path: string, at: number, bytes: Uint8Array, how?: "sync" | "close"): Promise<void>;
  stop(): Promise<void>;
}

const PROGRAM = `
import base64, json, mmap, os, sys
for line in sys.stdin:
    q = json.loads(line)
    try:
        writes = "bytes" in q
        fd = os.open(q["path"], os.O_RDWR if writes else os.O_RDONLY)
        try:
            m = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | (mmap.PROT_WRITE if writes else 0))
            if writes:
                data = base64.b64decode(q["bytes"])
                m[q["at"]:q["at"] + len(data)] = data
                if q["how"] == "sync": m.flush()
                a = {}
            else:
                a = {"bytes": base64.b64encode(m[q["at"]:q["at"] + q["length"]]).decode()}
            m.close()
        finally:
            os.close(fd)
    except OSError as error:
        a = {"error": str(error)}
    print(json.dumps(a), flush=True)
`;

export function mappedFiles(): MappedFiles {
  const child = spawn("python3", ["-c", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (question: object): Promise<{ readonly bytes?: string }> => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    const line = await lines.next();
    if (line.done) throw new Error("the program that maps files ended");
    const answer = JSON.parse(line.value) as { error?: string; bytes?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  };
  return {
    read: async (path, at, length) => Buffer.from((await ask({ path, at, length })).bytes ?? "", "base64"),
    async write(path, at, bytes, how = "close") {
      await ask({ path, at, bytes: Buffer.from(bytes).toString("base64"), how });
    },
    async stop() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}
