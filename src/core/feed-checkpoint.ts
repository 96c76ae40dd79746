/**
 * Positions in the push feed, as cursors.
 *
 * After a restart, the gateway reads the feed from `from`. So its history also has events from before the restart. The history
 * is complete when the feed reaches `last`.
 */
export interface FeedCheckpoint {
  /** The position that the feed had about `history.age_ms` before the checkpoint. */
  readonly from: string;
  /**
   * The position of the last message after `from` that is not a keepalive; equal to `from` if there is none.
   *
   * After a restart, the backend sends this message again, but no old keepalives.
   */
  readonly last: string;
  /** The position at the time of the checkpoint: `last`, or the cursor of a later keepalive. */
  readonly reached: string;
}

/** Keeps the checkpoint of the push feed from one start to the next. */
export interface FeedCheckpointStore {
  /** Returns the stored checkpoint; `undefined` if there is none, or if it cannot be used. */
  load(): FeedCheckpoint | undefined;
  /**
   * Replaces the stored checkpoint. Never throws. If no checkpoint is stored, clients fetch their state again after the next
   * start.
   */
  save(checkpoint: FeedCheckpoint): void;
}
