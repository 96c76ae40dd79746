import { Code, ConnectError } from "@connectrpc/connect";
import { Backoff, sleep } from "../../core/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log, Metrics, PushFeedSink } from "../../core/ports.ts";
import { FeedProgress } from "./feed-progress.ts";
import { GapThrottle } from "./gap-throttle.ts";
import { IdleWatchdog } from "./idle-watchdog.ts";
import type { Dropped, PushStep } from "./push-event.ts";
import type { FeedFrame } from "./push-frames.ts";
import { readPushMessage } from "./push-message.ts";
import type { PushLink } from "./push-transport.ts";

/** Whether the feed is live; where it is not, since when, on the monotonic clock. */

export interface PushFeedOptions {
  readonly link: PushLink;
  /** The gateway's own name, for the backend's logs. */
  readonly gatewayId: string;
  readonly sink: PushFeedSink;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly payloadBytesMax?: number;
  /** How long a stream may bring nothing, keepalives included, before it counts as dead; 0: for ever. */
  readonly silenceMs?: number;
  readonly onStateChange?: (isUp: boolean) => void;
  /** Waits, or stops waiting as soon as the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A larger payload is not sent to clients. */
const PAYLOAD_BYTES_MAX = 1024 * 1024;

/**
 * The backend's feed of events and revocations, held open for as long as the gateway runs.
 *
 * Each event is taken in once and in order: first the sink, then the cursor. After a cut it goes on from that cursor. Where it
 * cannot (the backend says OUT_OF_RANGE, keeps no cursors, or fails again and again over what follows) the sink is told of a gap, as soon
 * as the feed is up: a client that fetches its state then misses nothing between the fetch and the stream. An event that breaks a rule is
 * stepped over.
 */
export class PushFeed {
  readonly #options: PushFeedOptions;
  readonly #backoff: Backoff;
  readonly #stopped = new AbortController();
  readonly #progress = new FeedProgress();
  readonly #gaps = new GapThrottle(() => this.#tellOfGap());
  #running: Promise<void> | undefined;
  #isUp = false;
  #cursor = "";
  #hasBeenUp = false;
  #gapPending = false;
  #proving: Timer | undefined;

  constructor(options: PushFeedOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ minMs: options.backoffMinMs, maxMs: options.backoffMaxMs, random: options.random });
    options.metrics.gauge("sallyport_push_feed_up", 0);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the stream or the wait for the next one, at once. The feed cannot be started again. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#gaps.stop();
    this.#options.link.close();
    await this.#running;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Whether the backend has answered at all since the start. */
  hasBeenUp(): boolean {
    return this.#hasBeenUp;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#holdStream(signal);
      if (signal.aborted) return;
      await (this.#options.sleep ?? sleep)(this.#backoff.nextMs(), signal);
      this.#options.metrics.count("sallyport_push_feed_reconnects_total");
    }
  }

