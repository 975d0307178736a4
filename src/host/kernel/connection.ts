/**
 * The conversation over one /dev/fuse: takes requests when the event loop says that some wait, several in one turn but never so many
 * that others starve; sends answers in the same turn they are made; ends once, when the kernel has no mount any more (ENODEV) or we
 * let go of the descriptor. Letting go aborts the mount: everybody who still waits for it gets an error.
 *
 * A request is read into a `Room`. A call that keeps the memory (a large write) gets the room, and the next request another one.
 */
import { constants } from "node:os";
import { REQUEST_ROOMS_KEPT, REQUESTS_PER_TURN, WRITE_BYTES_MAX } from "../../model/limits.ts";
import { room, type Room } from "./frame.ts";
import type { FuseDevice } from "./fuse-device.ts";
import type { Send } from "./outbox.ts";

const { EAGAIN, EINVAL } = constants.errno;
/** The largest request is a write; this is what comes before its bytes, rounded up. */
const ROOM_BYTES = WRITE_BYTES_MAX + 4096;

export interface Connection {
  readonly send: Send;
  /** Begins to listen. */
  start(take: (room: Room, length: number) => void): void;
  notify(frames: Uint8Array, done: () => void): void;
  keepRoom(): Room;
  giveBack(room: Room): void;
  /** Lets go of the descriptor. */
  end(): void;
}

export interface ConnectionOptions {
  readonly device: FuseDevice;
  readonly fd: number;
  ended(): void;
  onDefect(error: unknown): void;
}

export function connection({ device, fd, ended, onDefect }: ConnectionOptions): Connection {
  const spare: Room[] = [];
  let current = room(ROOM_BYTES);
  let watch: object | undefined;
  let open = true;
  /** Notices being written hold the descriptor. */
  let writing = 0;

  function end(): void {
    if (!open) return;
    open = false;
    if (watch) device.unwatch(watch);
    if (writing === 0) device.close(fd);
    ended();
  }

  function turn(take: (room: Room, length: number) => void): void {
    for (let taken = 0; taken < REQUESTS_PER_TURN && open; taken++) {
      const length = device.read(fd, current.bytes);
      if (length === -EAGAIN) return;
      if (length < 0) return end();
      take(current, length);
    }
  }

  return {
    send(head, length, payload) {
      if (!open) return false;
      const result = device.write(fd, head, length, payload);
      if (result === -EINVAL) onDefect(new Error("the kernel does not understand an answer"));
      return result === 0;
    },
    start(take) {
      const started = device.watch(fd, () => turn(take));
      if (typeof started === "number") throw new Error(`the FUSE device cannot be watched (${started})`);
      watch = started;
    },
    notify(frames, done) {
      if (!open) return done();
      writing++;
      const queued = device.notify(fd, frames, () => {
        if (--writing === 0 && !open) device.close(fd);
        done();
      });
      if (queued === 0) return;
      writing--;
      onDefect(new Error(`a notice could not be written (${queued})`));
    },
    keepRoom() {
      const kept = current;
      current = spare.pop() ?? room(ROOM_BYTES);
      return kept;
    },
    giveBack(given) {
      if (spare.length < REQUEST_ROOMS_KEPT) spare.push(given);
    },
    end,
  };
}
