import { fstatSync, readFileSync, readlinkSync, readSync, writeSync } from "node:fs";
import { PROCESS_SLOTS_BYTES } from "./process-slots.ts";

/** Length of the file's header in bytes: one page. The list of processes follows the header. The tables follow the list. */
const HEADER_BYTES = 4096;
const KEY_BYTES = 16;
/** Identifies a shared file and the version of its layout. A process that expects another version does not use the file. */
const MAGIC = "sallyport-shared-2";

/** A process uses a file only if these values in the file's header equal its own (`isUsable`). */
interface Identity {
  readonly magic: string;
  /** Identifies the boot in which the file was created. After a reboot, the clock may differ, so the stored times are not valid. */
  readonly bootId: string;
  /** The namespace of the pids in the file. In another namespace, these pids belong to other processes. */
  readonly pidNamespace: string;
  /** The size of each table in bytes. */
  readonly tables: readonly number[];
}

export interface Header extends Identity {
  /** The secret key of the keyed hash that the tables use, base64 of 16 bytes. */
  readonly key: string;
  /** When the file was created, in Unix ms. The tables contain all reservations made since then. */
  readonly createdMs: number;
}

/** The mapped memory of a shared file. */
export interface SharedTables {
  readonly buffer: ArrayBuffer;
  readonly slots: Int32Array;
  /** The offset of each table in `buffer`. */
  readonly offsets: readonly number[];
  readonly key: Uint8Array;
  readonly createdMs: number;
}

/** Maps an open file into memory. `tables`: the size of each table in bytes. */
export function mapTables(fd: number, header: Header, tables: readonly number[]): SharedTables {
  // Maps the file by its descriptor, because its path may already name another file.
  const { buffer } = Bun.mmap(`/proc/self/fd/${fd}`, { shared: true });
  return {
    buffer,
    slots: new Int32Array(buffer, HEADER_BYTES, PROCESS_SLOTS_BYTES / Int32Array.BYTES_PER_ELEMENT),
    offsets: tables.map((_, at) => tablesAt(tables.slice(0, at))),
    key: Buffer.from(header.key, "base64"),
    createdMs: header.createdMs,
  };
}

/** Writes a new header, with a new secret key, at the start of an open file. The rest of the file must be zero. */
export function writeHeader(fd: number, tables: readonly number[], nowMs: number): void {
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES))).toString("base64");
  const header: Header = { ...identity(tables), key, createdMs: nowMs };
  const encoded = new TextEncoder().encode(JSON.stringify(header));
  writeSync(fd, encoded, 0, encoded.byteLength, 0);
}

/** Returns the header of an open file; `undefined` if this process cannot use the file. */
export function usableHeader(fd: number, tables: readonly number[]): Header | undefined {
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

/** Returns the length of a file with these tables, in bytes. */
export function fileBytes(tables: readonly number[]): number {
  return tablesAt(tables);
}
