import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { messageOf } from "../../core/cause.ts";
import { StoreError } from "../../core/start-error.ts";
import { PROCESS_SLOTS_BYTES } from "./process-slots.ts";

/** Length of the file's header in bytes: one page. The process slots follow it, then the tables. */
const HEADER_BYTES = 4096;
const KEY_BYTES = 16;
const MODE = 0o600;
const MODE_MASK = 0o777;
/** Number of zero bytes that are written at a time to reserve the blocks of a new file. */
const CHUNK_BYTES = 1024 * 1024;
/** Identifies a shared file and the version of its layout. A process that expects another version does not use the file. */
const MAGIC = "sallyport-shared-2";

/** A process uses a file only if these values in the file's header equal its own (`isUsable`). */
interface Identity {
  readonly magic: string;
  /** The boot in which the file was created. A later boot may have another clock, so the stored times are useless. */
  readonly bootId: string;
  /** The namespace of the process ids in the process slots. In another namespace, the ids belong to other processes. */
  readonly pidNamespace: string;
  /** The size of each table in bytes. */
  readonly tables: readonly number[];
}

interface Header extends Identity {
  /** The secret seed of all fingerprints, base64 of 16 bytes. */
  readonly key: string;
  /** When the file was created, in Unix ms. The tables contain all reservations made since then. */
  readonly createdMs: number;
}

export interface SharedFileOptions {
  readonly path: string;
  /** The size of each table in bytes. */
  readonly tables: readonly number[];
  readonly nowMs: number;
  /** Waits for the exclusive lock on an open file. The lock ends when the file is closed. */
  readonly lockFile: (fd: number) => void;
}

/** Maximum number of attempts to open the file. The start then fails, because other processes keep replacing the file. */
const ATTEMPTS_MAX = 5;

/** A file that several processes have mapped into their memory. */
export interface SharedFile {
  readonly buffer: ArrayBuffer;
  readonly slots: Int32Array;
  /** The offset of each table in `buffer`. */
  readonly offsets: readonly number[];
  readonly key: Uint8Array;
  readonly createdMs: number;
  /** Whether this call created the file. */
  readonly isNew: boolean;
}

/**
 * Opens the shared file. Creates the file if it does not exist. Throws `StoreError` if the file cannot be used or created. For
 * example, the disk is full, or the file belongs to another user.
 *
 * - A file with another `Identity` is replaced by a new, empty file. All its reservations are lost.
 * - Processes that have already opened the old file continue to use it. So only the supervisor may call this function with new
 *   table sizes.
 */
export function openSharedFile(options: SharedFileOptions): SharedFile {
  try {
    let isNew = false;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const opened = openExisting(options);
      if (opened !== undefined) return { ...opened, isNew };
      isNew = create(options);
    }
    throw new Error("other processes replace it");
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(`stores.shared_file ${options.path}: ${reasonOf(error, options)}`, { cause: error });
  }
}

function openExisting({ path, tables }: SharedFileOptions): Omit<SharedFile, "isNew"> | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new StoreError(`stores.shared_file ${path}: not a regular file`);
    if (stat.uid !== process.getuid?.()) throw new StoreError(`stores.shared_file ${path}: belongs to another user`);
    if ((stat.mode & MODE_MASK) !== MODE) throw new StoreError(`stores.shared_file ${path}: its mode must be 0600`);
    const header = usableHeader(fd, tables);
    if (header === undefined) return undefined;
    // Maps the file by its descriptor, because the path may already name another file.
    const { buffer } = Bun.mmap(`/proc/self/fd/${fd}`, { shared: true });
    return {
      buffer,
      slots: new Int32Array(buffer, HEADER_BYTES, PROCESS_SLOTS_BYTES / Int32Array.BYTES_PER_ELEMENT),
      offsets: tables.map((_, at) => tablesAt(tables.slice(0, at))),
      key: Buffer.from(header.key, "base64"),
      createdMs: header.createdMs,
    };
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
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
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES))).toString("base64");
  const header: Header = { ...identity(tables), key, createdMs: nowMs };
  // An earlier process with the same id may have been killed before it removed this file. In a container, ids often repeat.
  rmSync(next, { force: true });
  const fd = openSync(next, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, MODE);
  try {
    // Zeros reserve the blocks. If the disk is full later, an access to a block that is not reserved causes SIGBUS.
    const zeros = new Uint8Array(CHUNK_BYTES);
    for (let left = fileBytes(tables); left > 0; ) left -= writeSync(fd, zeros, 0, Math.min(left, CHUNK_BYTES));
    const encoded = new TextEncoder().encode(JSON.stringify(header));
    writeSync(fd, encoded, 0, encoded.byteLength, 0);
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
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/**
 * Replaces an unusable file by the new file. Returns `false` if another process replaced it first.
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

/** Returns the header of an open file; `undefined` if this process cannot use the file. */
function usableHeader(fd: number, tables: readonly number[]): Header | undefined {
  const header = readHeader(fd);
  const isWhole = header !== undefined && fstatSync(fd).size === fileBytes(tables);
  return isWhole && isUsable(header, identity(tables)) ? header : undefined;
}

function readHeader(fd: number): Header | undefined {
  const page = new Uint8Array(HEADER_BYTES);
  readSync(fd, page, 0, HEADER_BYTES, 0);
  try {
    return JSON.parse(new TextDecoder().decode(page.subarray(0, page.indexOf(0))));
  } catch {
    return undefined;
  }
}

function isUsable(header: Header, own: Identity): boolean {
  const { magic, bootId, pidNamespace, tables, key, createdMs } = header;
  const isOwn = magic === own.magic && bootId === own.bootId && pidNamespace === own.pidNamespace;
  const isWhole = typeof key === "string" && Buffer.from(key, "base64").byteLength === KEY_BYTES && Number.isFinite(createdMs);
  return isOwn && isWhole && String(tables) === String(own.tables);
}

function identity(tables: readonly number[]): Identity {
  const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return { magic: MAGIC, bootId, pidNamespace: readlinkSync("/proc/self/ns/pid"), tables };
}

function tablesAt(before: readonly number[]): number {
  return HEADER_BYTES + PROCESS_SLOTS_BYTES + before.reduce((sum, bytes) => sum + bytes, 0);
}

function fileBytes(tables: readonly number[]): number {
  return tablesAt(tables);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function reasonOf(error: unknown, { tables }: SharedFileOptions): string {
  const code = codeOf(error);
  const mebibytes = Math.ceil(fileBytes(tables) / 1024 / 1024);
  if (code === "ENOSPC") return `no room for ${mebibytes} MiB; lower the *.entries_max settings or choose another file system`;
  if (code === "ELOOP") return "is a symbolic link";
  return messageOf(error);
}
