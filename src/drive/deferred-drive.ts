/** A Drive that is loaded at the first call, once whoever must come first is served: the tree is there before the network is. */
import type { Drive } from "./drive.ts";

export function deferredDrive(load: () => Promise<Drive>): Drive {
  let loading: Promise<Drive> | undefined;
  const drive = (): Promise<Drive> => (loading ??= load());
  return {
    info: async (...args) => (await drive()).info(...args),
    changes: async (...args) => (await drive()).changes(...args),
    children: async (...args) => (await drive()).children(...args),
    item: async (...args) => (await drive()).item(...args),
    itemAt: async (...args) => (await drive()).itemAt(...args),
    createFolder: async (...args) => (await drive()).createFolder(...args),
    update: async (...args) => (await drive()).update(...args),
    remove: async (...args) => (await drive()).remove(...args),
    restore: async (...args) => (await drive()).restore(...args),
    copy: async (...args) => (await drive()).copy(...args),
    upload: async (...args) => (await drive()).upload(...args),
    openSession: async (...args) => (await drive()).openSession(...args),
    sendFragment: async (...args) => (await drive()).sendFragment(...args),
    sessionStatus: async (...args) => (await drive()).sessionStatus(...args),
    cancelSession: async (...args) => (await drive()).cancelSession(...args),
    download: async (...args) => (await drive()).download(...args),
    versions: async (...args) => (await drive()).versions(...args),
    versionContent: async (...args) => (await drive()).versionContent(...args),
    batch: async (...args) => {
      const loaded = await drive();
      return loaded.batch!(...args);
    },
  };
}
