/**
 * Positions in the push feed, as cursors. A gateway that starts again reads the feed from `from`, so that its history reaches back as far
 * as before the restart. The history is complete when the feed has reached `last`.
 */
export interface FeedCheckpoint {
  /** The position about `history.age_ms` before the checkpoint. */
  readonly from: string;
  /**
   * The position of the last message that was not a keepalive. It equals `from` if there was none since. The backend sends that message
   * again after `from`. It does not send the old keepalives again.
   */
  readonly last: string;
  /** The position at the time of the checkpoint: `last`, or the cursor of a later keepalive. */
  readonly reached: string;
}

/** Keeps the checkpoint of the push feed from one start to the next. */
export interface FeedCheckpointStore {
  /** Returns the stored checkpoint; `undefined` if there is none, or if it cannot be used. */
  load(): FeedCheckpoint | undefined;
  /** Replaces the stored checkpoint. Never throws: without a checkpoint, clients fetch their state again after the next start. */
  save(checkpoint: FeedCheckpoint): void;
}
