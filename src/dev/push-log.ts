import type { Database } from "bun:sqlite";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "../core/clock.ts";
import { type PushEvent, PushEventSchema } from "../gen/sallyport/v1/push_pb.ts";
import { type DevLimits, PUSH_BATCH_EVENTS_MAX } from "./limits.ts";

/** The content of a push event. The push log adds the cursor. */
export type PushKind = NonNullable<MessageInitShape<typeof PushEventSchema>["kind"]>;

/** An event and its number (`seq`) in the push log. `event.cursor` contains `seq` as decimal text. */
export interface LogEntry {
  readonly seq: number;
  readonly event: PushEvent;
}

interface Row {
  readonly seq: number;
  readonly event: Uint8Array;
}

interface LogPosition {
  readonly seq: number;
  /** Total size of all events that were ever appended, up to and including this event, in bytes. */
  readonly endBytes: number;
}

/**
 * The newest push events, numbered. A push stream reads them from this log, and stores only the number of its last event. So no
 * queue is needed for a slow gateway.
 *
 * The first number is the creation time of the log, in microseconds. So after a restart with an empty database, every new number
 * is larger than every old cursor. Old cursors are then refused as out of range.
 */
export class PushLog {
  readonly #database: Database;
  readonly #limits: DevLimits;
  readonly #waiting = new Set<() => void>();

  constructor(database: Database, clock: Clock, limits: DevLimits) {
    this.#database = database;
    this.#limits = limits;
    if (this.#newest() === undefined) this.#insert({ seq: clock.now() * 1000, endBytes: 0 }, new Uint8Array());
  }

  /** Returns the number of the newest event. */
  newestSeq(): number {
    return this.#newest()?.seq ?? 0;
  }

  /** Returns whether the log has every event after the number `seq`. False if `seq` is larger than the newest number. */
  holdsAfter(seq: number): boolean {
    const [oldest, newest] = [this.#oldest(), this.#newest()];
    return oldest !== undefined && newest !== undefined && oldest.seq - 1 <= seq && seq <= newest.seq;
  }

  /** Returns at most `PUSH_BATCH_EVENTS_MAX` events after the number `seq`, oldest first. */
  readAfter(seq: number): LogEntry[] {
    return this.#database
      .query<Row, [number, number]>("SELECT seq, event FROM push_log WHERE seq > ? ORDER BY seq LIMIT ?")
      .all(seq, PUSH_BATCH_EVENTS_MAX)
      .map(toEntry);
  }

  /**
   * Appends the events in one transaction, then wakes the waiting streams. Deletes the oldest events if a limit is exceeded.
   */
  append(kinds: readonly PushKind[]): void {
    this.#database.transaction(() => {
      let last = this.#newest() ?? { seq: 0, endBytes: 0 };
      for (const kind of kinds) {
        const bytes = toBinary(PushEventSchema, create(PushEventSchema, { kind }));
        last = { seq: last.seq + 1, endBytes: last.endBytes + bytes.byteLength };
        this.#insert(last, bytes);
      }
      this.#prune(last);
    })();
    for (const wake of this.#waiting) wake();
  }

  /** Resolves to `appended` at the next append. Resolves to `timeout` after `timeoutMs`, or when `signal` aborts. */
  waitForAppend(timeoutMs: number, signal: AbortSignal): Promise<"appended" | "timeout"> {
    return new Promise((resolve) => {
      const settle = (outcome: "appended" | "timeout") => {
        clearTimeout(timer);
        this.#waiting.delete(onAppend);
        signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      };
      const onAppend = () => settle("appended");
      const onAbort = () => settle("timeout");
      const timer = setTimeout(onAbort, timeoutMs);
      this.#waiting.add(onAppend);
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
    });
  }

  #prune(newest: LogPosition): void {
    for (let oldest = this.#oldest(); oldest !== undefined && oldest.seq < newest.seq; oldest = this.#oldest()) {
      const events = newest.seq - oldest.seq + 1;
      const bytesAfter = newest.endBytes - oldest.endBytes;
      if (events <= this.#limits.pushEventsMax && bytesAfter <= this.#limits.pushBytesMax) return;
      this.#database.query<null, [number]>("DELETE FROM push_log WHERE seq = ?").run(oldest.seq);
    }
  }

  #insert(position: LogPosition, event: Uint8Array): void {
    this.#database
      .query<null, [number, Uint8Array, number]>("INSERT INTO push_log (seq, event, end_bytes) VALUES (?, ?, ?)")
      .run(position.seq, event, position.endBytes);
  }

  #oldest(): LogPosition | undefined {
    return this.#position("SELECT seq, end_bytes AS endBytes FROM push_log ORDER BY seq LIMIT 1");
  }

  #newest(): LogPosition | undefined {
    return this.#position("SELECT seq, end_bytes AS endBytes FROM push_log ORDER BY seq DESC LIMIT 1");
  }

  #position(query: string): LogPosition | undefined {
    return this.#database.query<LogPosition, []>(query).get() ?? undefined;
  }
}

function toEntry(row: Row): LogEntry {
  const event = fromBinary(PushEventSchema, row.event);
  event.cursor = String(row.seq);
  return { seq: row.seq, event };
}
