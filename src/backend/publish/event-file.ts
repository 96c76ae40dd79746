import { closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { decodeLine, decodeRecord, type EventRecord, encodeLine } from "./event-record.ts";

/** The first line of an event log file. A file is used only if its header equals the expected header. */
export interface EventFileHeader {
  readonly format: "sallyport push log 1";
  /** When events reach the disk; see `push.log_sync`. */
  readonly sync: "always" | "os";
  /**
   * With `sync: "os"`, the boot id of the machine. So a file from before a reboot is not used, because its end may be
   * lost. With `sync: "always"`, an empty string.
   */
  readonly bootId: string;
}

export interface ReadFile {
  /**
   * All records of the file. If undamaged records follow a damaged line, only the records after the last such line. Damaged
   * lines at the end of the file are ignored.
   */
  readonly records: readonly EventRecord[];
  /** The size of the file up to and including its last undamaged line, in bytes. */
  readonly goodBytes: number;
  /** Whether an undamaged record follows a damaged line. */
  readonly isDamaged: boolean;
}

const NEWLINE = 0x0a;

/** Reads an event log file. Returns `undefined` if there is no file at `path`, or if the file has another header. */
export function readEventFile(path: string, header: EventFileHeader): ReadFile | undefined {
  const bytes = readIfPresent(path);
  if (bytes === undefined) return undefined;
  const [first, ...lines] = linesOf(bytes);
  if (first === undefined || JSON.stringify(decodeLine(first.text)) !== JSON.stringify(header)) return undefined;
  let records: EventRecord[] = [];
  let goodBytes = first.end;
  let isDamaged = false;
  let isAfterDamage = false;
  for (const { text, end } of lines) {
    const record = decodeRecord(text);
    if (record === undefined) {
      isAfterDamage = true;
      continue;
    }
    if (isAfterDamage) records = [];
    isDamaged ||= isAfterDamage;
    isAfterDamage = false;
    records.push(record);
    goodBytes = end;
  }
  return { records, goodBytes, isDamaged };
}

function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Yields the lines that end with a newline. `end` is the position after the newline, in bytes. */
function* linesOf(bytes: Buffer): Generator<{ readonly text: string; readonly end: number }> {
  let at = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
    yield { text: bytes.toString("utf8", at, end), end: end + 1 };
    at = end + 1;
  }
}

/** An event log file that is open for writing. */
export class EventFile {
  readonly #handle: FileHandle;
  readonly #isSynced: boolean;
  /** The size up to the last complete record. */
  #goodBytes: number;
  /** Whether there may be bytes after `#goodBytes`. */
  #isDirty = true;

  private constructor(handle: FileHandle, isSynced: boolean, goodBytes: number) {
    this.#handle = handle;
    this.#isSynced = isSynced;
    this.#goodBytes = goodBytes;
  }

  get bytes(): number {
    return this.#goodBytes;
  }

  /** Opens an existing file. The next record is written at the position `goodBytes`. */
  static async continue(path: string, header: EventFileHeader, goodBytes: number): Promise<EventFile> {
    return new EventFile(await open(path, "r+"), header.sync === "always", goodBytes);
  }

  /** Creates a file at `path`. If a file exists at `path`, it is first renamed to `olderPath` and replaces any file there. */
  static async create(path: string, olderPath: string, header: EventFileHeader): Promise<EventFile> {
    await rename(path, olderPath).catch((error: unknown) => {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    });
    const file = new EventFile(await open(path, "w", 0o600), header.sync === "always", 0);
    try {
      await file.write(encodeLine(header));
      if (header.sync === "always") syncFolder(dirname(path));
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Appends text. If this fails, no later read returns any part of the text. */
  async write(text: string): Promise<void> {
    if (this.#isDirty) await this.#handle.truncate(this.#goodBytes);
    this.#isDirty = true;
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.byteLength; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.byteLength - at, this.#goodBytes + at);
      at += bytesWritten;
    }
    if (this.#isSynced) await this.#handle.datasync();
    this.#goodBytes += bytes.byteLength;
    this.#isDirty = false;
  }

  /** Removes bytes of a failed write, then closes the file. */
  async close(): Promise<void> {
    try {
      if (this.#isDirty) await this.#handle.truncate(this.#goodBytes);
    } finally {
      await this.#handle.close();
    }
  }
}

/** Makes a rename durable (fsync of the folder). */
function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
