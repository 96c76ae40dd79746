import type { FeedCheckpoint, FeedCheckpointStore } from "../core/feed-checkpoint.ts";

/** Keeps the checkpoint of the push feed in memory. `sallyport dev` restarts its gateway in the same process. */
export class MemoryCheckpoint implements FeedCheckpointStore {
  #checkpoint: FeedCheckpoint | undefined;

  load(): FeedCheckpoint | undefined {
    return this.#checkpoint;
  }

  save(checkpoint: FeedCheckpoint): void {
    this.#checkpoint = checkpoint;
  }
}
