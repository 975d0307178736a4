/** Every limit of the product, with its unit in its name. Service limits are from the service's documentation. */

export const NAME_UTF16_UNITS_MAX = 255;
export const CLOUD_PATH_CHARACTERS_MAX = 400;
export const FILE_BYTES_MAX = 250 * 1024 ** 3;
/** Fragments of an upload session are multiples of this. */
export const FRAGMENT_QUANTUM_BYTES = 320 * 1024;
/** The first of an upload; larger ones follow, up to below the 60 MiB that a request may carry, as long as one takes about FRAGMENT_GOAL_MS. */
export const FRAGMENT_BYTES = 32 * FRAGMENT_QUANTUM_BYTES;
export const FRAGMENT_BYTES_MAX = 180 * FRAGMENT_QUANTUM_BYTES;
export const FRAGMENT_GOAL_MS = 1_000;
/** Up to this a file goes up in one PUT. */
export const SIMPLE_UPLOAD_BYTES_MAX = 4 * 1024 * 1024;

/** Requests in flight at once. */
export const REQUESTS_MAX = 32;
/** Uploads at once: of files up to SMALL_UPLOAD_BYTES_MAX, which wait for answers rather than for the line, and of others. */
export const SMALL_UPLOADS_MAX = 24;
export const SMALL_UPLOAD_BYTES_MAX = 256 * 1024;
export const UPLOADS_MAX = 8;
/** While the last change by a program is not as long ago as the first, uploads start no faster than one in the second. */
export const FOREGROUND_QUIET_MS = 100;
export const FOREGROUND_PAUSE_MS = 50;
export const DOWNLOADS_MAX = 8;

export const REQUEST_HEADERS_TIMEOUT_MS = 60_000;
export const CONNECT_TIMEOUT_MS = 10_000;
/** A body that sends nothing for this long is given up. */
export const BODY_IDLE_TIMEOUT_MS = 30_000;
/** A connection that nobody uses is kept this long. */
export const KEEP_ALIVE_MS = 30_000;
export const HTTP_CONNECTIONS_PER_HOST_MAX = 64;
/** A longer answer than this is not JSON of this service. */
export const JSON_ANSWER_BYTES_MAX = 64 * 1024 ** 2;
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_MOST_MS = 60_000;
/** How soon somebody who has signed in again is noticed; looking costs no request. */
export const SIGNED_OUT_LOOK_MS = 1_000;
/** Tries of one idempotent request inside the drive before the fault goes to its caller, who retries for ever. */
export const REQUEST_TRIES_MAX = 4;
/** A pause the service asks for is waited out inside a call up to this; a longer one goes to the caller. */
export const THROTTLE_WAIT_MOST_MS = 60_000;
/** 409 "modified" on an item made a moment ago: tried again after this long. */
export const YOUNG_ITEM_WAIT_MS = 1_000;
/** A copy inside the cloud is waited for this long. */
export const COPY_WAIT_MS = 600_000;
export const COPY_POLL_FIRST_MS = 200;
export const COPY_POLL_MOST_MS = 5_000;
/** Download addresses kept for reuse. */
export const DOWNLOAD_URLS_MAX = 1_000;
export const REDIRECTS_MAX = 3;
/** Names that look percent-encoded are asked for again, at most this many per page. */
export const NAME_CHECKS_MAX = 50;
/** While the service cannot be reached, it is tried this often. */
export const REACH_PROBE_FIRST_MS = 1_000;
export const REACH_PROBE_MOST_MS = 3_000;
/** A probe that gets no answer for this long failed. With the pause before it: the network's return is noticed within 5 s. */
export const REACH_PROBE_TIMEOUT_MS = 4_000;
/** A token is renewed this long before it runs out. */
export const TOKEN_MARGIN_MS = 300_000;
/** A person has this long to sign in. */
export const SIGN_IN_WAIT_MS = 900_000;
export const SIGN_IN_SLOW_DOWN_MS = 5_000;
export const SIGN_IN_ANSWER_BYTES_MAX = 1024 ** 2;
/** 423: how long the flusher waits before it tries a locked item again. */
export const LOCKED_WAIT_MS = 120_000;

