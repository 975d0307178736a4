/** Group commit: all who ask while a barrier runs share the next one, so that many requests started together cost one disk flush. */

export function groupBarrier(barrier: () => Promise<void>): () => Promise<void> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= running.then(() => {
      next = undefined;
      const mine = barrier();
      running = mine.catch(() => undefined);
      return mine;
    });
    return next;
  };
}
