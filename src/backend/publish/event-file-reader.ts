import { readFileSync } from "node:fs";
import { errorCode } from "../../core/cause.ts";
import { isJsonObject } from "../../core/json-body.ts";
import { decodeLine, decodeRecord, type EventRecord } from "./event-record.ts";

/**
 * The first line of an event log file. After a restart, the gateway delivers the events of the file again only if the files that it
 * now writes have the same `EventFileKind`.
 */
export interface EventFileHeader extends EventFileKind {
  /** The sequence number of the first record. */
  readonly first: number;
}

export interface EventFileKind {
  readonly format: "sallyport push log 2";
  /** The value of `push.log_sync` with which the file was written. */
  readonly sync: "always" | "os";
  /**
   * With `sync: "os"`, the boot id of the machine. A reboot can lose the end of the file. So the events of a file with another
   * boot id are not delivered again. With `sync: "always"`, `bootId` is an empty string.
   */
  readonly bootId: string;
}

export interface ReadFile {
  /** The sequence number of the first record; `undefined` if the header is damaged or the file is of another kind. */
  readonly first: number | undefined;
  /** True if the header is undamaged and names another kind of file than the expected one. */
  readonly isOtherKind: boolean;
  /** All undamaged records. Gaps in their sequence numbers show lost records. */
  readonly records: readonly EventRecord[];
  /** The size of the file up to and including its last undamaged line, in bytes. */
  readonly goodBytes: number;
  /** Whether a line is damaged. An incomplete last line does not count, because a crash during a write leaves such a line. */
  readonly isDamaged: boolean;
  /** Whether damaged lines follow the last undamaged line. */
  readonly isEndDamaged: boolean;
}

const NEWLINE = 0x0a;

/** Reads an event log file. Returns `undefined` if there is no file at `path`. */
export function readEventFile(path: string, kind: EventFileKind): ReadFile | undefined {
  const bytes = readIfPresent(path);
  if (bytes === undefined) return undefined;
  const lines = linesOf(bytes);
  const header = lines.next().value;
  const value = header === undefined ? undefined : decodeLine(header.text);
  const records: EventRecord[] = [];
  let goodBytes = header?.end ?? 0;
  let isDamaged = value === undefined;
  let isEndDamaged = value === undefined;
  let end = goodBytes;
  for (const line of lines) {
    end = line.end;
    const record = decodeRecord(line.text);
    isEndDamaged = record === undefined;
    isDamaged ||= isEndDamaged;
    if (record === undefined) continue;
    records.push(record);
    goodBytes = end;
  }
  if (!isUnfinishedLine(bytes.toString("utf8", end))) isDamaged = isEndDamaged = true;
  const first = firstOf(value, kind);
  return { first, isOtherKind: value !== undefined && first === undefined, records, goodBytes, isDamaged, isEndDamaged };
}

/** Matches the start of a file of the event log, even a cut one: a checksum, then a space. After a crash, zeros may be there. */
const START = /^([0-9a-f]{1,8}( |$)|\0|$)/;

/**
 * Whether there is a file at `path` that is not a file of an event log, not even a damaged one. Its contents must be kept. Returns
 * false if it cannot be read.
 */
export function isForeignFile(path: string): boolean {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return false;
  }
  return !START.test(bytes.toString("latin1", 0, 9)) && linesOf(bytes).every(({ text }) => decodeLine(text) === undefined);
}

function readIfPresent(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Yields the lines that end with a newline. `end` is the position after the newline, in bytes. */
function* linesOf(bytes: Buffer): Generator<{ readonly text: string; readonly end: number }, undefined> {
  let at = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, at)) {
    yield { text: bytes.toString("utf8", at, end), end: end + 1 };
    at = end + 1;
  }
  return undefined;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: a line of the log contains none
const CONTROL = /[\u0000-\u001f]/;

/**
 * Whether the text after the last newline may be the start of a line whose write was cut short. Returns `false` if the text is a
 * complete line, and only its newline is damaged. Also returns `false` if the text contains a control character.
 */
function isUnfinishedLine(text: string): boolean {
  return !CONTROL.test(text) && decodeLine(text.slice(0, -1)) === undefined;
}

function firstOf(header: unknown, { format, sync, bootId }: EventFileKind): number | undefined {
  if (!isJsonObject(header)) return undefined;
  if (header["format"] !== format || header["sync"] !== sync || header["bootId"] !== bootId) return undefined;
  return typeof header["first"] === "number" ? header["first"] : undefined;
}
