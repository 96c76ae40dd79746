import type { Clock } from "../../src/core/clock.ts";
import {
  openSharedFileStores,
  type SharedFileStores,
  type SharedStoreSettings,
  sharedFileTables,
} from "../../src/stores/shared/open.ts";
import { openSharedFile } from "../../src/stores/shared/shared-file.ts";
import { tryLockFile, tryShareFile } from "../../src/transport/linux/file-lock.ts";
import { SILENT_LOG } from "./silent-log.ts";

export const FILE_LOCKS = { tryShared: tryShareFile, tryExclusive: tryLockFile };

/** Opens the stores of the shared file at `path`, as a separate gateway does. The file stays open until the process ends. */
export function openStoresAt(path: string, settings: Omit<SharedStoreSettings, "file">, clock: Clock): SharedFileStores {
  const { fd } = openSharedFile({
    path,
    tables: sharedFileTables(settings),
    nowMs: clock.now(),
    settingNames: settings.settingNames,
    locks: FILE_LOCKS,
    log: SILENT_LOG,
  });
  return openSharedFileStores({ ...settings, file: fd }, clock);
}
