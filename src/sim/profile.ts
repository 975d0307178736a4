/**
 * The four kinds of service the simulator can be. A profile is data: which id and tag forms it uses, what its delta
 * leaves out, how long its sessions live, which calls it refuses, and which host names its links carry behind the
 * CONNECT proxy. Everything else reads this table and never the profile's name.
 */

export type ProfileName = "personal" | "personal-old" | "business" | "sharepoint";

export interface Profile {
  readonly name: ProfileName;
  readonly driveType: "personal" | "business" | "documentLibrary";
  readonly ids: "numbered" | "guid" | "sharepoint";
  /** Folders carry a cTag, and it moves with every descendant. */
  readonly folderCTag: boolean;
  /** Times are kept in whole seconds. */
  readonly wholeSeconds: boolean;
  readonly deltaOmitsOnChange: readonly string[];
  readonly deltaOmitsOnDelete: readonly string[];
  readonly folderDelta: boolean;
  readonly timeDeltaToken: boolean;
  readonly hashOfEmptyFile: boolean;
  /** A PATCH of fileSystemInfo makes a version and moves the item-level time. */
  readonly timePatchMakesVersion: boolean;
  readonly permanentDelete: boolean;
  readonly restore: boolean;
  readonly copyConflictInQuery: boolean;
  readonly quotaCheckAtSession: boolean;
  readonly sessionIdleMs: number;
  readonly sessionHardMs: number;
  readonly refusesFormsAtRoot: boolean;
  readonly hosts: { readonly upload: string; readonly download: string; readonly monitor: string };
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const personal: Profile = {
  name: "personal",
  driveType: "personal",
  ids: "guid",
  folderCTag: false,
  wholeSeconds: true,
  deltaOmitsOnChange: [],
  deltaOmitsOnDelete: ["cTag", "size"],
  folderDelta: true,
  timeDeltaToken: false,
  hashOfEmptyFile: true,
  timePatchMakesVersion: false,
  permanentDelete: false,
  restore: true,
  copyConflictInQuery: false,
  quotaCheckAtSession: true,
  sessionIdleMs: 7 * DAY_MS,
  sessionHardMs: 7 * DAY_MS,
  refusesFormsAtRoot: false,
  hosts: {
    upload: "my.microsoftpersonalcontent.com",
    download: "my.microsoftpersonalcontent.com",
    monitor: "my.microsoftpersonalcontent.com",
  },
};

const business: Profile = {
  ...personal,
  name: "business",
  driveType: "business",
  ids: "sharepoint",
  deltaOmitsOnChange: ["cTag"],
  deltaOmitsOnDelete: ["cTag", "name"],
  folderDelta: false,
  timeDeltaToken: true,
  hashOfEmptyFile: false,
  timePatchMakesVersion: true,
  permanentDelete: true,
  restore: false,
  copyConflictInQuery: true,
  quotaCheckAtSession: false,
  sessionIdleMs: 15 * MINUTE_MS,
  sessionHardMs: DAY_MS,
  refusesFormsAtRoot: true,
  hosts: {
    upload: "contoso-my.sharepoint.com",
    download: "contoso-my.sharepoint.com",
    monitor: "contoso-my.sharepoint.com",
  },
};

const sharepointHost = "contoso.sharepoint.com";

export const profiles: Readonly<Record<ProfileName, Profile>> = {
  personal,
  "personal-old": {
    ...personal,
    name: "personal-old",
    ids: "numbered",
    folderCTag: true,
    wholeSeconds: false,
    hosts: { upload: "sn3302.up.1drv.com", download: "public.dm.files.1drv.com", monitor: "api.onedrive.com" },
  },
  business,
  sharepoint: {
    ...business,
    name: "sharepoint",
    driveType: "documentLibrary",
    hosts: { upload: sharepointHost, download: sharepointHost, monitor: sharepointHost },
  },
};
