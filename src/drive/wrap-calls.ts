/** A Drive whose every call passes through `around`: what with-limit and with-log are made of. */
import type { Drive } from "./drive.ts";

export type Around = <T>(name: keyof Drive, call: () => Promise<T>, args: readonly unknown[]) => Promise<T>;

export function wrapCalls(drive: Drive, around: Around): Drive {
  const wrap = <A extends unknown[], T>(name: keyof Drive, call: (...args: A) => Promise<T>) => {
    return (...args: A): Promise<T> => around(name, () => call(...args), args);
  };
  return {
    info: wrap("info", drive.info.bind(drive)),
    changes: wrap("changes", drive.changes.bind(drive)),
    children: wrap("children", drive.children.bind(drive)),
    item: wrap("item", drive.item.bind(drive)),
    itemAt: wrap("itemAt", drive.itemAt.bind(drive)),
    createFolder: wrap("createFolder", drive.createFolder.bind(drive)),
    update: wrap("update", drive.update.bind(drive)),
    remove: wrap("remove", drive.remove.bind(drive)),
    restore: wrap("restore", drive.restore.bind(drive)),
    copy: wrap("copy", drive.copy.bind(drive)),
    upload: wrap("upload", drive.upload.bind(drive)),
    openSession: wrap("openSession", drive.openSession.bind(drive)),
    sendFragment: wrap("sendFragment", drive.sendFragment.bind(drive)),
    sessionStatus: wrap("sessionStatus", drive.sessionStatus.bind(drive)),
    cancelSession: wrap("cancelSession", drive.cancelSession.bind(drive)),
    download: wrap("download", drive.download.bind(drive)),
    versions: wrap("versions", drive.versions.bind(drive)),
    versionContent: wrap("versionContent", drive.versionContent.bind(drive)),
    ...(drive.batch ? { batch: wrap("batch", drive.batch.bind(drive)) } : {}),
  };
}
