/**
 * Cursors of the push feed. After a restart, the gateway resumes the feed after `from`, to restore its replay buffers. The replay
 * buffers are complete when the feed has reached `last`.
 */
export interface FeedCheckpoint {
  /** The cursor that the feed had about `history.age_ms` before the checkpoint. */
  readonly from: string;
  /**
   * The cursor of the last message after `from` that is not a keepalive. Equal to `from` if there is no such message. Keepalives
   * do not count, because a feed that resumes after `from` contains no old keepalives.
   */
  readonly last: string;
  /** The newest cursor at the time of the checkpoint: `last`, or the cursor of a later keepalive. */
  readonly reached: string;
}

/** Stores the checkpoint of the push feed for the next start of the gateway. */
export interface FeedCheckpointStore {
  /** Returns the stored checkpoint; `undefined` if there is none, or if it cannot be used. */
  load(): FeedCheckpoint | undefined;
  /**
   * Replaces the stored checkpoint. Never throws, because the gateway also works without a checkpoint: after the next start,
   * clients then fetch their state again.
   */
  save(checkpoint: FeedCheckpoint): void;
}
