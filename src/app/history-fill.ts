import { CheckpointRecorder } from "../backend/feed/checkpoint-recorder.ts";
import type { Clock } from "../core/clock.ts";
import type { PushFeedSink } from "../core/events.ts";
import type { FeedCheckpoint, FeedCheckpointStore } from "../core/feed-checkpoint.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Hub } from "../hub/hub.ts";

/**
 * Interval at which a changed checkpoint is stored, in ms. If the process is killed, the stored checkpoint is at most this old.
 */
const SAVE_INTERVAL_MS = 1000;
/**
 * An unchanged checkpoint is stored again after `ageMs * RENEW_SHARE`. Otherwise, the checkpoint of a feed without messages
 * would expire after `ageMs`.
 */
const RENEW_SHARE = 1 / 8;
/** Maximum time to fill the replay buffers after the push feed has come up, in ms. */
const FILL_MS_MAX = 5000;
/**
 * Maximum time for which a subscription waits until the replay buffers are filled, in ms. After this time, the client must fetch
 * its state again.
 */
const WAIT_MS_MAX = 5000;

export interface HistoryFillParts {
  readonly hub: Pick<Hub, "beginFill" | "endFill" | "reached">;
  readonly revocations: Pick<Revocations, "lost">;
  /** `undefined`: the gateway keeps no checkpoint, so the replay buffers are empty after every start. */
  readonly checkpoints: FeedCheckpointStore | undefined;
  /**
   * Whether the push source chooses the events that fill the replay buffers, as `StreamSource` does. The push source then calls
   * `begin` once. Until this call, `isFilling` is true.
   */
  readonly isGoalPending?: boolean;
  /** The checkpoint that the predecessor has handed over. It replaces the stored checkpoint. */
  readonly inherited?: FeedCheckpoint | undefined;
  /** Maximum age of an event in the replay buffers, in ms. */
  readonly ageMs: number;
  readonly clock: Pick<Clock, "monotonic">;
}

/**
 * Fills the replay buffers after a restart, so that clients that were connected before the restart can resume:
 *
 * - The push feed starts at the cursor `from` of the stored checkpoint.
 * - The hub stores the events up to the cursor `last` of the checkpoint, but does not deliver them.
 * - Revocations up to `last` are skipped. The backend stored them before the restart, so every session look-up respects them.
 *   If a revocation of a user were applied again, it would also end the sessions that the user started after the revocation.
 */
export class HistoryFill {
  readonly #parts: HistoryFillParts;
  readonly #recorder: CheckpointRecorder;
  readonly #done = Promise.withResolvers<void>();
  readonly #saving: Timer;
  /** The fill ends at the cursor `last` of this checkpoint. `undefined` if no fill is running. */
  #goal: FeedCheckpoint | undefined;
  #isGoalPending: boolean;
  #hasSkippedRevocations = false;
  #limit: Timer | undefined;
  #isSaved = true;
  #savedMs: number;
  /** The cursor at which the push feed starts; empty if it starts with new events. */
  readonly startCursor: string;

