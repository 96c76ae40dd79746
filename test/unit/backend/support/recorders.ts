import type { ClientAudience, ClientEvent, LostKind, PushFeedSink } from "../../../../src/core/events.ts";
import type { Revocation } from "../../../../src/core/sessions.ts";
import type { Labels, Log, LogFields, Metrics } from "../../../../src/core/telemetry.ts";

/** Records metrics as `name{label="value"}` → sum of a counter, last value of a gauge, or number of observations. */
export class RecordingMetrics implements Metrics {
  readonly values = new Map<string, number>();

  count(name: string, labels?: Labels, by = 1): void {
    this.#add(name, labels, by);
  }

  gauge(name: string, value: number, labels?: Labels): void {
    this.values.set(key(name, labels), value);
  }

  observe(name: string, _value: number, labels?: Labels): void {
    this.#add(name, labels, 1);
  }

  #add(name: string, labels: Labels | undefined, by: number): void {
    const at = key(name, labels);
    this.values.set(at, (this.values.get(at) ?? 0) + by);
  }
}

function key(name: string, labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

export class RecordingLog implements Log {
  readonly lines: string[] = [];

  debug(message: string, fields?: LogFields): void {
    this.lines.push(`${message} ${JSON.stringify(fields)}`);
  }

  info(message: string, fields?: LogFields): void {
    this.debug(message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.debug(message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.debug(message, fields);
  }
}

/** Records deliveries in order. */
export class RecordingSink implements PushFeedSink {
  readonly entries: string[] = [];
  /** The cursor of each message that has one, and the name of the call that passed it. */
  readonly cursors: string[] = [];
  readonly #waiting = new Set<() => void>();
  /** The delivery of this entry throws. */
  failOn: string | undefined;

  event(event: ClientEvent, cursor?: string): void {
    this.#noteCursor("event", cursor);
    this.note(`event ${event.eventId || event.eventType}`);
  }

  lost({ userId, deviceSessionId }: ClientAudience, what?: LostKind, cursor?: string): void {
    this.#noteCursor("lost", cursor);
    this.note(`lost ${what === "revocation" ? "revocation " : ""}${userId}/${deviceSessionId}`);
  }

  revoke({ userId, deviceSessionId }: Revocation, cursor?: string): void {
    this.#noteCursor("revoke", cursor);
    this.note(`revoke ${userId}/${deviceSessionId}`);
  }

  reached(cursor: string): void {
    this.#noteCursor("reached", cursor);
  }

  gap(): void {
    this.note("gap");
  }

  #noteCursor(call: string, cursor: string | undefined): void {
    if (cursor !== undefined) this.cursors.push(`${call} ${cursor}`);
  }

  note(entry: string): void {
    if (entry === this.failOn) throw new Error("the sink failed");
    this.entries.push(entry);
    for (const check of this.#waiting) check();
  }

  until(isReached: (entries: readonly string[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!isReached(this.entries)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}
