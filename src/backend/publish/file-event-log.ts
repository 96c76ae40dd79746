import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import { pathShown, setAside, whyUnreadable } from "../../core/file-problem.ts";
import { EVENT_ID_MEMORY_MS } from "../../core/limits.ts";
import type { Log } from "../../core/telemetry.ts";
import { EventFile, type FileOperations, fileOperations } from "./event-file.ts";
import { type EventFileHeader, type EventFileKind, isForeignFile, readEventFile } from "./event-file-reader.ts";
import type { EventLog, LoadedEvents, LoggedEvent } from "./event-log.ts";
import { EventLogLock } from "./event-log-lock.ts";
import { encodeLine, encodeRecord } from "./event-record.ts";
import { readStoredEvents, type StoredEvents } from "./stored-events.ts";

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
  /** Default: `fileOperations`. */
  readonly files?: FileOperations;
}

/** Thrown if the event log cannot be used. The message is for operators. */
export class EventLogError extends Error {}

/**
 * Keeps the events in two files: `path`, and the older file `<path>.1`. If a write would make `path` larger than half of
 * `bytesMax`, `path` replaces the older file, and a new `path` is created. `<path>.lock` is an `EventLogLock`.
 *
 * The events are numbered. A gap in the numbers shows that events are lost. So after a restart, no client resumes from before the
 * gap.
 */
export class FileEventLog implements EventLog {
  readonly #options: FileEventLogOptions;
  readonly #files: FileOperations;
  readonly #kind: EventFileKind;
  readonly #lock: EventLogLock;
  readonly #olderPath: string;
  /** A new file is written here, and then renamed to `path`. So `path` never lacks its header. */
  readonly #newPath: string;
  /** Maximum size of one file, in bytes. */
  readonly #fileBytesMax: number;
  #loaded: LoadedEvents;
  /** The sequence number of the next event. */
  #next: number;
  /** If the file `path` is usable and not yet open: the size of its undamaged part, in bytes. New events follow this part. */
  #continueAt: number | undefined;
  #file: EventFile | undefined;
  /** Whether the folder was synced (fsync) after the last rename of a log file. With `sync: "os"`, no sync is needed. */
  #isFolderSynced = false;
  #isClosed = false;

