/** Things to dispose of, last opened first closed. Every disposer runs, also when one fails; the first failure is thrown at the end. */

export interface Scope {
  add(what: string, dispose: () => void | Promise<void>): void;
  close(): Promise<void>;
}

export function scope(): Scope {
  const entries: { what: string; dispose: () => void | Promise<void> }[] = [];
  return {
    add: (what, dispose) => void entries.push({ what, dispose }),
    async close() {
      const failures: Error[] = [];
      for (let entry = entries.pop(); entry; entry = entries.pop()) {
        try {
          await entry.dispose();
        } catch (error) {
          failures.push(new Error(`closing ${entry.what}: ${String(error)}`, { cause: error }));
        }
      }
      if (failures[0]) throw failures[0];
    },
  };
}
