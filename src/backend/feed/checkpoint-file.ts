import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { errorCode } from "../../core/cause.ts";
import type { Clock } from "../../core/clock.ts";
import type { FeedCheckpoint, FeedCheckpointStore } from "../../core/feed-checkpoint.ts";
import { pathShown, whyUnreadable } from "../../core/file-problem.ts";
import { parseJsonObject } from "../../core/json-body.ts";
import { CURSOR_CHARS_MAX } from "../../core/limits.ts";
import type { Log } from "../../core/telemetry.ts";

export interface CheckpointFileOptions {
  readonly path: string;
  /** The URL of the push feed. A checkpoint of another feed is not used. */
  readonly url: string;
  /** Maximum age of a checkpoint, in ms. An older one is not used, because no client can resume from its position. */
  readonly ageMs: number;
  readonly clock: Pick<Clock, "now">;
  readonly log: Log;
}

/** Keeps the checkpoint in a file. The file is replaced as a whole, so a crash leaves the old or the new checkpoint. */
export class CheckpointFile implements FeedCheckpointStore {
  readonly #options: CheckpointFileOptions;
  #hasFailed = false;

  constructor(options: CheckpointFileOptions) {
    this.#options = options;
  }

  load(): FeedCheckpoint | undefined {
    const { path, log } = this.#options;
    try {
      return this.#read(readFileSync(path, "utf8"));
    } catch (error) {
      if (errorCode(error) === "ENOENT") return undefined;
      log.warn("push feed checkpoint unusable", { file: pathShown(path), cause: whyUnreadable(error) });
      return undefined;
    }
  }

  save({ from, last, reached }: FeedCheckpoint): void {
    const { path, url, clock, log } = this.#options;
    const next = `${path}.next`;
    try {
      writeFileSync(next, JSON.stringify({ url, saved_at_ms: clock.now(), from, last, reached }), { mode: 0o600 });
      renameSync(next, path);
      this.#hasFailed = false;
    } catch (error) {
      // Only the first failure is logged until a `save` succeeds, because `save` may be called every second.
      if (!this.#hasFailed) log.error("push feed checkpoint not saved", { file: pathShown(path), cause: whyUnreadable(error) });
      this.#hasFailed = true;
    }
  }

  #read(text: string): FeedCheckpoint | undefined {
    const { url, ageMs, clock } = this.#options;
    const { url: savedUrl, saved_at_ms: savedAtMs, from, last, reached } = parseJsonObject(text) ?? {};
    const hasCursors = isCursor(from) && isCursor(last) && isCursor(reached);
    if (typeof savedAtMs !== "number" || !hasCursors) throw new TypeError("not a checkpoint");
    const isUsable = savedUrl === url && Math.abs(clock.now() - savedAtMs) < ageMs;
    return isUsable ? { from, last, reached } : undefined;
  }
}

/** Matches the start of a checkpoint, of an empty file, and of zeros, which a crash of the machine may leave. */
const START = /^(\{"url":|\0|$)/;

/** Whether there is a file at `path` that is not a checkpoint, not even a damaged one. Its contents must be kept. */
export function isForeignFile(path: string): boolean {
  try {
    return !START.test(readFileSync(path, "latin1"));
  } catch {
    return false;
  }
}

function isCursor(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= CURSOR_CHARS_MAX;
}
