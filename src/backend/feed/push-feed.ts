import { Code, ConnectError } from "@connectrpc/connect";
import { Backoff } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { sleep } from "../../core/clock.ts";
import type { PushFeedSink } from "../../core/events.ts";
import { EVENT_PAYLOAD_BYTES_MAX } from "../../core/limits.ts";
import type { PushSource } from "../../core/push-source.ts";
import type { Log, Metrics } from "../../core/telemetry.ts";
import { FeedHints } from "./feed-hints.ts";
import { FeedProgress } from "./feed-progress.ts";
import { IdleWatchdog } from "./idle-watchdog.ts";
import { PushDelivery } from "./push-delivery.ts";
import type { FeedFrame } from "./push-frames.ts";
import { readPushMessage } from "./push-message.ts";
import { PushState } from "./push-state.ts";
import type { PushLink } from "./push-transport.ts";

export interface PushFeedOptions {
  readonly link: PushLink;
  /** The name of this gateway, sent to the backend when a stream opens. The backend can log it. */
  readonly gatewayId: string;
  readonly sink: PushFeedSink;
  /** The cursor at which the first stream starts. Default: empty, which means new events only. */
  readonly startCursor?: string;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly clock: Clock;
  /** Returns a random number from 0 (included) to 1 (not included). */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly payloadBytesMax?: number;
  /**
   * Maximum time between two messages of a stream, including keepalive messages. If no message arrives in this time, the
   * gateway closes the stream. 0 means no limit.
   */
  readonly silenceMs?: number;
  readonly onStateChange?: (isUp: boolean) => void;
  /** Waits for `ms`. Resolves earlier if the signal is aborted. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Receives events and revocations from the backend. The feed reconnects until it is stopped.
 *
 * - Each event is delivered to the sink once and in order. After the delivery, the cursor advances to the event.
 * - After a disconnect, the feed resumes from its cursor.
 * - The feed cannot resume if the backend returns OUT_OF_RANGE, sends no cursors, or keeps failing at the next event. The feed
 *   then reports a gap as soon as it is up again, and clients fetch their state again.
 * - Events that break the contract are skipped.
 */
export class PushFeed implements PushSource {
  readonly #options: PushFeedOptions;
  readonly #backoff: Backoff;
  readonly #stopped = new AbortController();
  readonly #progress = new FeedProgress();
  readonly #delivery: PushDelivery;
  readonly #state: PushState;
  readonly #hints: FeedHints;
  #running: Promise<void> | undefined;
  #cursor = "";
  #gapPending = false;
  #provenTimer: Timer | undefined;

  constructor(options: PushFeedOptions) {
    this.#options = options;
    this.#cursor = options.startCursor ?? "";
    this.#backoff = new Backoff({ minMs: options.backoffMinMs, maxMs: options.backoffMaxMs, random: options.random });
    this.#delivery = new PushDelivery(options);
    const onChange = (isUp: boolean) => void this.#delivery.attempt("state", () => options.onStateChange?.(isUp));
    const { link, log } = options;
    this.#hints = new FeedHints({ url: link.url, log, explain: (error, signal) => link.explain(error, signal) });
    this.#state = new PushState({ ...options, from: { url: options.link.url }, onChange });
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Stops the feed immediately, even if it is waiting to reconnect. A stopped feed cannot be started again. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#delivery.stop();
    this.#hints.stop();
    this.#options.link.close();
    await this.#running;
  }

  get isUp(): boolean {
    return this.#state.isUp;
  }

  hasBeenUp(): boolean {
    return this.#state.hasBeenUp;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#runStream(signal);
      if (signal.aborted) return;
      await (this.#options.sleep ?? sleep)(this.#backoff.nextMs(), signal);
      this.#options.metrics.count("sallyport_push_feed_reconnects_total");
    }
  }

  async #runStream(signal: AbortSignal): Promise<void> {
    const { clock, link, gatewayId, backoffMaxMs } = this.#options;
    const openedMs = clock.monotonic();
    this.#progress.begin();
    try {
      await link.connect();
      using watchdog = new IdleWatchdog(this.#options.silenceMs ?? 0);
      const request = { gatewayId, cursor: this.#cursor };
      const call = { signal: AbortSignal.any([signal, watchdog.signal]), onHeader: () => this.#onAnswer() };
      for await (const frame of link.subscribe(request, call)) {
        if (signal.aborted) return;
        watchdog.reset();
        this.#receive(frame);
      }
      this.#options.log.info("push feed stream ended by backend");
    } catch (thrown) {
      if (!signal.aborted) this.#onFailure(ConnectError.from(thrown));
    } finally {
      clearTimeout(this.#provenTimer);
      if (clock.monotonic() - openedMs >= backoffMaxMs) this.#backoff.reset();
      this.#progress.end();
      this.#gapPending ||= this.#cursor === "";
      this.#setUp(false);
    }
  }

  /**
   * Called when the response headers of a stream arrive. Usually, the feed is up from now on. If several earlier streams ended
   * too early, the feed is up only when this stream has delivered a message or has lasted long enough (see `FeedProgress`).
   */
  #onAnswer(): void {
    this.#progress.markAnswered();
    this.#provenTimer = setTimeout(() => {
      this.#progress.markProven();
      this.#becomeUp();
    }, this.#options.backoffMaxMs);
    this.#becomeUp();
  }

  /**
   * Marks the feed as up if `FeedProgress.isUp` is true. Before that, reports a pending gap. No event is lost after this report,
   * because the stream is already open.
   */
  #becomeUp(): void {
    if (this.isUp || this.#stopped.signal.aborted || !this.#progress.isUp) return;
    if (this.#gapPending) {
      this.#gapPending = false;
      this.#delivery.reportGap();
    }
    this.#setUp(true);
  }

  #receive(frame: FeedFrame): void {
    const { step, cursor } = readPushMessage(frame, this.#options.payloadBytesMax ?? EVENT_PAYLOAD_BYTES_MAX);
    const isKeepalive = step.kind === "keepalive";
    // A keepalive does not reset the back-off. Otherwise, the gateway would reconnect too often to a backend that fails after
    // each keepalive.
    if (!isKeepalive && cursor !== undefined && (cursor === "" || cursor !== this.#cursor)) {
      this.#backoff.reset();
      this.#progress.markAdvanced();
      this.#becomeUp();
    }
    this.#delivery.dispatch(step, cursor || undefined);
    // A message with an unreadable cursor does not change the cursor of the feed. After a reconnect, the backend sends this
    // message again, and the feed drops it again. A keepalive without a cursor also changes nothing.
    if (cursor === undefined || (isKeepalive && cursor === "")) return;
    // An event without a cursor clears the cursor of the feed, because a resume from the previous cursor would deliver this
    // event twice.
    this.#cursor = cursor;
  }

  #onFailure(error: ConnectError): void {
    const { code, rawMessage } = error;
    const { log, link } = this.#options;
    log.warn("push feed stream failed", { url: link.url, code: Code[code], cause: rawMessage });
    this.#hints.failed(error);
    const isStuck = this.#progress.isStuckAfter(code) && this.#cursor !== "";
    if (isStuck) log.error("push feed cursor discarded after repeated failures", { url: link.url });
    if (isStuck || code === Code.OutOfRange) this.#cursor = "";
  }

  #setUp(up: boolean): void {
    if (up) this.#hints.succeeded();
    this.#state.set(up, this.#stopped.signal.aborted);
  }
}
