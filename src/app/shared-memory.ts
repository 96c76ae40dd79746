import { closeSync } from "node:fs";
import type { Config } from "../config/schema.ts";
import { messageOf } from "../core/cause.ts";
import { StoreError } from "../core/start-error.ts";
import { createSharedMemory } from "../transport/linux/shared-memory.ts";

/** Whether the stores need a `SharedMemory`. They need none if a shared file is configured. */
export function needsSharedMemory(config: Config): boolean {
  return config["stores.shared_file"] === undefined;
}

/**
 * Memory that the processes of one gateway share. It contains stores, such as the reservations and the buckets. The processes
 * are a supervisor and its workers, and the predecessor and the successor of an upgrade.
 */
export class SharedMemory implements Disposable {
  readonly fd: number;

  /** `fd`: the fd of memory that another process of this gateway has created. Default: new memory. Throws `StoreError`. */
  constructor(fd: number = create()) {
    this.fd = fd;
  }

  /** Closes the fd. The mapped memory stays. */
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
