import { type EventFileKind, type ReadFile, readEventFile } from "./event-file-reader.ts";
import type { EventRecord } from "./event-record.ts";

/** The events of the two files of the event log. */
export interface StoredEvents {
  /** All undamaged records, oldest first. */
  readonly records: readonly EventRecord[];
  /**
   * An index in `records`. From the record at this index to the last event, no record is missing. If the last event itself may be
   * missing, the index is `records.length`.
   */
  readonly wholeFrom: number;
  /**
   * The sequence number of the next event. If the last event may be missing, one number is skipped. By this gap, every later start
   * detects the loss.
   */
  readonly next: number;
  /** The position in the newer file at which the next event is written, in bytes; `undefined` if a new file is needed. */
  readonly continueAt: number | undefined;
  /** What is wrong with the files. Because of a problem, some stored events are not delivered again. */
  readonly problems: readonly StoredProblem[];
}

export interface StoredProblem {
  readonly path: string;
  readonly kind: "damaged" | "other kind";
}

/**
 * Reads both files of the event log. `closedAt` is the sequence number of the next event. The last run wrote this number when it
 * closed the log. `closedAt` is `undefined` if the log was not closed.
 */
export function readStoredEvents(
  path: string,
  olderPath: string,
  kind: EventFileKind,
  closedAt: number | undefined,
): StoredEvents {
  const older = readEventFile(olderPath, kind);
  const newer = readEventFile(path, kind);
  const records = [...(older?.records ?? []), ...(newer?.records ?? [])];
  const end = endOf(newer);
  const isEmpty = older === undefined && newer === undefined && closedAt === undefined;
  const isEndLost = end === undefined || (closedAt === undefined ? newer?.isEndDamaged === true : end !== closedAt);
  const problems = [...problemsOf(olderPath, older, false), ...problemsOf(path, newer, isEndLost && !isEmpty)];
  if (isEndLost) {
    const newest = records.reduce((most, { sequence }) => Math.max(most, sequence), closedAt ?? 0);
    return { records, wholeFrom: records.length, next: newest + 2, continueAt: undefined, problems };
  }
  const newerWhole = wholeRecords(newer);
  const isJoined = newer?.first !== undefined && newerWhole.isComplete && endOf(older) === newer.first;
  const whole = newerWhole.count + (isJoined ? wholeRecords(older).count : 0);
  return { records, wholeFrom: records.length - whole, next: end, continueAt: newer?.goodBytes, problems };
}

/**
 * Returns the sequence number after the last record. Returns `undefined` if the file is missing or of another kind, or if its
 * header is damaged.
 */
function endOf(file: ReadFile | undefined): number | undefined {
  const last = file?.records.at(-1);
  return file?.first === undefined || last === undefined ? file?.first : last.sequence + 1;
}

/** Counts the records of a file after its last gap. `isComplete`: the file has no gap. */
function wholeRecords(file: ReadFile | undefined): { readonly count: number; readonly isComplete: boolean } {
  if (file?.first === undefined) return { count: 0, isComplete: false };
  let [expected, from, isComplete] = [file.first, 0, true];
  for (const [index, { sequence }] of file.records.entries()) {
    if (sequence !== expected) [from, isComplete] = [index, false];
    expected = sequence + 1;
  }
  return { count: file.records.length - from, isComplete };
}

function problemsOf(path: string, file: ReadFile | undefined, isEndLost: boolean): readonly StoredProblem[] {
  if (file?.isOtherKind) return [{ path, kind: "other kind" }];
  return file?.isDamaged || isEndLost ? [{ path, kind: "damaged" }] : [];
}