export const DELTA_PAGE_ITEMS = 1_000;
export const CHILDREN_PAGE_ITEMS = 1_000;
/** Full enumeration at least this often. */
export const AUDIT_INTERVAL_MS = 24 * 3600 * 1000;
/** A plan that deletes more than max(this many items, this part of the drive) is held. */
export const MASS_DELETE_ITEMS = 200;
export const MASS_DELETE_FRACTION = 0.25;
/** While somebody goes on deleting, deletions wait for the end of it at most this long: they are judged together. */
export const DELETE_BURST_MS = 60_000;
/** Re-merges of one node without progress before it is held. */
export const REMERGES_MAX = 5;
/** Nodes whose failures are remembered before it is looked which of them still have something to be done. */
export const WAITS_BEFORE_TIDYING = 1_000;
/** Another device's parking name that stays for so long is given its name back. */
export const PARK_SWEEP_MS = 3600 * 1000;
/** Places and times of an item that were asked for and are remembered while none is known to have arrived. */
export const ASKED_PLACES_MAX = 16;

/** How often `sync` pushes again what came to the log while it pushed. */
export const SYNC_ROUNDS_MAX = 3;
/** The journal is synced this long after the first unsynced commit. */
export const BARRIER_INTERVAL_MS = 1_000;
/** After a sync of the journal failed, it is tried again this long after, for ever (and at once when somebody asks). */
export const BARRIER_RETRY_MS = 10_000;
export const JOURNAL_BYTES_BEFORE_CHECKPOINT = 64 * 1024 ** 2;
/** At a clean end a checkpoint is made when the journal is longer than this. */
export const JOURNAL_BYTES_BEFORE_CLOSING_CHECKPOINT = 4 * 1024 ** 2;
/** After kill -9 a database up to this is read to its end before it is believed, a longer one beside the work. */
export const READ_FIRST_BYTES_MAX = 32 * 1024 ** 2;
/** More than this waiting for the journal is written without waiting for the interval. */
export const JOURNAL_WAITING_CHARACTERS = 8 * 1024 ** 2;
/** More than this waiting for a journal that cannot be written makes changes fail (ENOSPC). */
export const JOURNAL_WAITING_CHARACTERS_MAX = 64 * 1024 ** 2;

export const XATTR_VALUE_BYTES_MAX = 65_536;
export const HYDRATE_RANGE_BYTES = 4 * 1024 ** 2;

/** Rounds of strong reads before a batch that does not fit is dropped and fetched again. */
export const REPAIR_ROUNDS_MAX = 5;
/** Changes applied in one go while the drive is enumerated: bounds how long the process is busy. */
export const ENUMERATE_STEP_ITEMS = 100;
/** Entries of the feed compared with what is known, between two turns of everything else. */
export const NEWS_STEPS_PER_TURN = 200;
/** Entries of an answer of the service read between two turns of everything else. */
export const WIRE_ENTRIES_PER_TURN = 250;
/** A 404 by id that would remove something is asked for once more after this long. */
export const CONFIRM_GONE_MS = 2_000;
/** Strong reads at once. */
export const STRONG_READS_MAX = 8;
/** Quota and account facts are read again after this long. */
export const DRIVE_INFO_INTERVAL_MS = 600_000;
/** Rounds of the feed that break off in the middle before the cursor is given up. */
export const BROKEN_ROUNDS_MAX = 3;
/** An empty round leaves the cursor where it is for this long: a late tombstone may still come. */
export const CURSOR_KEEP_MS = 3600 * 1000;

