/** The worker's end of asking-worker.ts: every question gets its answer, or an error with a code. */
import { parentPort } from "node:worker_threads";
import type { Answered } from "./asking-worker.ts";

export function answering<Q, A>(answer: (question: Q) => A | Promise<A>): void {
  const send = (answered: Answered<A>): void => parentPort?.postMessage(answered);
  parentPort?.on("message", ({ id, question }: { id: number; question: Q }) => {
    const given = async (): Promise<A> => answer(question);
    given().then(
      (value) => send({ id, value }),
      (error: unknown) => send({ id, code: (error as NodeJS.ErrnoException).code ?? "EIO", why: String(error) }),
    );
  });
}
