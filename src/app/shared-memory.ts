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
 * Memory that several processes of one gateway use. It contains stores, such as the reservations and the buckets. A supervisor
 * shares the memory with its workers. At an upgrade, the predecessor shares it with the successor.
 */
export class SharedMemory implements Disposable {
  readonly fd: number;

  /** `fd`: the fd of memory that another process of this gateway has created. Default: new memory. Throws `StoreError`. */
  constructor(fd: number = create()) {
    this.fd = fd;
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