/** Steps under way at once, waiting for a place among the uploads included. */
export const STEPS_MAX = 64;
/** Calls in one $batch. */
export const BATCH_CALLS_MAX = 20;
/** A plan is made at most this often, and never more than a small part of the time. */
export const PLAN_INTERVAL_MS = 50;
/** Up to so many nodes that differ from the cloud, a plan is made in one go; of more, in steps with everything else in between. */
export const PLAN_AT_ONCE_NODES = 200;
/** Steps of planning (a node looked at, each) between two turns of everything else: a few milliseconds. */
export const PLAN_STEPS_PER_TURN = 200;
/** An item acknowledged less than this long ago may answer 404 without being gone. */
export const FRESH_ITEM_MS = 120_000;
/** After "no space": uploads are tried again after this long, or when space was made. */
export const NO_SPACE_WAIT_MS = 300_000;
/** A look at the versions of a file that was written without a condition is tried again after this long. */
export const VERSION_AUDIT_RETRY_MS = 60_000;
/** Sessions begun anew for one upload before it waits. */
export const SESSIONS_ANEW_MAX = 3;

/** What the first read of a place in a file fetches at least; grows fourfold for a reader that goes on from there. */
export const FIRST_FETCH_BYTES = 256 * 1024;
/** The same at the beginning of a file from VERY_LARGE_BYTES on, or up to this: a MiB, and what the kernel reads ahead of its reader. */
export const BEGINNING_FETCH_BYTES = 1280 * 1024;
export const VERY_LARGE_BYTES = 64 * 1024 ** 2;
/** How far ahead of a sequential reader bytes are fetched. */
export const READ_AHEAD_BYTES = 4 * HYDRATE_RANGE_BYTES;
/** Ranges of one file that are fetched at once when all of it is wanted. */
export const HYDRATE_PARALLEL_MAX = 4;
/** Tries of one range without a byte of progress before its readers get the fault. */
export const DOWNLOAD_TRIES_MAX = 6;
/** A file whose bytes came wrong twice is not tried again for this long, then four times longer after each try, up to the second. */
export const WRONG_BYTES_WAIT_MS = 60_000;
export const WRONG_BYTES_WAIT_MOST_MS = 24 * 3600 * 1000;
/** Such files that are remembered. */
export const WRONG_BYTES_FILES_MAX = 1_000;
/** Disk calls that only reach the kernel's memory are made at once; a disk where one took longer than this waits on the pool for a while. */
export const QUICK_CALL_MS = 10;
export const QUICK_WRITE_BYTES_MAX = 256 * 1024;
export const QUICK_READ_BYTES_MAX = 64 * 1024;
export const CACHED_READ_BYTES_MAX = 256 * 1024;
export const DISK_SLOW_MS = 10_000;
/** Content files kept open. */
export const OPEN_FILES_MAX = 256;
/** Up to this, bytes are hashed without the worker. */
export const HASH_INLINE_BYTES_MAX = 128 * 1024;
/** An unpushed file from this size on is hashed this long after its last close, before its push asks for it. */
export const HASH_AHEAD_BYTES_MIN = 1024 ** 2;
export const HASH_AHEAD_DELAY_MS = 300;
/** The interval map and the time of last use are written this much later, many files at once. */
export const CACHE_ROWS_DELAY_MS = 1_000;
export const USED_AT_GRAIN_MS = 60_000;
/** A blob that nobody has named yet is left alone by the sweep for this long. */
export const UNNAMED_BLOB_MS = 60_000;
/** From so many new files on, none this much later than the one before, so many are kept ready, until none was taken for so long. */
export const READY_AFTER = 8;
export const READY_APART_MS = 200;
export const READY_BLOBS = 32;
export const READY_KEPT_MS = 5_000;
/** Blobs that nothing names any more are looked for this often. */
export const BLOB_SWEEP_MS = 60_000;
/** `check` reads content no faster than this. */
export const VERIFY_BYTES_PER_SECOND = 400 * 1024 ** 2;
/** While the drive is read after a lost index, files that were found are looked through this often. */
export const FOUND_INTERVAL_MS = 250;
/** Eviction goes on until this part of the limit. */
export const EVICT_TO_FRACTION = 0.95;
/** $batch requests under way at once. */
export const BATCHES_MAX = 4;

