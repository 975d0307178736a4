/**
 * A limited number of downloads at once, the most urgent first: a waiting read, then bytes fetched ahead of a reader, then whole
 * files. Of equal urgency, who came first. A waiting task can become more urgent.
 */
export type Urgency = 0 | 1 | 2;
export const READ: Urgency = 0;
export const AHEAD: Urgency = 1;
export const WHOLE: Urgency = 2;

/** Who waits; `urgency` may be changed while it waits. */
export interface Ticket {
  urgency: Urgency;
}

export interface Turns {
  /** Resolves to true when it is this one's turn (then `done` must be called), to false when the signal came first. */
  wait(ticket: Ticket, signal: AbortSignal): Promise<boolean>;
  done(): void;
}

export function turns(most: number): Turns {
  let running = 0;
  const queue: { readonly ticket: Ticket; readonly go: (mine: boolean) => void }[] = [];

  const next = (): void => {
    if (running >= most || queue.length === 0) return;
    let best = 0;
    queue.forEach((entry, i) => {
      if (entry.ticket.urgency < queue[best]!.ticket.urgency) best = i;
    });
    running++;
    queue.splice(best, 1)[0]!.go(true);
  };
  return {
    wait(ticket, signal) {
      if (signal.aborted) return Promise.resolve(false);
      return new Promise((resolve) => {
        const entry = { ticket, go: (mine: boolean): void => finish(mine) };
        const leave = (): void => {
          queue.splice(queue.indexOf(entry), 1);
          finish(false);
        };
        const finish = (mine: boolean): void => {
          signal.removeEventListener("abort", leave);
          resolve(mine);
        };
        signal.addEventListener("abort", leave, { once: true });
        queue.push(entry);
        next();
      });
    },
    done() {
      running--;
      next();
    },
  };
}
