/** The door to p-limit: how many tasks run at once. Waiting tasks start in the order they came. */
import pLimit from "p-limit";

export interface Limit {
  /** Runs `task` as soon as fewer than `most` are running. */
  run<T>(task: () => Promise<T>): Promise<T>;
  readonly running: number;
  readonly waiting: number;
}

export function limit(most: number): Limit {
  const inner = pLimit(most);
  return {
    run: (task) => inner(task),
    get running() {
      return inner.activeCount;
    },
    get waiting() {
      return inner.pendingCount;
    },
  };
}
