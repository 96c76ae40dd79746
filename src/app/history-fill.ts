import { CheckpointRecorder } from "../backend/feed/checkpoint-recorder.ts";
import type { Clock } from "../core/clock.ts";
import type { PushFeedSink } from "../core/events.ts";
import type { FeedCheckpointStore } from "../core/feed-checkpoint.ts";
import type { Hub } from "../hub/hub.ts";

/** Interval at which a changed checkpoint is stored, in ms. A process that is killed reads this much of the feed once more. */
const SAVE_INTERVAL_MS = 1000;
/** Maximum duration of the fill after the push feed came up, in ms. */
const FILL_MS_MAX = 5000;
/** Maximum time for which a subscription waits for the end of the fill, in ms. Its client then fetches its state again. */
const WAIT_MS_MAX = 5000;

export interface HistoryFillParts {
  readonly hub: Pick<Hub, "beginFill" | "endFill">;
  /** `undefined`: the gateway keeps no checkpoint, so its history is empty after every start. */
  readonly checkpoints: FeedCheckpointStore | undefined;
  /** The age of the oldest events in the history, in ms. */
  readonly ageMs: number;
  readonly clock: Pick<Clock, "monotonic">;
}

/**
 * Fills the history after a start: the push feed starts at a cursor of before the restart, and the hub stores the events up to the last
 * cursor before the restart without delivering them. So clients of before the restart can resume.
 */
export class HistoryFill {
  readonly #parts: HistoryFillParts;
  readonly #recorder: CheckpointRecorder;
  readonly #done = Promise.withResolvers<void>();
  readonly #saving: Timer;
  #last: string | undefined;
  #limit: Timer | undefined;
  #isSaved = true;
  /** The cursor at which the push feed starts; empty if it starts with new events. */
  readonly startCursor: string;

  constructor(parts: HistoryFillParts) {
    this.#parts = parts;
    this.#recorder = new CheckpointRecorder(parts.clock, parts.ageMs);
    const checkpoint = parts.checkpoints?.load();
    this.#last = checkpoint?.last;
    this.startCursor = checkpoint?.from ?? "";
    if (checkpoint === undefined) this.#done.resolve();
    else parts.hub.beginFill();
    this.#saving = setInterval(() => this.#save(), SAVE_INTERVAL_MS).unref();
  }

  get isFilling(): boolean {
    return this.#last !== undefined;
  }

  /** Resolves when the fill has ended, or after 5 s. */
  async wait(): Promise<void> {
    if (!this.isFilling) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, WAIT_MS_MAX);
    await Promise.race([this.#done.promise, late]);
    clearTimeout(timer);
  }

  /** Returns a sink that passes every message on, and follows the cursors. */
  watch(sink: PushFeedSink): PushFeedSink {
    return {
      event: (event, cursor) => this.#follow(cursor, () => sink.event(event, cursor)),
      lost: (audience, what, cursor) => this.#follow(cursor, () => sink.lost(audience, what, cursor)),
      revoke: (revocation, cursor) => this.#follow(cursor, () => sink.revoke(revocation, cursor)),
      reached: (cursor) => this.#follow(cursor, () => sink.reached(cursor)),
      gap: () => {
        this.#recorder.clear();
        this.#end();
        sink.gap();
      },
    };
  }

  /** Call this when the push feed came up. */
  feedUp(): void {
    if (this.isFilling) this.#limit ??= setTimeout(() => this.#end(), FILL_MS_MAX);
  }

  /** Stores the checkpoint for the last time. */
  stop(): void {
    clearInterval(this.#saving);
    clearTimeout(this.#limit);
    this.#save();
  }

  #follow(cursor: string | undefined, deliver: () => void): void {
    deliver();
    if (cursor === undefined) return;
    this.#recorder.record(cursor);
    this.#isSaved = false;
    if (cursor === this.#last) this.#end();
  }

  #end(): void {
    if (!this.isFilling) return;
    this.#last = undefined;
    clearTimeout(this.#limit);
    this.#parts.hub.endFill();
    this.#done.resolve();
  }

  #save(): void {
    const checkpoint = this.#recorder.current();
    // While the history is being filled, the stored checkpoint is still the right one for the next start.
    if (checkpoint === undefined || this.#isSaved || this.isFilling) return;
    this.#parts.checkpoints?.save(checkpoint);
    this.#isSaved = true;
  }
}
