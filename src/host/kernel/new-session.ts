/** A session of the protocol over any channel: the device, or a recorder in a test. Holds no descriptor and starts nothing by itself. */
import type { Clock } from "../../base/clock.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { MountFault } from "../host.ts";
import { dispatch } from "./dispatch.ts";
import { folderStreams } from "./folder-streams.ts";
import { Frame, type Room } from "./frame.ts";
import { keptListings } from "./kept-listings.ts";
import { nodeTable } from "./node-table.ts";
import { makeNotices } from "./notices.ts";
import { openHandles } from "./open-handles.ts";
import { Outbox, validity, type Send } from "./outbox.ts";
import { pendingCalls } from "./pending-calls.ts";
import type { Session } from "./session.ts";

export interface Channel {
  readonly send: Send;
  notify(frames: Uint8Array, done: () => void): void;
  keepRoom(): Room;
  giveBack(room: Room): void;
}

export interface SessionOptions {
  readonly clock: Clock;
  readonly attrTimeoutMs: number;
  readonly entryTimeoutMs: number;
  onDefect(error: unknown): void;
  onGreeting(refusal: MountFault | undefined): void;
}

export interface Talk {
  readonly session: Session;
  take(room: Room, length: number): void;
}

export function newSession(vfs: Vfs, channel: Channel, options: SessionOptions): Talk {
  const frame = new Frame();
  const nodes = nodeTable();
  const listings = keptListings();
  const pending = pendingCalls(() => session.notices.quiet());
  const session: Session = {
    vfs,
    out: new Outbox(channel.send),
    nodes,
    handles: openHandles(),
    streams: folderStreams(),
    listings,
    pending,
    notices: makeNotices({
      clock: options.clock,
      write: channel.notify,
      knows: nodes.knows,
      busy: pending.on,
      half: listings.half,
      dropped: listings.dropped,
    }),
    entryValid: validity(options.entryTimeoutMs),
    attrValid: validity(options.attrTimeoutMs),
    greeted: false,
    broken: false,
    onDefect: options.onDefect,
    onGreeting: options.onGreeting,
    keepRoom: channel.keepRoom,
    giveBack: channel.giveBack,
  };
  return {
    session,
    take(room, length) {
      if (frame.load(room, length)) dispatch(session, frame);
    },
  };
}
