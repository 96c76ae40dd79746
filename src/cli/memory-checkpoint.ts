import type { FeedCheckpoint, FeedCheckpointStore } from "../core/feed-checkpoint.ts";

/** Keeps the position in the push feed in memory, so that clients can resume after a restart within the same process. */
export class MemoryCheckpoint implements FeedCheckpointStore {
  #checkpoint: FeedCheckpoint | undefined;

  load(): FeedCheckpoint | undefined {
    return this.#checkpoint;
  }

  save(checkpoint: FeedCheckpoint): void {
    this.#checkpoint = checkpoint;
  }
}
