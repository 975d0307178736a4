/** Names of the files in the store's folder, besides `mark` (mark.ts) and `journal-N` (journal.ts). */

/** The LMDB file in use. LMDB keeps `store.mdb-lock` beside it. */
export const LIVE = "store.mdb";
/** The last synced copy. */
export const CHECKPOINT = "checkpoint.mdb";
/** A copy under way. */
export const CHECKPOINT_NEW = "checkpoint.new";
/** A restored file under way. */
export const RESTORING = "restoring.mdb";
/** The same, from the file in use. */
export const SECOND = "restoring.second";
/** What was not believed after a power cut, until the next one. */
export const ASIDE = "store.aside";
/** There is one when the file in use was found to be damaged: it is not believed at the next start. */
export const DISTRUST = "distrust";
/** There is one from before a store that lacks commits is put in place until its bytes on disk were reconciled with it. */
export const LACKING = "lacking";