  /** Takes the lock and reads the log files. Throws `EventLogError`. */
  constructor(options: FileEventLogOptions) {
    const { path, sync, bytesMax } = options;
    this.#options = options;
    this.#files = options.files ?? fileOperations;
    this.#olderPath = `${path}.1`;
    this.#newPath = `${path}.next`;
    this.#fileBytesMax = Math.floor(bytesMax / 2);
    this.#kind = { format: "sallyport push log 2", sync, bootId: sync === "os" ? bootId() : "" };
    let lock: EventLogLock | undefined;
    try {
      this.#setForeignFileAside(`${path}.lock`);
      lock = this.#lock = this.#takeLock();
      for (const file of [path, this.#olderPath, this.#newPath]) this.#setForeignFileAside(file);
      this.#finishNewFile();
      const stored = readStoredEvents(path, this.#olderPath, this.#kind, this.#lock.closedAt);
      this.#next = stored.next;
      this.#continueAt = stored.continueAt;
      this.#loaded = this.#recent(stored);
    } catch (error) {
      lock?.release();
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
    const { text, first, next } = this.#encode(events);
    const file = await this.#fileFor(Buffer.byteLength(text), first);
    if (!this.#isFolderSynced && this.#kind.sync === "always") this.#files.syncFolder(dirname(this.#options.path));
    this.#isFolderSynced = true;
    this.#lock.beginUse();
    await file.write(text);
    this.#next = next;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      await this.#file?.close();
      this.#lock.endUse(this.#next);
    } finally {
      this.#file = undefined;
      this.#lock.release();
    }
  }

  #setForeignFileAside(file: string): void {
    if (isForeignFile(file)) setAside(file, "push.log_file", this.#options.log);
  }

  #takeLock(): EventLogLock {
    const { path, sync, tryLock } = this.#options;
    const lock = EventLogLock.take(`${path}.lock`, sync === "always", tryLock);
    if (lock !== undefined) return lock;
    throw new EventLogError(
      `push.log_file (${pathShown(path)}): another process uses this log; each gateway needs its own file`,
    );
  }

  /**
   * If the last process left a file at `#newPath`, renames the file to `path` or deletes it. Renames the file only if `path` is
   * missing and the header of the file is usable.
   */
  #finishNewFile(): void {
    const { path } = this.#options;
    if (!existsSync(this.#newPath)) return;
    const isNeeded = !existsSync(path) && readEventFile(this.#newPath, this.#kind)?.first !== undefined;
    if (isNeeded) renameSync(this.#newPath, path);
    else rmSync(this.#newPath);
  }

  #recent({ records, wholeFrom, problems }: StoredEvents): LoadedEvents {
    const { ageMs, clock, log } = this.#options;
    for (const { path, kind } of problems) {
      const file = pathShown(path);
      if (kind === "damaged") log.error("push log file damaged", { file });
      else
        log.warn("push log file not resumable", {
          file,
          cause: "it is from another version or boot, or push.log_sync was changed",
        });
    }
    const nowMs = clock.now();
    const whole = records.slice(wholeFrom);
    // The age of a record is an absolute difference, because the clock may have been set back.
    const firstYoung = whole.findIndex(({ atMs }) => Math.abs(nowMs - atMs) < ageMs);
    const from = firstYoung < 0 ? whole.length : firstYoung;
    const older = records
      .slice(0, wholeFrom + from)
      .filter(({ atMs }) => Math.abs(nowMs - atMs) < EVENT_ID_MEMORY_MS)
      .map(({ event }) => event);
    return { before: whole[from - 1]?.cursor, older, events: whole.slice(from) };
  }

  /**
   * Encodes the events. If they do not fit in one file, encodes only the newest ones. `first` is the sequence number of the first
   * encoded event. Events that are not encoded leave a gap in the sequence numbers. So after a restart, no client resumes from
   * before this gap.
   */
  #encode(events: readonly LoggedEvent[]): { readonly text: string; readonly first: number; readonly next: number } {
    const atMs = this.#options.clock.now();
    const next = this.#next + events.length;
    const lines: string[] = [];
    let [bytes, first] = [encodeLine(this.#header(next)).length, next];
    for (const event of events.toReversed()) {
      const line = encodeRecord({ ...event, sequence: first - 1, atMs });
      bytes += Buffer.byteLength(line);
      if (bytes > this.#fileBytesMax) break;
      lines.push(line);
      first--;
    }
    return { text: lines.reverse().join(""), first, next };
  }

  #header(first: number): EventFileHeader {
    return { ...this.#kind, first };
  }

  /** Returns the file for the next write of `bytes` bytes. `first` is the sequence number of the first event of this write. */
  async #fileFor(bytes: number, first: number): Promise<EventFile> {
    if (this.#file === undefined && this.#continueAt !== undefined) {
      const isSynced = this.#kind.sync === "always";
      this.#file = await EventFile.continue(this.#files, this.#options.path, isSynced, this.#continueAt);
      this.#continueAt = undefined;
    }
    const isRoomy = this.#file !== undefined && this.#file.bytes + bytes <= this.#fileBytesMax;
    return this.#file !== undefined && isRoomy && first === this.#next ? this.#file : this.#startFile(first);
  }

  /**
   * Creates a new file, renames `path` to the older file, and renames the new file to `path`. If a step fails, no event of `path`
   * is lost: the next call, or the next start of the gateway, completes the renames.
   */
  async #startFile(first: number): Promise<EventFile> {
    const created = await EventFile.create(this.#files, this.#newPath, this.#header(first));
    try {
      await this.#file?.removeFailed();
      await this.#files.rename(this.#options.path, this.#olderPath).catch(ignoreMissing);
      await this.#file?.close().catch(() => {});
      this.#file = undefined;
      await this.#files.rename(this.#newPath, this.#options.path);
    } catch (error) {
      await created.close().catch(() => {});
      throw error;
    }
    this.#file = created;
    this.#next = first;
    this.#isFolderSynced = false;
    return created;
  }
}

function ignoreMissing(error: unknown): void {
  if (errorCode(error) !== "ENOENT") throw error;
}

/** Returns the boot id of the machine (Linux). Other systems get a random id, so no later run uses the same files. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return crypto.randomUUID();
  }
}
