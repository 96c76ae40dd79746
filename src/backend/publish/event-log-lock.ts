import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { isJsonObject } from "../../core/json-body.ts";
import { decodeLine, encodeLine } from "./event-record.ts";

/**
 * The lock file of the event log. Only the process that has locked this file uses the log.
 *
 * When the log is closed, the lock file gets the sequence number of the next event. So the next start can detect that events at the
 * end of the log are missing. If the process is killed after it wrote events, the lock file is empty.
 */
export class EventLogLock {
  readonly #fd: number;
  readonly #isSynced: boolean;
  #isInUse = false;
  /** The sequence number that the last run wrote when it closed the log; `undefined` if the log was not closed. */
  readonly closedAt: number | undefined;

  private constructor(fd: number, isSynced: boolean, closedAt: number | undefined) {
    this.#fd = fd;
    this.#isSynced = isSynced;
    this.closedAt = closedAt;
  }

  /** Takes the lock. Returns `undefined` if another process has it. */
  static take(path: string, isSynced: boolean, tryLock: (fd: number) => boolean): EventLogLock | undefined {
    const fd = openSync(path, "a", 0o600);
    try {
      if (tryLock(fd)) return new EventLogLock(fd, isSynced, closedAtOf(readFileSync(path, "utf8")));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
    return undefined;
  }

  /** Removes the sequence number from the file. Call this before the first event is written. */
  beginUse(): void {
    if (this.#isInUse) return;
    ftruncateSync(this.#fd);
    if (this.#isSynced) fsyncSync(this.#fd);
    this.#isInUse = true;
  }

  /** If events were written, writes `next` to the file: the sequence number of the next event. */
  endUse(next: number): void {
    if (!this.#isInUse) return;
    writeSync(this.#fd, encodeLine({ closedAt: next }));
    if (this.#isSynced) fsyncSync(this.#fd);
    this.#isInUse = false;
  }

  release(): void {
    closeSync(this.#fd);
  }
}

function closedAtOf(text: string): number | undefined {
  const value = decodeLine(text.trimEnd());
  return isJsonObject(value) && typeof value["closedAt"] === "number" ? value["closedAt"] : undefined;
}