  constructor(parts: HistoryFillParts) {
    this.#parts = parts;
    this.#recorder = new CheckpointRecorder(parts.clock, parts.ageMs);
    const checkpoint = parts.inherited ?? parts.checkpoints?.load();
    this.startCursor = checkpoint?.from ?? "";
    this.#savedMs = parts.clock.monotonic();
    this.#isGoalPending = parts.isGoalPending ?? false;
    if (this.#isGoalPending) parts.hub.beginFill();
    else this.begin(checkpoint);
    this.#saving = setInterval(() => this.#save(), SAVE_INTERVAL_MS).unref();
  }

  get isFilling(): boolean {
    return this.#goal !== undefined || this.#isGoalPending;
  }

  /** Starts to fill the replay buffers. Without a checkpoint, there are no events for them, so the fill ends at once. */
  begin(checkpoint: FeedCheckpoint | undefined): void {
    const { hub } = this.#parts;
    if (checkpoint === undefined) {
      this.#end();
      return;
    }
    hub.reached(checkpoint.from);
    this.#recorder.record(checkpoint.from, true);
    this.#isGoalPending = false;
    this.#goal = checkpoint;
    hub.beginFill();
    // The backend sends only the messages after `from`. If `from` equals `last`, there is nothing to read.
    if (checkpoint.from === checkpoint.last) this.#complete(checkpoint);
  }

  /** Resolves when the fill has ended, or after `WAIT_MS_MAX`. */
  async wait(): Promise<void> {
    if (!this.isFilling) return;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, WAIT_MS_MAX);
    await Promise.race([this.#done.promise, late]);
    clearTimeout(timer);
  }

  /**
   * Returns a sink that records the cursor of each message and passes the message to `sink`. While the replay buffers are being
   * filled, the returned sink does not pass on revocations that have a cursor.
   */
  watch(sink: PushFeedSink): PushFeedSink {
    return {
      event: (event, cursor) => this.#follow(cursor, false, () => sink.event(event, cursor)),
      lost: (audience, what, cursor) => this.#follow(cursor, false, () => sink.lost(audience, what, cursor)),
      revoke: (revocation, cursor) =>
        this.#follow(cursor, false, () => {
          if (this.isFilling && cursor !== undefined) this.#skipRevocation(cursor);
          else sink.revoke(revocation, cursor);
        }),
      reached: (cursor) => this.#follow(cursor, true, () => sink.reached(cursor)),
      gap: () => {
        this.#recorder.clear();
        this.#end();
        sink.gap();
      },
    };
  }

  /** Returns the current checkpoint; `undefined` if no cursor has arrived since the last gap. */
  checkpoint(): FeedCheckpoint | undefined {
    return this.#goal ?? this.#recorder.current();
  }

  /** Call this when the push feed has come up. */
  feedUp(): void {
    if (this.isFilling) this.#limit ??= setTimeout(() => this.#cutShort(), FILL_MS_MAX);
  }

  /** Stores the checkpoint for the last time. */
  stop(): void {
    clearInterval(this.#saving);
    clearTimeout(this.#limit);
    this.#isSaved = false;
    this.#save();
  }

  #follow(cursor: string | undefined, isKeepalive: boolean, deliver: () => void): void {
    deliver();
    if (cursor === undefined) return;
    this.#recorder.record(cursor, isKeepalive);
    this.#isSaved = false;
    if (cursor === this.#goal?.last) this.#complete(this.#goal);
  }

  #skipRevocation(cursor: string): void {
    this.#hasSkippedRevocations = true;
    this.#parts.hub.reached(cursor);
  }

  #complete({ reached }: FeedCheckpoint): void {
    this.#parts.hub.reached(reached);
    this.#recorder.record(reached, true);
    this.#end();
  }

  /**
   * Ends the fill before the cursor `last` is reached. A skipped revocation may then be newer than the checkpoint. So all
   * sessions are looked up again.
   */
  #cutShort(): void {
    this.#end();
    if (this.#hasSkippedRevocations) this.#parts.revocations.lost();
  }

  #end(): void {
    if (this.isFilling) this.#parts.hub.endFill();
    this.#goal = undefined;
    this.#isGoalPending = false;
    clearTimeout(this.#limit);
    this.#done.resolve();
  }

  #save(): void {
    const { clock, ageMs, checkpoints } = this.#parts;
    const checkpoint = this.#recorder.current();
    const isCurrent = this.#isSaved && clock.monotonic() - this.#savedMs < ageMs * RENEW_SHARE;
    // During the fill, the stored checkpoint stays. So if the process is killed during the fill, the next start uses it again.
    if (checkpoint === undefined || isCurrent || this.isFilling) return;
    checkpoints?.save(checkpoint);
    this.#isSaved = true;
    this.#savedMs = clock.monotonic();
  }
}
