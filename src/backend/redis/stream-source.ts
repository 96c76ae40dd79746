import { Backoff } from "../../core/backoff.ts";
import { messageOf } from "../../core/cause.ts";
import { sleep } from "../../core/clock.ts";
import type { FeedCheckpoint } from "../../core/feed-checkpoint.ts";
import type { PushSource } from "../../core/push-source.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import { type ConnectionOptions, RedisConnection } from "../../stores/redis/connection.ts";
import type { PushDelivery } from "../feed/push-delivery.ts";
import type { PushState } from "../feed/push-state.ts";
import { readEntry } from "./stream-entry.ts";
import { StreamProgress } from "./stream-progress.ts";
import { type StreamRead, StreamReader } from "./stream-reader.ts";

export interface StreamSourceOptions {
  /** The connection to Redis. Its `timeoutMs` is the timeout of a command that does not block. */
  readonly redis: ConnectionOptions;
  /** The key of the stream. */
  readonly stream: string;
  readonly delivery: PushDelivery;
  readonly state: PushState;
  /** Maximum age of the entries that fill the replay buffers at the start, in ms. */
  readonly ageMs: number;
  /** Called once, before the first entry is delivered. The checkpoint is the range of entries that fill the replay buffers. */
  readonly beginFill: (checkpoint: FeedCheckpoint) => void;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Returns a random number, uniform in [0, 1). */
  readonly random: () => number;
  /** Returns a text that is unique, also among several gateways. */
  readonly uniqueText: () => string;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Time for which a read waits for new entries, in ms. A Redis server that hangs is detected after `WAIT_MS + timeoutMs`. */
const WAIT_MS = 1000;

/**
 * The push source that reads a Redis Stream, over a connection of its own. The cursor of a message is the id of its entry.
 *
 * If the stream lost entries that were not read, the source reports a gap and continues at the end of the stream. It skips the
 * entries before the end, because clients fetch their state again after a gap.
 */
export class StreamSource implements PushSource {
  readonly #options: StreamSourceOptions;
  readonly #backoff: Backoff;
  readonly #stopped = new AbortController();
  #progress: StreamProgress | undefined;
  #connection: RedisConnection | undefined;
  #running: Promise<void> | undefined;
  /** Whether Redis announced an entry that was not read yet. */
  #isAnnounced = false;
  #downReason = "";

  constructor(options: StreamSourceOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ minMs: options.backoffMinMs, maxMs: options.backoffMaxMs, random: options.random });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#connection?.lose("the gateway is stopping");
    await this.#running;
    this.#options.delivery.stop();
  }

  hasBeenUp(): boolean {
    return this.#options.state.hasBeenUp;
  }

  async #run(): Promise<void> {
    const { state, log, metrics } = this.#options;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        await this.#readWhileConnected(signal);
      } catch (error) {
        const reason = messageOf(error);
        if (!signal.aborted && reason !== this.#downReason) log.warn("redis stream read failed", { reason });
        this.#downReason = reason;
      }
      this.#connection?.lose("the read has ended");
      state.set(false, signal.aborted);
      if (signal.aborted) return;
      await sleep(this.#backoff.nextMs(), signal);
      metrics.count("sallyport_push_feed_reconnects_total");
    }
  }

  /** Reads over one connection. Returns when the source is stopped, and throws when the connection is lost. */
  async #readWhileConnected(signal: AbortSignal): Promise<void> {
    const { redis, stream, state } = this.#options;
    const connection = await unlessAborted(
      RedisConnection.open({ ...redis, timeoutMs: redis.timeoutMs + WAIT_MS }, () => {}),
      signal,
    );
    if (connection === undefined) return;
    this.#connection = connection;
    const reader = new StreamReader(connection.call, stream, redis.keySetting);
    this.#progress ??= await this.#startFill(reader);
    const progress = this.#progress;
    progress.reconnected();
    while (!signal.aborted) {
      const read = await reader.readAfter(progress.id);
      if (signal.aborted) return;
      // If Redis announced an entry and the read has none, the entry was removed before it was read.
      this.#deliver(read, progress, this.#isAnnounced && read.entries.length === 0);
      this.#isAnnounced = false;
      this.#backoff.reset();
      this.#downReason = "";
      state.set(true, false);
      if (read.isComplete) this.#isAnnounced = await reader.waitAfter(progress.id, WAIT_MS);
    }
  }

  async #startFill(reader: StreamReader): Promise<StreamProgress> {
    const { ageMs, beginFill, uniqueText } = this.#options;
    const { from, last, startsAtOldest } = await reader.findStart(ageMs);
    // `startsAtOldest`: the entry before the first one was removed, so its id is unknown. The fill then starts at a cursor that
    // no client can have.
    const start = startsAtOldest ? uniqueText() : from;
    const isEmpty = last === from;
    beginFill({ from: start, last: isEmpty ? start : last, reached: isEmpty ? start : last });
    return new StreamProgress(from, startsAtOldest);
  }

  #deliver(read: StreamRead, progress: StreamProgress, isLost: boolean): void {
    const { delivery } = this.#options;
    if (isLost || progress.hasGap(read)) {
      delivery.reportGap();
      progress.skipTo(read);
      delivery.dispatch({ kind: "keepalive" }, progress.id);
      return;
    }
    for (const entry of read.entries) delivery.dispatch(readEntry(entry), entry.id);
    progress.advance(read);
  }
}

/** Resolves to the opened connection, or to `undefined` when the signal is aborted. A connection that opens later is closed. */
async function unlessAborted(opening: Promise<RedisConnection>, signal: AbortSignal): Promise<RedisConnection | undefined> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const onAbort = () => resolve(undefined);
  signal.addEventListener("abort", onAbort);
  const opened = await Promise.race([opening, aborted]).finally(() => signal.removeEventListener("abort", onAbort));
  if (!signal.aborted) return opened;
  opening.then(
    (late) => late.lose("the gateway is stopping"),
    () => {},
  );
  return undefined;
}
