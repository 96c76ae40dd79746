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
 * The memory for reservations and buckets that the processes of one gateway share: a supervisor and its workers, and the
 * processes before and after an upgrade.
 */
export class SharedMemory implements Disposable {
  readonly fd: number;

  /** `fd`: the descriptor of memory that another process of this gateway has created. */
  constructor(fd: number = create()) {
    this.fd = fd;
  }

  /** Closes the descriptor. The mapped memory stays. */
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
