/** Every limit of the product, with its unit in its name. Service limits are from the service's documentation. */

export const NAME_UTF16_UNITS_MAX = 255;
export const CLOUD_PATH_CHARACTERS_MAX = 400;
export const FILE_BYTES_MAX = 250 * 1024 ** 3;
/** Fragments of an upload session are multiples of this. */
export const FRAGMENT_QUANTUM_BYTES = 320 * 1024;
export const FRAGMENT_BYTES = 32 * FRAGMENT_QUANTUM_BYTES;
/** Up to this a file goes up in one PUT. */
export const SIMPLE_UPLOAD_BYTES_MAX = 4 * 1024 * 1024;

/** Requests in flight at once. */
export const REQUESTS_MAX = 16;
export const UPLOADS_MAX = 8;
export const DOWNLOADS_MAX = 8;

export const REQUEST_HEADERS_TIMEOUT_MS = 60_000;
export const CONNECT_TIMEOUT_MS = 10_000;
/** A body that sends nothing for this long is given up. */
export const BODY_IDLE_TIMEOUT_MS = 30_000;
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_MOST_MS = 60_000;
/** Tries of one idempotent request inside the drive before the fault goes to its caller, who retries for ever. */
export const REQUEST_TRIES_MAX = 4;
/** 423: how long the flusher waits before it tries a locked item again. */
export const LOCKED_WAIT_MS = 120_000;

export const DELTA_PAGE_ITEMS = 1_000;
export const CHILDREN_PAGE_ITEMS = 1_000;
/** Full enumeration at least this often. */
export const AUDIT_INTERVAL_MS = 24 * 3600 * 1000;
/** A plan that deletes more than max(this many items, this part of the drive) is held. */
export const MASS_DELETE_ITEMS = 200;
export const MASS_DELETE_FRACTION = 0.25;
/** Re-merges of one node without progress before it is held. */
export const REMERGES_MAX = 5;
/** Another process's parking name older than this is given its name back. */
export const PARK_SWEEP_MS = 3600 * 1000;

/** The journal is synced this long after the first unsynced commit. */
export const BARRIER_INTERVAL_MS = 1_000;
export const JOURNAL_BYTES_BEFORE_CHECKPOINT = 64 * 1024 ** 2;

export const XATTR_VALUE_BYTES_MAX = 65_536;
export const HYDRATE_RANGE_BYTES = 4 * 1024 ** 2;
