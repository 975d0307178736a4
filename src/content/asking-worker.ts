/**
 * Questions to a worker thread, each with one answer. The thread starts with the first question and never keeps the process alive, unless
 * somebody waits for an answer. When it ends, those who wait get an error, and the next question starts another.
 */
import type { Worker } from "node:worker_threads";

/** What the thread sends back: what was asked for, or an error with a code. */
export type Answered<A> =
  { readonly id: number; readonly value: A } | { readonly id: number; readonly code: string; readonly why: string };

export interface AskingWorker<Q, A> {
  ask(question: Q): Promise<A>;
  close(): Promise<void>;
}

export function askingWorker<Q, A>(start: () => Worker): AskingWorker<Q, A> {
  let thread: Thread<Q, A> | undefined;
  return {
    ask(question) {
      if (thread === undefined || thread.hasEnded) thread = new Thread(start());
      return thread.ask(question);
    },
    async close() {
      await thread?.end();
      thread = undefined;
    },
  };
}

class Thread<Q, A> {
  hasEnded = false;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(value: A): void; reject(error: Error): void }>();
  #serial = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (answer: Answered<A>) => this.#answered(answer));
    worker.on("error", (error) => this.#failAll(error));
    worker.on("exit", () => this.#failAll(Object.assign(new Error("the worker thread ended"), { code: "EIO" })));
  }

  ask(question: Q): Promise<A> {
    const id = this.#serial++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, question });
    });
  }

  async end(): Promise<void> {
    this.hasEnded = true;
    await this.#worker.terminate();
  }

  #answered(answer: Answered<A>): void {
    const asker = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if ("code" in answer) asker?.reject(Object.assign(new Error(answer.why), { code: answer.code }));
    else asker?.resolve(answer.value);
  }

  #failAll(error: Error): void {
    this.hasEnded = true;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
