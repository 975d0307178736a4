/**
 * The listings that the kernel keeps for us (FOPEN_CACHE_DIR), and when it is told to drop one.
 *
 * The kernel writes down a listing while a program reads the folder from its start to the empty answer at the end, and believes it from
 * that answer on; until then every read comes to us. Two programs may write at one listing, each where the other stopped. When the pages of a
 * listing that is half written are dropped, the kernel as a rule neither goes on with it nor begins anew until it forgets the
 * folder: every later listing of it comes to us, whole. (That is slow, never wrong.)
 *
 * So this is how a change made elsewhere is told, and why a program that opens the folder after the change sees it:
 *
 *   - the kernel never was told the end: there is nothing that it believes, and nothing to tell. What is half written is `stale`:
 *     the pages are dropped when somebody comes to the end (`ended`), for only then is anything believed
 *   - it was told the end: its pages are dropped, with a notice. The notice waits, for a bounded time, while somebody is half way who asked
 *     since (`half`): the kernel may have begun anew of its own accord, after a change made through the mount
 *   - who opens the folder while such a notice is on its way, or while somebody has a stale listing open, reads past what is kept
 *     (`open` gives nothing), and so asks us, and adds nothing to what is kept
 *
 * Who opened the folder before the change and reads it from the start once more sees it when the notice has been written. A
 * program that stays half way for ever keeps nobody from seeing anything; who holds a folder with a stale listing open keeps the kernel
 * from having a listing of it, no more.
 */
import type { ItemKey } from "../../model/ids.ts";

/** One open stream that uses what the kernel keeps of its folder, and may add to it. */
export interface Pass {
  readonly folder: ItemKey;
  /** It asked for entries, and was not told the end since. */
  half: boolean;
}

export interface KeptListings {
  /** Undefined: the stream is to read past what is kept. */
  open(folder: ItemKey): Pass | undefined;
  /** Place 0 is the start: a listing is written down from there. */
  asked(pass: Pass, place: number): void;
  /** The end is told. True: what the kernel believes from now on is not to be believed. */
  ended(pass: Pass): boolean;
  closed(pass: Pass): void;
  /** Somebody came, went, or has another name, by other hands than the kernel's. True: the kernel may believe an older listing. */
  changed(folder: ItemKey): boolean;
  /** The kernel has dropped the pages; nobody was told the end since that was asked for. */
  dropped(folder: ItemKey): void;
  /** Somebody is half way, and nobody came to the end meanwhile. */
  half(folder: ItemKey): boolean;
  /** The kernel has dropped the node, and what it kept with it. */
  forget(node: number): void;
  readonly count: number;
}

interface Listing {
  readonly passes: Set<Pass>;
  /** Something may be written down. */
  begun: boolean;
  /** Something may be added: somebody asked since an end was told. */
  filling: boolean;
  /** The end was told since the pages were dropped last. */
  believed: boolean;
  /** What is written down, or will be by those who are half way, is older than the last change. */
  stale: boolean;
}

export function keptListings(): KeptListings {
  const listings = new Map<number, Listing>();
  const isHalf = ({ passes }: Listing): boolean => [...passes].some(({ half }) => half);
  const tidy = (folder: ItemKey, listing: Listing): void => {
    if (listing.passes.size === 0 && !listing.begun) listings.delete(folder);
  };
  return {
    open(folder) {
      let listing = listings.get(folder);
      if (listing?.stale && listing.passes.size > 0) return undefined;
      if (!listing) listings.set(folder, (listing = nothingKept()));
      const pass = { folder, half: false };
      listing.passes.add(pass);
      return pass;
    },
    asked(pass, place) {
      const listing = listings.get(pass.folder);
      if (!listing) return;
      pass.half = listing.filling = true;
      if (place === 0) listing.begun = true;
    },
    ended(pass) {
      const listing = listings.get(pass.folder);
      if (!listing) return false; // closed while it waited
      pass.half = listing.filling = false;
      listing.believed ||= listing.begun;
      return listing.stale;
    },
    closed(pass) {
      const listing = listings.get(pass.folder);
      listing?.passes.delete(pass);
      if (listing) tidy(pass.folder, listing);
    },
    changed(folder) {
      const listing = listings.get(folder);
      if (!listing?.begun) return false;
      listing.stale = true;
      return listing.believed;
    },
    dropped(folder) {
      const listing = listings.get(folder);
      if (!listing) return;
      listing.believed = false;
      if (isHalf(listing)) return;
      listing.begun = listing.stale = false;
      tidy(folder, listing);
    },
    half(folder) {
      const listing = listings.get(folder);
      return listing !== undefined && listing.filling && isHalf(listing);
    },
    forget(node) {
      const listing = listings.get(node);
      if (listing?.passes.size === 0) listings.delete(node);
    },
    get count() {
      return listings.size;
    },
  };
}

const nothingKept = (): Listing => ({ passes: new Set(), begun: false, filling: false, believed: false, stale: false });
