import { closeSync, constants, fstatSync, linkSync, lstatSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { errorCode, messageOf } from "../../core/cause.ts";
import { StoreError } from "../../core/start-error.ts";
import { fileBytes, mapTables, type SharedTables, usableHeader, writeHeader } from "./file-layout.ts";

const OTHER_FILE = "not the file of the running gateway, or of other sizes; restart the gateway instead";
const MODE = 0o600;
const MODE_MASK = 0o777;
/** Number of zero bytes that are written at a time to reserve the blocks of a new file. */
const CHUNK_BYTES = 1024 * 1024;

/** The names of settings, for error messages. */
export interface SharedSettingNames {
  /** The setting that contains the path of the file. */
  readonly file: string;
  /** The settings that decide the sizes of the tables, as a list for a sentence. */
  readonly sizes: string;
}

export interface SharedFileOptions {
  readonly path: string;
  /** The size of each table in bytes. */
  readonly tables: readonly number[];
  readonly nowMs: number;
  /** If true, another process of this gateway uses the file. The file must then exist and be usable. */
  readonly isInherited?: boolean;
  readonly settingNames: SharedSettingNames;
  /** Waits for the exclusive lock on an open file. The lock ends when the file is closed. */
  readonly lockFile: (fd: number) => void;
}

/** Maximum number of attempts to open the file. An attempt fails if another process has replaced the file by an unusable one. */
const ATTEMPTS_MAX = 5;

/** A file that several processes have mapped into their memory. */
export interface SharedFile extends SharedTables {
  /** Whether `openSharedFile` created the file. */
  readonly isNew: boolean;
}

/**
 * Opens the shared file. Creates the file if it does not exist. Throws `StoreError` if the file cannot be used or created. For
 * example, the disk is full, or the file belongs to another user.
 *
 * - If the file's header names another boot, PID namespace, layout or table size, a new, empty file replaces it. All reservations
 *   in the old file are lost. If `isInherited` is set, the function throws instead.
 * - A process that has already opened the old file continues to use it, and shares no reservations with this process. So only the
 *   supervisor may call this function with new table sizes.
 */
export function openSharedFile(options: SharedFileOptions): SharedFile {
  try {
    let isNew = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const opened = openExisting(options);
      if (opened !== undefined) return { ...opened, isNew };
      if (options.isInherited) throw new Error(OTHER_FILE);
      isNew = create(options);
    }
    throw new Error("other processes replace it");
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(`${options.settingNames.file} ${options.path}: ${reasonOf(error, options)}`, { cause: error });
  }
}

function openExisting({ path, tables, settingNames }: SharedFileOptions): SharedTables | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new StoreError(`${settingNames.file} ${path}: not a regular file`);
    if (stat.uid !== process.getuid?.()) throw new StoreError(`${settingNames.file} ${path}: belongs to another user`);
    if ((stat.mode & MODE_MASK) !== MODE) throw new StoreError(`${settingNames.file} ${path}: its mode must be 0600`);
    const header = usableHeader(fd, tables);
    if (header === undefined) return undefined;
    return mapTables(fd, header, tables);
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Creates the file under a temporary name, reserves all its blocks, and then gives it the name `path`. So no process sees an
 * incomplete file. Returns `false` if another process created or replaced the file first.
 */
function create(options: SharedFileOptions): boolean {
  const { path, tables, nowMs } = options;
  const next = `${path}.${process.pid}`;
  // An earlier process with the same process id may have been killed before it removed its file. In a container, ids often repeat.
  rmSync(next, { force: true });
  const fd = openSync(next, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, MODE);
  try {
    // Zeros reserve the blocks. If the disk is full later, an access to a block that is not reserved causes SIGBUS.
    const zeros = new Uint8Array(CHUNK_BYTES);
    for (let left = fileBytes(tables); left > 0; ) left -= writeSync(fd, zeros, 0, Math.min(left, CHUNK_BYTES));
    writeHeader(fd, tables, nowMs);
    return link(next, path) || replace(next, options);
  } finally {
    rmSync(next, { force: true });
    closeSync(fd);
  }
}

/** Gives the new file the name `path`. Returns `false` if a file has this name already. */
function link(next: string, path: string): boolean {
  try {
    linkSync(next, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * Replaces an unusable file by the new file. Returns `false` if another process replaced the unusable file first.
 *
 * Several processes may try to replace the file at the same time. The lock on the old file ensures that only one of them
 * succeeds. If two processes used different files, a request could be accepted twice.
 */
function replace(next: string, { path, tables, lockFile }: SharedFileOptions): boolean {
  const fd = openIfThere(path);
  if (fd === undefined) return false;
  try {
    if (usableHeader(fd, tables) !== undefined) return false;
    lockFile(fd);
    if (lstatSync(path).ino !== fstatSync(fd).ino) return false;
    renameSync(next, path);
    return true;
  } finally {
    closeSync(fd);
  }
}

function reasonOf(error: unknown, { tables, settingNames }: SharedFileOptions): string {
  const code = errorCode(error);
  const mebibytes = Math.ceil(fileBytes(tables) / 1024 / 1024);
  if (code === "ENOSPC") return `no room for ${mebibytes} MiB; lower ${settingNames.sizes}, or choose another file system`;
  if (code === "ELOOP") return "is a symbolic link";
  return messageOf(error);
}
