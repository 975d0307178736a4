/** Keyed mutual exclusion for async work: tasks of one key run one after another, in the order they came. */

export interface KeyedLock<K> {
  run<T>(key: K, task: () => Promise<T>): Promise<T>;
  /** True while a task of `key` runs or waits. */
  busy(key: K): boolean;
}

export function keyedLock<K>(): KeyedLock<K> {
  const tails = new Map<K, Promise<unknown>>();
  return {
    busy: (key) => tails.has(key),
    async run(key, task) {
      const before = tails.get(key) ?? Promise.resolve();
      const mine = before.then(task, task);
      const settled = mine.then(
        () => undefined,
        () => undefined,
      );
      tails.set(key, settled);
      try {
        return await mine;
      } finally {
        if (tails.get(key) === settled) tails.delete(key);
      }
    },
  };
}
