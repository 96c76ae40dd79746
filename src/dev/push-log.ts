import type { Database } from "bun:sqlite";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "../core/clock.ts";
import { type PushEvent, PushEventSchema } from "../gen/sallyport/v1/push_pb.ts";
import { type DevLimits, PUSH_BATCH_EVENTS_MAX } from "./limits.ts";

/** What happened, as it is logged: a push event that has no cursor yet. */
export type PushKind = MessageInitShape<typeof PushEventSchema>["kind"];

/** An event and its place in the log: `event.cursor` is `seq` as text. */
export interface LogEntry {
  readonly seq: number;
  readonly event: PushEvent;
}

interface Row {
  readonly seq: number;
  readonly event: Uint8Array;
}

interface Place {
  readonly seq: number;
  /** Bytes of all events ever logged, up to and including this one. */
  readonly endBytes: number;
}

/**
 * Everything that was pushed, numbered, the newest part of it kept. The log is the queue of every push stream: a stream holds nothing
 * but its place, so a slow gateway costs nothing, and one that returns reads on from where it was.
 *
 * Numbers begin at the time of the log's creation in microseconds. A log that replaces another one (the backend restarted without
 * its database) so lies wholly after it, and no cursor of the old one is ever taken for a place in the new one.
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

  /** The place of the newest event. */
  head(): number {
    return this.#newest()?.seq ?? 0;
  }

  /** Whether the log still holds everything after `seq`. */
  reaches(seq: number): boolean {
    const [oldest, newest] = [this.#oldest(), this.#newest()];
    return oldest !== undefined && newest !== undefined && oldest.seq - 1 <= seq && seq <= newest.seq;
  }

  /** The next events after `seq`, one batch of them; none where `seq` is the head. */
  readAfter(seq: number): LogEntry[] {
    return this.#database
      .query<Row, [number, number]>("SELECT seq, event FROM push_log WHERE seq > ? ORDER BY seq LIMIT ?")
      .all(seq, PUSH_BATCH_EVENTS_MAX)
      .map(toEntry);
  }

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

  /** Waits for the next append, `timeoutMs` at most; `signal` ends the wait. Read the log anew afterwards. */
  waitForAppend(timeoutMs: number, signal: AbortSignal): Promise<"appended" | "quiet"> {
    return new Promise((resolve) => {
      const settle = (outcome: "appended" | "quiet") => {
        clearTimeout(timer);
        this.#waiting.delete(onAppend);
        signal.removeEventListener("abort", onAbort);
        resolve(outcome);
      };
      const onAppend = () => settle("appended");
      const onAbort = () => settle("quiet");
      const timer = setTimeout(onAbort, timeoutMs);
      this.#waiting.add(onAppend);
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
    });
  }

  #prune(newest: Place): void {
    for (let oldest = this.#oldest(); oldest !== undefined && oldest.seq < newest.seq; oldest = this.#oldest()) {
      const events = newest.seq - oldest.seq + 1;
      const bytesAfter = newest.endBytes - oldest.endBytes;
      if (events <= this.#limits.pushEventsMax && bytesAfter <= this.#limits.pushBytesMax) return;
      this.#database.query<null, [number]>("DELETE FROM push_log WHERE seq = ?").run(oldest.seq);
    }
  }

  #insert(place: Place, event: Uint8Array): void {
    this.#database
      .query<null, [number, Uint8Array, number]>("INSERT INTO push_log (seq, event, end_bytes) VALUES (?, ?, ?)")
      .run(place.seq, event, place.endBytes);
  }

  #oldest(): Place | undefined {
    return this.#place("SELECT seq, end_bytes AS endBytes FROM push_log ORDER BY seq LIMIT 1");
  }

  #newest(): Place | undefined {
    return this.#place("SELECT seq, end_bytes AS endBytes FROM push_log ORDER BY seq DESC LIMIT 1");
  }

  #place(query: string): Place | undefined {
    return this.#database.query<Place, []>(query).get() ?? undefined;
  }
}

function toEntry(row: Row): LogEntry {
  const event = fromBinary(PushEventSchema, row.event);
  event.cursor = String(row.seq);
  return { seq: row.seq, event };
}
