/** Threads of content, each of which runs a file of its own beside these ones. They never keep the process alive. */
import { Worker } from "node:worker_threads";

/**
 * The worker lies beside this file, compiled. Sources that tsx runs are the one exception: a thread of Node 20 does not inherit tsx's
 * loader, so it registers it first.
 */
export function startWorker(name: string, heapMiB: number): Worker {
  const worker = start(name, { resourceLimits: { maxOldGenerationSizeMb: heapMiB } });
  worker.unref();
  return worker;
}

function start(
  name: string,
  options: { readonly resourceLimits: { readonly maxOldGenerationSizeMb: number } },
): Worker {
  const ownUrl = import.meta.url;
  if (!ownUrl.endsWith(".ts")) return new Worker(new URL(`./${name}.js`, ownUrl), options);
  const [loader, source] = [import.meta.resolve("tsx/esm/api"), new URL(`./${name}.ts`, ownUrl).href];
  const load = `import("${loader}").then((tsx) => (tsx.register(), import("${source}")))`;
  return new Worker(load, { eval: true });
}
