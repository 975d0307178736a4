/** What a test can turn on the fake cloud, at any time. */
import type { FeedKnobs } from "./fake-feed.ts";

export interface CloudKnobs extends FeedKnobs {
  /** A change appears in the feed this long after it was made (a lagging replica: the feed then tells old states). */
  lagMs: number;
  /** Every page repeats the ancestors of its items, as the service does. */
  ancestors: boolean;
  /** Deleting a folder tells tombstones of everything below it, or of the folder alone. */
  tombstonesBelow: boolean;
  /** Items per page of the feed and of listings. */
  pageItems: number;
  /** The feed omits cTags (business) and hashes. */
  feedOmitsCTag: boolean;
  feedOmitsHash: boolean;
  /** Folders have cTags, moved by every change below them (old personal accounts). */
  folderCTags: boolean;
  /** A rename or move without an mtime sets it to now, as the service does. */
  renameResetsMtime: boolean;
  /** A replacing session checks its `seen` again when it commits. */
  sessionChecksAtCommit: boolean;
  sessionLifeMs: number;
  /** Restoring from the recycle bin works (personal accounts). */
  restores: boolean;
  /** Chance that an upload is stored with other bytes than were sent (SharePoint's enrichment). */
  enriches: number;
  quotaBytes: number;
}

export const DEFAULT_KNOBS: CloudKnobs = {
  lagMs: 0,
  duplicates: 0,
  shuffle: false,
  ancestors: true,
  lostTombstones: 0,
  tombstonesBelow: true,
  pageItems: 200,
  feedOmitsCTag: false,
  feedOmitsHash: false,
  folderCTags: false,
  renameResetsMtime: true,
  sessionChecksAtCommit: true,
  sessionLifeMs: 24 * 3600 * 1000,
  restores: true,
  enriches: 0,
  quotaBytes: 5 * 1024 ** 4,
};
