import { fchmodSync, fstatSync } from "node:fs";
import { messageOf } from "../../core/cause.ts";
import { StoreError } from "../../core/start-error.ts";
import { mapTables, type SharedTables, stateOf, writeNew } from "./file-layout.ts";
import type { SharedSettingNames } from "./shared-file.ts";

const MODE = 0o600;

export interface MemoryFileOptions {
  /**
   * The fd of a file that this process inherited or opened. A memory file without a name is empty at first. Any other file has its
   * header.
   */
  readonly fd: number;
  /** The size of each table in bytes. */
  readonly tables: readonly number[];
  readonly nowMs: number;
  readonly settingNames: Pick<SharedSettingNames, "sizes">;
}

/**
 * Maps the file that all processes of a gateway have open. Throws `StoreError` if another process has created the file with another
 * layout or other sizes.
 *
 * For a memory file without a name, no blocks are reserved. A page of the file takes memory only after its first use.
 */
export function mapSharedFile({ fd, tables, nowMs, settingNames }: MemoryFileOptions): SharedTables {
  try {
    if (fstatSync(fd).size === 0) {
      fchmodSync(fd, MODE);
      writeNew(fd, tables, nowMs);
    }
    const state = stateOf(fd, tables);
    if (state.kind !== "usable") throw new StoreError(`${OTHER_LAYOUT}; a change of ${settingNames.sizes} needs a restart`);
    return mapTables(fd, state.header, tables);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(`the shared memory of the stores cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

const OTHER_LAYOUT = "the shared memory of the stores has another layout or other sizes";
