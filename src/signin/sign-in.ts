/**
 * The contract of being signed in to one account. Tokens never leave this folder except as the value of `token`; no message, fault or
 * log line holds one.
 *
 *  - One renewal runs at a time, whoever asks. A renewed token is on disk, for the next process too, before anybody gets it.
 *  - Only the service's word that the grant is worth nothing any more (`invalid_grant`, or that a person must act), or the lack of
 *    any token, means `signedOut`; everything else passes (offline, throttled, unavailable). It is not asked again until the token
 *    file changes.
 */
import type { Result } from "../base/result.ts";
import type { Fault } from "../model/fault.ts";

export interface SignIn {
  /** A token for Graph. `rejected` is one that the service did not take. */
  token(options: {
    readonly signal?: AbortSignal | undefined;
    readonly rejected?: string;
  }): Promise<Result<string, Fault>>;
  /** A person has to sign in. */
  readonly signedOut: boolean;
  /** Who is signed in, as the service calls them; undefined when nobody is. Reads the disk only. */
  who(): Promise<string | undefined>;
  /** Shows what a person has to do (an address and a code) and waits until it is done. The name of who signed in. */
  byDeviceCode(show: (message: string) => void, signal?: AbortSignal): Promise<Result<string, Fault>>;
  /** Opens a browser, shows its address in case that fails, and waits. The name of who signed in. */
  byBrowser(show: (message: string) => void, signal?: AbortSignal): Promise<Result<string, Fault>>;
  /** Forgets the tokens here. */
  logout(): Promise<Result<undefined, Fault>>;
}