  /** One stream, from its opening to its end. */
  async #holdStream(signal: AbortSignal): Promise<void> {
    const { clock, link, gatewayId, backoffMaxMs } = this.#options;
    const openedMs = clock.monotonic();
    this.#progress.begin();
    try {
      await link.connect();
      using watchdog = new IdleWatchdog(this.#options.silenceMs ?? 0);
      const request = { gatewayId, cursor: this.#cursor };
      const call = { signal: AbortSignal.any([signal, watchdog.signal]), onHeader: () => this.#stands() };
      for await (const frame of link.subscribe(request, call)) {
        if (signal.aborted) return;
        watchdog.reset();
        this.#takeIn(frame);
      }
      this.#options.log.info("push feed: the backend ended the stream");
    } catch (thrown) {
      if (!signal.aborted) this.#failed(ConnectError.from(thrown));
    } finally {
      clearTimeout(this.#proving);
      if (clock.monotonic() - openedMs >= backoffMaxMs) this.#backoff.reset();
      this.#progress.end();
      this.#gapPending ||= this.#cursor === "";
      this.#setUp(false);
    }
  }

  /** The backend has answered. After streams that brought nothing, this one must bring something, or hold for a while. */
  #stands(): void {
    this.#progress.stood();
    this.#proving = setTimeout(() => {
      this.#progress.proven();
      this.#becomeUp();
    }, this.#options.backoffMaxMs);
    this.#becomeUp();
  }

  /** From here on nothing is lost. */
  #becomeUp(): void {
    if (this.#isUp || this.#stopped.signal.aborted || !this.#progress.isEnough) return;
    if (this.#gapPending) {
      this.#gapPending = false;
      this.#tellOfGap();
    }
    this.#setUp(true);
  }

  #takeIn(frame: FeedFrame): void {
    const { step, cursor } = readPushMessage(frame, this.#options.payloadBytesMax ?? PAYLOAD_BYTES_MAX);
    const isKeepalive = step.kind === "keepalive";
    // Keepalives prove little: a backend that greets and then fails is not to be asked ever faster.
    if (!isKeepalive && cursor !== undefined && (cursor === "" || cursor !== this.#cursor)) {
      this.#backoff.reset();
      this.#progress.progressed();
      this.#becomeUp();
    }
    this.#hand(step);
    // Where that cannot be told, the event comes again after a cut, and is stepped over again.
    if (cursor === undefined || (isKeepalive && cursor === "")) return;
    // An event without a cursor leaves none to go on from: from the one before, it would come again.
    this.#cursor = cursor;
  }

  #hand(step: PushStep): void {
    const { sink, metrics } = this.#options;
    if (step.kind === "dropped") this.#drop(step);
    else metrics.count("sallyport_events_total", { kind: step.kind });
    if (step.kind === "client_event") this.#deliver("event", () => sink.event(step.event));
    if (step.kind === "session_invalidation") this.#deliver("revoke", () => sink.revoke(step.revocation));
  }

  #drop({ reason, lostTo, lost }: Dropped): void {
    const { sink, metrics, log } = this.#options;
    log.error("push feed: dropped an event that breaks the contract", { reason });
    metrics.count("sallyport_events_dropped_total", { reason });
    if (lostTo === "everybody") this.#gaps.notice();
    else if (lostTo !== undefined) this.#deliver("lost", () => sink.lost(lostTo, lost));
  }

  /** What the sink cannot take must not cost the rest of the feed. It is lost, to nobody knows whom. */
  #deliver(what: string, deliver: () => void): void {
    if (!this.#attempt(what, deliver)) this.#gaps.notice();
  }

  #tellOfGap(): void {
    this.#options.metrics.count("sallyport_push_feed_gaps_total");
    this.#attempt("gap", () => this.#options.sink.gap());
  }

  /** Whether it went well. */
  #attempt(what: string, deliver: () => void): boolean {
    try {
      deliver();
      return true;
    } catch (thrown) {
      this.#options.log.error("push feed: delivery failed", { what, error: String(thrown) });
      this.#options.metrics.count("sallyport_events_dropped_total", { reason: "delivery_failed" });
      return false;
    }
  }

  #failed({ code, rawMessage }: ConnectError): void {
    const { log, link } = this.#options;
    log.warn("push feed: the stream failed", { url: link.url, code: Code[code], error: rawMessage });
    const isStuck = this.#progress.isStuck(code) && this.#cursor !== "";
    if (isStuck)
      log.error("push feed: the backend keeps failing over what follows the cursor; it is asked for what comes from now on");
    if (isStuck || code === Code.OutOfRange) this.#cursor = "";
  }

  #setUp(up: boolean): void {
    if (this.#isUp === up) return;
    this.#hasBeenUp ||= up;
    this.#isUp = up;
    this.#options.metrics.gauge("sallyport_push_feed_up", up ? 1 : 0);
    const { log, link } = this.#options;
    if (up) log.info("push feed: up", { url: link.url });
    else if (this.#stopped.signal.aborted) log.info("push feed: down", { url: link.url });
    else log.warn("push feed: down", { url: link.url });
    this.#attempt("state", () => this.#options.onStateChange?.(up));
  }
}
