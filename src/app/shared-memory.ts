import { closeSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import { messageOf } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import { StoreError } from "../core/start-error.ts";
import type { Log } from "../core/telemetry.ts";
import { openStoreFile } from "../stores/open.ts";
import { tryLockFile, tryShareFile } from "../transport/linux/file-lock.ts";
import { createSharedMemory } from "../transport/linux/shared-memory.ts";
import { storeSettings } from "./options.ts";

const LOCKS = { tryShared: tryShareFile, tryExclusive: tryLockFile };

export interface SharedMemoryParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this process replaces a running one, which uses the file of `stores.shared_file`. */
  readonly isSuccessor: boolean;
}

/**
 * Memory that several processes of one gateway use: the file of `stores.shared_file`, or memory without a name. It contains stores,
 * such as the reservations and the buckets. A supervisor passes its fd to the workers. At an upgrade, the predecessor passes its fd
 * to the successor. So all of them use the same file, even if its path names another one by now.
 */
export class SharedMemory implements Disposable {
  readonly fd: number;

  /** `fd`: the fd of the memory. */
  constructor(fd: number) {
    this.fd = fd;
  }

  /** Opens the configured file or creates memory without a name. Throws `StoreError`. */
  static open(config: Config, { clock, log, isSuccessor: isInherited }: SharedMemoryParts): SharedMemory {
    const path = config["stores.shared_file"];
    if (path === undefined) return new SharedMemory(create());
    return new SharedMemory(openStoreFile(path, storeSettings(config), { clock, log, locks: LOCKS, isInherited }));
  }

  /** Closes the fd. Memory that is already mapped stays mapped. */
  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

function create(): number {
  try {
    return createSharedMemory();
  } catch (cause) {
    throw new StoreError(`the shared memory of the stores cannot be created: ${messageOf(cause)}`, { cause });
  }
}
