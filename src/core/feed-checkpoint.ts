/**
 * Cursors of the push feed, with which a gateway restores its history (the replay buffers) after a restart. It reads the feed
 * from `from`. The history is complete when the feed has reached `last`.
 */
export interface FeedCheckpoint {
  /** The cursor that the feed had about `history.age_ms` before the checkpoint. */
  readonly from: string;
  /**
   * The cursor of the last message after `from` that is not a keepalive; `from` if there is none. A feed that is read from
   * `from` contains this message again, but no old keepalives.
   */
  readonly last: string;
  /** The newest cursor at the time of the checkpoint: `last`, or the cursor of a later keepalive. */
  readonly reached: string;
}

/** Keeps the checkpoint of the push feed from one start to the next. */
export interface FeedCheckpointStore {
  /** Returns the stored checkpoint; `undefined` if there is none, or if it cannot be used. */
  load(): FeedCheckpoint | undefined;
  /**
   * Replaces the stored checkpoint. Never throws: without a checkpoint, clients fetch their state again after the next start.
   */
  save(checkpoint: FeedCheckpoint): void;
}
