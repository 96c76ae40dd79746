import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import type { Clock } from "../core/clock.ts";
import type { Log, Metrics, PushFeedSink } from "../core/ports.ts";
import { Push, type PushEvent } from "../gen/sallyport/v1/push_pb.ts";
import { Backoff, sleep } from "./backoff.ts";
import { type PushStep, readPushEvent } from "./push-event.ts";
import type { PushLink } from "./push-transport.ts";
import { Silence } from "./silence.ts";

/** Whether the feed is live; where it is not, since when, on the monotonic clock. */
export type PushFeedState = { readonly up: true } | { readonly up: false; readonly downSinceMs: number };

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
  readonly onStateChange?: (state: PushFeedState, before: PushFeedState) => void;
  /** Waits, or stops waiting as soon as the signal aborts. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A larger payload is not sent to clients. */
const PAYLOAD_BYTES_MAX = 1024 * 1024;
/** Cursors are kept and sent back; a longer one is not kept. */
const CURSOR_CHARS_MAX = 1024;
/** After so many streams in a row that end with a message too large to read, the feed steps over it. */
const STUCK_STREAMS_MAX = 5;

/**
 * The backend's feed of events and revocations, held open for as long as the gateway runs.
 *
 * Each event is taken in once and in order: first the sink, then the cursor. After a cut it goes on from that cursor. Where it
 * cannot (the backend says OUT_OF_RANGE, or keeps no cursors) the sink is told of a gap, as soon as the new stream stands: a client
 * that fetches its state then misses nothing between the fetch and the stream.
 */
export class PushFeed {
  readonly #options: PushFeedOptions;
  readonly #client: Client<typeof Push>;
  readonly #backoff: Backoff;
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  #state: PushFeedState;
  #cursor = "";
  #hasBeenUp = false;
  #gapPending = false;
  #stuckStreams = 0;

  constructor(options: PushFeedOptions) {
    this.#options = options;
    this.#client = createClient(Push, options.link.transport);
    this.#backoff = new Backoff({ minMs: options.backoffMinMs, maxMs: options.backoffMaxMs, random: options.random });
    this.#state = { up: false, downSinceMs: options.clock.monotonic() };
    options.metrics.gauge("sallyport_push_feed_up", 0);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the stream or the wait for the next one, at once. The feed cannot be started again. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#options.link.close();
    await this.#running;
  }

  state(): PushFeedState {
    return this.#state;
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
    try {
      await link.connect();
      using silence = new Silence(this.#options.silenceMs ?? 0);
      const request = { gatewayId, cursor: this.#cursor };
      const options = { signal: AbortSignal.any([signal, silence.signal]), onHeader: () => this.#stands() };
      for await (const event of this.#client.subscribePush(request, options)) {
        silence.broken();
        this.#stands();
        this.#takeIn(event);
      }
      this.#options.log.info("push feed: the backend ended the stream");
    } catch (thrown) {
      if (!signal.aborted) this.#failed(ConnectError.from(thrown));
    }
    if (clock.monotonic() - openedMs >= backoffMaxMs) this.#backoff.reset();
    this.#gapPending ||= this.#cursor === "";
    this.#setUp(false);
  }

  /** The backend has answered: from here on nothing is lost. */
  #stands(): void {
    if (this.#state.up || this.#stopped.signal.aborted) return;
    if (this.#gapPending) {
      this.#gapPending = false;
      this.#tellOfGap();
    }
    this.#setUp(true);
  }

  #takeIn(event: PushEvent): void {
    const step = readPushEvent(event, this.#options.payloadBytesMax ?? PAYLOAD_BYTES_MAX);
    this.#hand(step);
    if (step.kind === "keepalive" && event.cursor === "") return;
    if (step.kind !== "keepalive") this.#progressed();
    // An event without a cursor leaves none to go on from: from the one before, it would come again.
    this.#moveCursor(event.cursor);
  }

  /** Keepalives prove little: a backend that greets and then fails is not to be asked ever faster. */
  #progressed(): void {
    this.#backoff.reset();
    this.#stuckStreams = 0;
  }

  #hand(step: PushStep): void {
    const { sink, metrics, log } = this.#options;
    if (step.kind === "dropped") {
      log.error("push feed: dropped an event that breaks the contract", { reason: step.reason });
      metrics.count("sallyport_events_dropped_total", { reason: step.reason });
      const { lostTo } = step;
      if (lostTo !== undefined) this.#deliver("lost", () => sink.lost(lostTo));
      return;
    }
    metrics.count("sallyport_events_total", { kind: step.kind });
    if (step.kind === "client_event") this.#deliver("event", () => sink.event(step.event));
    if (step.kind === "session_invalidation") this.#deliver("revoke", () => sink.revoke(step.revocation));
  }

  /** What the sink cannot take must not cost the rest of the feed. It is lost, to nobody knows whom. */
  #deliver(what: string, deliver: () => void): void {
    if (!this.#attempt(what, deliver)) this.#tellOfGap();
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

  #moveCursor(cursor: string): void {
    if (cursor.length <= CURSOR_CHARS_MAX) {
      this.#cursor = cursor;
      return;
    }
    this.#options.log.error("push feed: the cursor is too long to keep", { chars: cursor.length });
    this.#cursor = "";
  }

  #failed(error: ConnectError): void {
    const { log, link } = this.#options;
    log.warn("push feed: the stream failed", { url: link.url, code: Code[error.code], error: error.rawMessage });
    if (isTooLargeToRead(error)) this.#stuckStreams++;
    if (error.code !== Code.OutOfRange && this.#stuckStreams < STUCK_STREAMS_MAX) return;
    this.#cursor = "";
    this.#stuckStreams = 0;
  }

  #setUp(up: boolean): void {
    if (this.#state.up === up) return;
    this.#hasBeenUp ||= up;
    const before = this.#state;
    this.#state = up ? { up } : { up, downSinceMs: this.#options.clock.monotonic() };
    this.#options.metrics.gauge("sallyport_push_feed_up", up ? 1 : 0);
    this.#options.log.info(up ? "push feed: up" : "push feed: down", { url: this.#options.link.url });
    this.#attempt("state", () => this.#options.onStateChange?.(this.#state, before));
  }
}

/**
 * A message over `readMaxBytes`, which connect-es refuses with the code that a backend uses for a quota; its words alone tell them
 * apart (connect-es, protocol/limit-io.ts, `assertReadMaxBytes`).
 */
function isTooLargeToRead({ code, rawMessage }: ConnectError): boolean {
  return code === Code.ResourceExhausted && rawMessage.includes("larger than configured readMaxBytes");
}
