import { closeSync, fsyncSync, openSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import type { EventFileHeader } from "./event-file-reader.ts";
import { encodeLine } from "./event-record.ts";

/** The file operations of the event log. A test can replace an operation by one that fails. */
export interface FileOperations {
  open(path: string, flags: "r+" | "w"): Promise<Pick<FileHandle, "write" | "truncate" | "datasync" | "close">>;
  rename(from: string, to: string): Promise<void>;
  /** Makes the renames in a folder durable (fsync of the folder). */
  syncFolder(path: string): void;
}

export const fileOperations: FileOperations = {
  open: (path, flags) => open(path, flags, 0o600),
  rename,
  syncFolder(path) {
    const folder = openSync(path, "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  },
};

/** An event log file that is open for writing. */
export class EventFile {
  readonly #handle: Awaited<ReturnType<FileOperations["open"]>>;
  readonly #isSynced: boolean;
  /** The size of the file up to its last complete record, in bytes. */
  #goodBytes: number;
  /** Whether the file may have bytes after `#goodBytes`. */
  #isDirty = true;

  private constructor(handle: Awaited<ReturnType<FileOperations["open"]>>, isSynced: boolean, goodBytes: number) {
    this.#handle = handle;
    this.#isSynced = isSynced;
    this.#goodBytes = goodBytes;
  }

  get bytes(): number {
    return this.#goodBytes;
  }

  /** Opens an existing file. The next record is written at the position `goodBytes`. */
  static async continue(files: FileOperations, path: string, isSynced: boolean, goodBytes: number): Promise<EventFile> {
    return new EventFile(await files.open(path, "r+"), isSynced, goodBytes);
  }

  /** Creates a file with a header. Replaces any file at `path`. */
  static async create(files: FileOperations, path: string, header: EventFileHeader): Promise<EventFile> {
    const file = new EventFile(await files.open(path, "w"), header.sync === "always", 0);
    try {
      await file.write(encodeLine(header));
      return file;
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
  }

  /**
   * Appends text. If the write fails, removes the bytes that were written. If the removal also fails, the next call of any method
   * repeats the removal.
   */
  async write(text: string): Promise<void> {
    await this.removeFailed();
    this.#isDirty = true;
    try {
      await this.#writeBytes(Buffer.from(text));
    } catch (error) {
      await this.removeFailed().catch(() => {});
      throw error;
    }
    this.#isDirty = false;
  }

  /** Removes the bytes of a failed write. */
  async removeFailed(): Promise<void> {
    if (!this.#isDirty) return;
    await this.#handle.truncate(this.#goodBytes);
    this.#isDirty = false;
  }

  /** Removes the bytes of a failed write, then closes the file. */
  async close(): Promise<void> {
    try {
      await this.removeFailed();
    } finally {
      await this.#handle.close();
    }
  }

  async #writeBytes(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.byteLength; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.byteLength - at, this.#goodBytes + at);
      at += bytesWritten;
    }
    if (this.#isSynced) await this.#handle.datasync();
    this.#goodBytes += bytes.byteLength;
  }
}
