import { fstatSync, ftruncateSync, readFileSync, readlinkSync, readSync, writeSync } from "node:fs";
import { PROCESS_SLOTS_BYTES, ProcessSlots } from "./process-slots.ts";

/** Length of the file's header in bytes: one page. The list of processes follows the header. The tables follow the list. */
const HEADER_BYTES = 4096;
const KEY_BYTES = 16;
/** Number of zero bytes that are written at a time to reserve the blocks of a new file. */
const CHUNK_BYTES = 1024 * 1024;
const MAGIC_PREFIX = "sallyport-shared-";
/** Identifies a shared file and the version of its layout. A process that expects another version does not use the file. */
const MAGIC = `${MAGIC_PREFIX}2`;
/** The first bytes of every shared file. `magic` is the first member of the header. */
const FIRST_BYTES = `{"magic":"${MAGIC_PREFIX}`;
/** The header while the file is being created. */
const INCOMPLETE = { magic: MAGIC };

/** A process uses a file only if these values in the file's header equal its own. */
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

export type FileState =
  | { readonly kind: "usable"; readonly header: Header }
  /** The file is usable, except that its list of processes is from another PID namespace. */
  | { readonly kind: "other namespace"; readonly header: Header }
  /** The file is empty, or a shared file that this process cannot use. `problem` is a clause for operators. */
  | { readonly kind: "unusable"; readonly problem: string }
  /** The file is not a shared file. Its contents must be kept. */
  | { readonly kind: "foreign" };

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

/** Creates the contents of a file: a header with a new secret key, and tables without entries. Reserves no blocks. */
export function writeNew(fd: number, tables: readonly number[], nowMs: number): void {
  ftruncateSync(fd, fileBytes(tables));
  const key = Buffer.from(crypto.getRandomValues(new Uint8Array(KEY_BYTES))).toString("base64");
  writeHeader(fd, { ...identity(tables), key, createdMs: nowMs });
}

/**
 * Does the same as `writeNew`, but also reserves the blocks of the file. If the process is killed during the call, the file is
 * `unusable`, and the next process calls this function again.
 */
export function writeNewReserved(fd: number, tables: readonly number[], nowMs: number): void {
  ftruncateSync(fd);
  writeHeader(fd, INCOMPLETE);
  // Zeros reserve the blocks. If the disk is full later, an access to a block that is not reserved causes SIGBUS.
  const zeros = new Uint8Array(CHUNK_BYTES);
  const end = fileBytes(tables);
  for (let at = HEADER_BYTES; at < end; ) at += writeSync(fd, zeros, 0, Math.min(end - at, CHUNK_BYTES), at);
  writeNew(fd, tables, nowMs);
}

/** Makes a file that is from another PID namespace usable in this one. No process of the other namespace may use the file. */
export function adopt(fd: number, header: Header, tables: readonly number[]): void {
  new ProcessSlots(mapTables(fd, header, tables).slots).freeAll();
  writeHeader(fd, { ...header, ...identity(tables) });
}

/** Replaces the whole page of the header. */
function writeHeader(fd: number, header: Partial<Header>): void {
  const page = new Uint8Array(HEADER_BYTES);
  new TextEncoder().encodeInto(JSON.stringify(header), page);
  writeSync(fd, page, 0, HEADER_BYTES, 0);
}

/** Returns whether this process can use an open file with these tables. */
export function stateOf(fd: number, tables: readonly number[]): FileState {
  const { size } = fstatSync(fd);
  if (size === 0) return { kind: "unusable", problem: "it is empty" };
  const header = readHeader(fd);
  if (header === undefined) return { kind: "foreign" };
  const own = identity(tables);
  const problem = problemOf(header, own) ?? (size === fileBytes(tables) ? undefined : "it is incomplete");
  if (problem !== undefined) return { kind: "unusable", problem };
  return { kind: header.pidNamespace === own.pidNamespace ? "usable" : "other namespace", header };
}

/** Whether an open file is neither empty nor a shared file. */
export function isForeign(fd: number): boolean {
  return fstatSync(fd).size > 0 && readHeader(fd) === undefined;
}

/** Returns the header; `undefined` if the file does not start like a shared file. Any member may be missing. */
function readHeader(fd: number): Header | undefined {
  const page = new Uint8Array(HEADER_BYTES);
  const length = readSync(fd, page, 0, HEADER_BYTES, 0);
  const text = Buffer.from(page.subarray(0, length)).toString("latin1").split("\0")[0] ?? "";
  if (!text.startsWith(FIRST_BYTES)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return JSON.parse(JSON.stringify(INCOMPLETE));
  }
}

function problemOf({ magic, bootId, tables, key, createdMs }: Header, own: Identity): string | undefined {
  if (magic !== own.magic) return "it has another layout";
  const isWhole = typeof key === "string" && Buffer.from(key, "base64").byteLength === KEY_BYTES && Number.isFinite(createdMs);
  if (!isWhole) return "it is incomplete";
  if (bootId !== own.bootId) return "it is from another boot";
  return String(tables) === String(own.tables) ? undefined : "it has other sizes";
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
