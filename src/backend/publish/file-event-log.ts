import { closeSync, openSync, readFileSync } from "node:fs";
import type { Clock } from "../../core/clock.ts";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { EVENT_ID_MEMORY_MS } from "../../core/limits.ts";
import type { Log } from "../../core/telemetry.ts";
import { EventFile, type EventFileHeader, readEventFile } from "./event-file.ts";
import type { EventLog, LoadedEvents, LoggedEvent } from "./event-log.ts";
import { type EventRecord, encodeRecord } from "./event-record.ts";

export interface FileEventLogOptions {
  readonly path: string;
  /** Maximum size of the two files of the event log together, in bytes. */
  readonly bytesMax: number;
  readonly sync: "always" | "os";
  /** Maximum age of the events that are delivered again after a restart, in ms. */
  readonly ageMs: number;
  /** Takes an exclusive lock on an open file. Returns `false` if another process has the lock. */
  readonly tryLock: (fd: number) => boolean;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** Thrown if the event log cannot be used. The message is for operators. */
export class EventLogError extends Error {}

/**
 * Keeps the events in two files: `path`, and the older file `<path>.1`. If a write would make `path` larger than half of
 * `bytesMax`, `path` replaces the older file, and a new `path` is created. A lock on `<path>.lock` excludes other processes.
 */
export class FileEventLog implements EventLog {
  readonly #options: FileEventLogOptions;
  readonly #header: EventFileHeader;
  readonly #lockFd: number;
  readonly #olderPath: string;
  #loaded: LoadedEvents;
  /** If the file `path` is usable and not yet open: the size of its undamaged part, in bytes. New events follow this part. */
  #continueAt: number | undefined;
  #file: EventFile | undefined;
  #isClosed = false;

  /** Takes the lock and reads both files. Throws `EventLogError`. */
  constructor(options: FileEventLogOptions) {
    const { path, sync } = options;
    this.#options = options;
    this.#olderPath = `${path}.1`;
    this.#header = { format: "sallyport push log 1", sync, bootId: sync === "os" ? bootId() : "" };
    try {
      this.#lockFd = this.#lock();
      this.#loaded = this.#load();
    } catch (error) {
      if (error instanceof EventLogError) throw error;
      throw new EventLogError(`push.log_file (${pathShown(path)}): cannot be used: ${whyUnreadable(error)}`);
    }
  }

  takeLoaded(): LoadedEvents {
    const loaded = this.#loaded;
    this.#loaded = { before: undefined, older: [], events: [] };
    return loaded;
  }

  async append(events: readonly LoggedEvent[]): Promise<void> {
    if (this.#isClosed) throw new Error("the event log is closed");
    const atMs = this.#options.clock.now();
    const text = events.map((each) => encodeRecord({ ...each, atMs })).join("");
    const file = await this.#fileFor(Buffer.byteLength(text));
    await file.write(text);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#file?.close();
    this.#file = undefined;
    closeSync(this.#lockFd);
  }

  #lock(): number {
    const { path, tryLock } = this.#options;
    const fd = openSync(`${path}.lock`, "a", 0o600);
    if (tryLock(fd)) return fd;
    closeSync(fd);
    throw new EventLogError(
      `push.log_file (${pathShown(path)}): another process uses this log; each gateway needs its own file`,
    );
  }

  #load(): LoadedEvents {
    const { path, log } = this.#options;
    const older = readEventFile(this.#olderPath, this.#header);
    const newer = readEventFile(path, this.#header);
    this.#continueAt = newer?.goodBytes;
    const isDamaged = newer?.isDamaged ?? false;
    if (isDamaged || older?.isDamaged) log.error("push log file damaged", { file: pathShown(path) });
    // A damaged line is a lost event. The events before a damaged line are not used, because a gap would follow them.
    const records = [...(isDamaged ? [] : (older?.records ?? [])), ...(newer?.records ?? [])];
    return this.#recent(records);
  }

  #recent(records: readonly EventRecord[]): LoadedEvents {
    const { ageMs, clock } = this.#options;
    const nowMs = clock.now();
    // The age is an absolute difference, because the clock may have been set back.
    const firstYoung = records.findIndex(({ atMs }) => Math.abs(nowMs - atMs) < ageMs);
    const from = firstYoung < 0 ? records.length : firstYoung;
    const older = records.slice(0, from).filter(({ atMs }) => Math.abs(nowMs - atMs) < EVENT_ID_MEMORY_MS);
    return { before: records[from - 1]?.cursor, older: older.map(({ event }) => event), events: records.slice(from) };
  }

  /** Returns the file for the next write of `bytes` bytes. */
  async #fileFor(bytes: number): Promise<EventFile> {
    const { path, bytesMax } = this.#options;
    if (this.#file === undefined && this.#continueAt !== undefined) {
      this.#file = await EventFile.continue(path, this.#header, this.#continueAt);
      this.#continueAt = undefined;
    }
    if (this.#file !== undefined && this.#file.bytes + bytes <= bytesMax / 2) return this.#file;
    const full = this.#file;
    this.#file = undefined;
    await full?.close();
    this.#file = await EventFile.create(path, this.#olderPath, this.#header);
    return this.#file;
  }
}

/** Returns the boot id of the machine (Linux). Other systems get a random id, so no later run uses the same files. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return crypto.randomUUID();
  }
}
