/** What the parts of the puller share: the neighbours, and what every answer teaches. */
import type { Result } from "../base/result.ts";
import type { Batch } from "../apply/apply.ts";
import type { DriveInfo } from "../drive/drive.ts";
import type { Fault } from "../model/fault.ts";
import type { PullerOptions } from "./puller.ts";

/** Applies a batch, reading by id what it cannot be applied without. */
export type Absorb = (batch: Batch, signal?: AbortSignal) => Promise<Result<undefined, Fault>>;

export interface Pulling extends PullerOptions {
  readonly absorb: Absorb;
  isOnline(): boolean | undefined;
  /** Learns from every answer whether the cloud can be reached. */
  heard<T>(answer: Result<T, Fault>): Result<T, Fault>;
  /** Who the drive belongs to, read when not known or old. */
  knowDrive(signal?: AbortSignal): Promise<Result<DriveInfo | undefined, Fault>>;
}
