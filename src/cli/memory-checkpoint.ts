import type { FeedCheckpoint, FeedCheckpointStore } from "../core/feed-checkpoint.ts";

/** Keeps the checkpoint of the push feed in memory. Memory is enough, because `sallyport dev` restarts its gateway in-process. */
export class MemoryCheckpoint implements FeedCheckpointStore {
  #checkpoint: FeedCheckpoint | undefined;

  load(): FeedCheckpoint | undefined {
    return this.#checkpoint;
  }

  save(checkpoint: FeedCheckpoint): void {
    this.#checkpoint = checkpoint;
  }
}
