import { fchmodSync, fstatSync, ftruncateSync } from "node:fs";
import { messageOf } from "../../core/cause.ts";
import { StoreError } from "../../core/start-error.ts";
import { fileBytes, mapTables, usableHeader, writeHeader } from "./file-layout.ts";
import type { SharedFile, SharedSettingNames } from "./shared-file.ts";

const MODE = 0o600;

export interface MemoryFileOptions {
  /**
   * The fd of a memory file without a name. The file is empty, or another process of the gateway has written the file's header.
   */
  readonly fd: number;
  /** The size of each table in bytes. */
  readonly tables: readonly number[];
  readonly nowMs: number;
  readonly settingNames: Pick<SharedSettingNames, "sizes">;
}

/**
 * Opens a shared file that has no name. Each process of a gateway inherits the fd of the file. Throws `StoreError` if another
 * process has created the file with another layout or other sizes.
 *
 * No blocks are reserved. A page of the file takes memory only after its first use.
 */
export function openMemoryFile({ fd, tables, nowMs, settingNames }: MemoryFileOptions): SharedFile {
  try {
    const isNew = fstatSync(fd).size === 0;
    if (isNew) {
      fchmodSync(fd, MODE);
      ftruncateSync(fd, fileBytes(tables));
      writeHeader(fd, tables, nowMs);
    }
    const header = usableHeader(fd, tables);
    if (header === undefined) throw new StoreError(`${OTHER_LAYOUT}; a change of ${settingNames.sizes} needs a restart`);
    return { ...mapTables(fd, header, tables), isNew };
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(`the shared memory of the stores cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

const OTHER_LAYOUT = "the shared memory of the stores has another layout or other sizes";