/** Slots of which the vfs remembers other spellings. */
export const SPELLINGS_MAX = 10_000;
/** The free space of the disk is asked for at most this often. */
export const DISK_FREE_INTERVAL_MS = 2_000;
/** Blob files that nobody needs any more are swept this long after the first of them. */
export const SWEEP_DELAY_MS = 10_000;
/** A close moves the settle window of a file when its last recorded act is older than this. */
export const TOUCH_GRAIN_MS = 100;

/** While a call of onedrivectl waits for its answer, the daemon gives a sign of life this often; without any for so long it is given up. */
export const CONTROL_LIFE_SIGN_MS = 1_000;
export const CONTROL_SILENCE_MS_MAX = 10_000;
/** A mount that says nothing for this long is taken for hanging, not for stale. */
export const MOUNT_ANSWER_WAIT_MS = 2_000;
/** What is pinned is looked for at most this often, and never more than a small part of the time. */
export const PINS_INTERVAL_MS = 1_000;
/** Rows looked at for pins between two turns of everything else. */
export const PINS_ROWS_PER_TURN = 256;
/** Entries of the journal of downloads: what one program got of one item is one. */
export const DOWNLOADS_KEPT_MAX = 1_000;
/** Items of which is known who reads them at the moment. */
export const DOWNLOAD_ASKERS_MAX = 10_000;
/** Pinned files fetched at once. */
export const PINS_FETCHED_AT_ONCE_MAX = 4;
/** An unmounted filesystem is served this long for programs that still have files open; then a lazy unmount cuts them off. */
export const UNMOUNT_GRACE_MS = 1_000;
/** How often, and how many times, the cutting off is tried. */
export const UNMOUNT_CUT_INTERVAL_MS = 50;
export const UNMOUNT_CUTS_MAX = 100;
/** Entries of a folder asked of the vfs at once. */
export const READDIR_STEP_ENTRIES = 1_000;
/** Folders with no more entries are looked through for stat's count of links. */
export const FOLDER_LINKS_ENTRIES_MAX = 16;
/** Kernel nodes whose page versions are remembered. */
export const PAGE_VERSIONS_MAX = 100_000;

/** One write of a program comes in pieces of at most this (the kernel's own limit is 256 pages by default). */
export const WRITE_BYTES_MAX = 1024 ** 2;
/** What the places of listings mean that the kernel keeps is remembered for so many folders, and so many entries of closed streams. */
export const LISTED_FOLDERS_KEPT = 4_096;
export const LISTED_PLACES_KEPT = 100_000;
/** Asked of the kernel; what it really reads ahead is its own limit for the device. */
export const READAHEAD_BYTES_MAX = 1024 ** 2;
/** Calls that the kernel sends without anybody waiting for them (reads ahead, closes), at once. */
export const BACKGROUND_MAX = 64;
/** Written bytes up to this are copied out of the memory they came in; of more, the memory itself is kept until they are stored. */
export const WRITE_COPY_BYTES_MAX = 16 * 1024;
/** Memory for requests that is kept for reuse, in pieces of a little over WRITE_BYTES_MAX. */
export const REQUEST_ROOMS_KEPT = 8;
/** Requests taken from the kernel before other work of the process has its turn. */
export const REQUESTS_PER_TURN = 16;
/** A listing is answered in pieces of at most this. */
export const REPLY_BYTES_MAX = 1024 ** 2;
/** Notices to the kernel written in one go. */
export const NOTICE_BATCH_MAX = 256;
/** The process that writes notices is started so often without having written any. */
export const NOTICE_WRITER_STARTS_MAX = 3;
/** A notice waits this long for calls on its node. */
export const NOTICE_HELD_MAX_MS = 1_000;
