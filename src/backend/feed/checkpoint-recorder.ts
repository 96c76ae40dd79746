import type { Clock } from "../../core/clock.ts";
import type { FeedCheckpoint } from "../../core/feed-checkpoint.ts";

interface Mark {
  readonly atMs: number;
  readonly cursor: string;
  /** The number of cursors that were recorded before this one. */
  readonly number: number;
}

/** Kept cursors are at least `ageMs / INTERVALS` apart, so that at most about `INTERVALS` cursors are kept. */
const INTERVALS = 64;

/** Records cursors of the push feed, so that `current` can return the cursor that the feed had `ageMs` ago. */
export class CheckpointRecorder {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #ageMs: number;
  /** The kept cursors, oldest first. All except the first are younger than `ageMs`. */
  #marks: Mark[] = [];
  #recorded = 0;
  #reached: string | undefined;
  /** The last message that was not a keepalive. */
  #lastMessage: Pick<Mark, "cursor" | "number"> | undefined;

  constructor(clock: Pick<Clock, "monotonic">, ageMs: number) {
    this.#clock = clock;
    this.#ageMs = ageMs;
  }

  /** Call this with the cursor of each message, in the order of the feed. */
  record(cursor: string, isKeepalive: boolean): void {
    const number = this.#recorded++;
    this.#reached = cursor;
    if (!isKeepalive) this.#lastMessage = { cursor, number };
    const atMs = this.#clock.monotonic();
    const newest = this.#marks.at(-1);
    if (newest !== undefined && atMs - newest.atMs < this.#ageMs / INTERVALS) return;
    this.#marks.push({ atMs, cursor, number });
    const firstYoung = this.#marks.findIndex((mark) => atMs - mark.atMs < this.#ageMs);
    if (firstYoung > 1) this.#marks = this.#marks.slice(firstYoung - 1);
  }

  /** Call this at a gap in the feed. Events in the gap are lost, so a later checkpoint must start after the gap. */
  clear(): void {
    this.#marks = [];
    this.#reached = undefined;
    this.#lastMessage = undefined;
  }

  /** Returns the checkpoint; `undefined` if no cursor was recorded since the last gap. */
  current(): FeedCheckpoint | undefined {
    const [oldest] = this.#marks;
    if (oldest === undefined || this.#reached === undefined) return undefined;
    const from = oldest.cursor;
    const isAfter = this.#lastMessage !== undefined && this.#lastMessage.number > oldest.number;
    return { from, last: (isAfter && this.#lastMessage?.cursor) || from, reached: this.#reached };
  }
}
