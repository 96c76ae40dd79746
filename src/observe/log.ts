import { type Clock, systemClock } from "../core/clock.ts";
import type { Log, LogFields } from "../core/telemetry.ts";
import { FORMATTERS, LEVELS, type Level, type LogFormat } from "./log-line.ts";

/** Writes one batch of lines. Each line ends in a line feed. If the sink returns a promise, the next batch waits for it. */
export type LogSink = (batch: string) => unknown;

export interface LogOptions {
  readonly level: Level;
  readonly format: LogFormat;
  readonly write: LogSink;
  readonly clock?: Clock;
  /** The first fields of every line. A field of the line itself takes precedence. */
  readonly fields?: LogFields | undefined;
  /** Called with the number of dropped log lines if the sink failed or the buffer was full. */
  readonly onDropped?: (lines: number) => void;
}

export interface BatchedLog extends Log {
  /** Writes all buffered lines. Resolves after at most `waitMs`, so that a blocked sink cannot delay the exit. */
  flush(waitMs?: number): Promise<void>;
  /** Drops lines below this level from now on. */
  setLevel(level: Level): void;
  /** Replaces the fields of every line from now on. */
  setFields(fields: LogFields | undefined): void;
}

/** Maximum time that a line waits for the rest of its batch, in ms. */
const BATCH_MS = 50;
/** Size at which a batch is written immediately, in UTF-16 units. Counting bytes instead would be slower. */
const BATCH_CHARS = 64 * 1024;
/** Maximum size of the buffered lines, in UTF-16 units. While the buffer is full, new lines are dropped and counted. */
const BUFFER_CHARS_MAX = 4 * 1024 * 1024;
/** Default of `waitMs` in `flush`, in ms. */
const FLUSH_MS = 1000;

export function createLog(options: LogOptions): BatchedLog {
  const { format, write, clock = systemClock, onDropped = () => {} } = options;
  const line = FORMATTERS[format];
  const buffer = new LineBuffer(write, onDropped);
  const isoTime = isoTimes();
  let common = options.fields;
  let lowest = LEVELS.indexOf(options.level);
  const logger = (at: Level) => {
    const rank = LEVELS.indexOf(at);
    return (message: string, fields?: LogFields) => {
      if (rank < lowest) return;
      const all = common === undefined ? fields : { ...common, ...fields };
      buffer.add(line(isoTime(clock.now()), at, message, all));
    };
  };
  return {
    debug: logger("debug"),
    info: logger("info"),
    warn: logger("warn"),
    error: logger("error"),
    flush: (waitMs = FLUSH_MS) => buffer.flush(waitMs),
    setLevel(level) {
      lowest = LEVELS.indexOf(level);
    },
    setFields(fields) {
      common = fields;
    },
  };
}

/**
 * Returns a function that formats a time as ISO 8601. The last result is cached, because many lines are written in the same
 * millisecond.
 */
function isoTimes(): (nowMs: number) => string {
  let lastMs = Number.NaN;
  let last = "";
  return (nowMs) => {
    if (nowMs !== lastMs) [lastMs, last] = [nowMs, new Date(nowMs).toISOString()];
    return last;
  };
}

/** Buffers lines up to a bound and writes them to the sink, one batch at a time. */
class LineBuffer {
  readonly #write: LogSink;
  readonly #onDropped: (lines: number) => void;
  #lines: string[] = [];
  #chars = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;

  constructor(write: LogSink, onDropped: (lines: number) => void) {
    this.#write = write;
    this.#onDropped = onDropped;
  }

  add(line: string): void {
    if (this.#chars + line.length > BUFFER_CHARS_MAX) {
      this.#onDropped(1);
      return;
    }
    this.#lines.push(line);
    this.#chars += line.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#writing !== undefined || this.#lines.length === 0) return;
    if (this.#chars >= BATCH_CHARS) this.#writeBatch();
    else if (this.#timer === undefined) this.#timer = setTimeout(() => this.#writeBatch(), BATCH_MS).unref();
  }

  async flush(waitMs: number): Promise<void> {
    const deadline = Promise.withResolvers<"late">();
    const timer = setTimeout(() => deadline.resolve("late"), waitMs);
    while (this.#writing !== undefined || this.#lines.length > 0) {
      this.#writeBatch();
      if ((await Promise.race([this.#writing, deadline.promise])) === "late") break;
    }
    clearTimeout(timer);
  }

  #writeBatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined || this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#chars = 0;
    this.#writing = this.#deliver(lines).finally(() => this.#delivered());
  }

  /** Writes the lines to the sink. If the sink fails, for example because the disk is full, counts the lines as dropped. */
  async #deliver(lines: readonly string[]): Promise<void> {
    try {
      await this.#write(`${lines.join("\n")}\n`);
    } catch {
      this.#onDropped(lines.length);
    }
  }

  #delivered(): void {
    this.#writing = undefined;
    this.#schedule();
  }
}
