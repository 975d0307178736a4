/** The same job on every core, in processes of their own: a job reads its work as JSON from its last argument and sends one answer. */
import { fork } from "node:child_process";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

export const CORES = Math.max(1, Math.min(8, Number(process.env["WORLD_CORES"] ?? cpus().length)));

export function onEveryCore<Work, Done>(job: URL, workOf: (core: number, cores: number) => Work): Promise<Done[]> {
  const cores = Array.from({ length: CORES }, (_, core) => core);
  return Promise.all(cores.map((core) => inProcess<Done>(job, workOf(core, CORES))));
}

/** The work of this process, when it is one of those. */
export function givenWork<Work>(): Work {
  return JSON.parse(process.argv.at(-1) ?? "") as Work;
}

export function answer<Done>(done: Done): void {
  process.send?.(done);
}

function inProcess<Done>(job: URL, work: unknown): Promise<Done> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(job), [JSON.stringify(work)], { execArgv: ["--import", "tsx"] });
    child.once("message", (done) => resolve(done as Done));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`a process ended with ${code} and without an answer`)));
  });
}
