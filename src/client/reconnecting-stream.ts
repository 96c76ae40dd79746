import type { Connectivity, ConnectivityChange } from "./connectivity.ts";
import { deferred } from "./deferred.ts";
import { SallyportError } from "./errors.ts";
import type { EventProgress } from "./event-progress.ts";
import { FinalRefusals } from "./final-refusals.ts";
import { ReconnectDelay } from "./reconnect-delay.ts";
import { StreamAttempt, type StreamEnd } from "./stream-attempt.ts";
import type { StreamTiming } from "./stream-timing.ts";
import type { Receiver, Source, StateDetail, SubscriptionState } from "./subscription-event.ts";
import type { TransportChoice } from "./transport-choice.ts";
import type { VerifiedEvent } from "./verify.ts";

export interface ReconnectingStreamParts {
  readonly choice: TransportChoice;
  readonly timing: StreamTiming;
  readonly connectivity: Connectivity;
  /** Upper limit of the first delay before a reconnect, in ms. */
  readonly reconnectMs?: number | undefined;
}

/**
 * Minimum delay before the next attempt after a refusal such as `SESSION_REVOKED`, in ms. The stream tries again, because a
 * backend that restarts can refuse valid sessions for a moment.
 */
const CONFIRM_MS = 1000;
/** Interval of attempts while the platform reports no network, in ms. The report can be wrong. */
const OFFLINE_RETRY_MS = 60_000;

/** A stream that delivers each event once. Reconnects and resumes until it is closed or `FinalRefusals` confirms a refusal. */
export class ReconnectingStream implements Source {
  readonly #progress: EventProgress;
  readonly #parts: ReconnectingStreamParts;
  readonly #receiver: Receiver;
  readonly #delay: ReconnectDelay;
  readonly #refusals = new FinalRefusals();
  readonly #closed = new AbortController();
  #state: SubscriptionState | undefined;
  #attempt: StreamAttempt | undefined;
  /** Ends the pause between two streams. */
  #wake: (() => void) | undefined;
  /** True if a change of the connectivity may end the pause. False if the gateway asked for the pause. */
  #isPauseOwn = false;

  constructor(progress: EventProgress, parts: ReconnectingStreamParts, receiver: Receiver) {
    this.#progress = progress;
    this.#parts = parts;
    this.#receiver = receiver;
    this.#delay = new ReconnectDelay(parts.timing, parts.reconnectMs);
  }

  start(): void {
    const unwatch = this.#parts.connectivity.watch((change) => this.#changed(change));
    this.#closed.signal.addEventListener("abort", unwatch);
    this.#run().catch((error: unknown) => this.#end({ error }));
  }

  close(): void {
    this.#closed.abort();
    this.#attempt?.end();
    this.#wake?.();
  }

  get #isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  async #run(): Promise<void> {
    const { choice, timing, connectivity } = this.#parts;
    while (!this.#isClosed) {
      if (connectivity.isOffline()) await this.#pause("offline", {}, OFFLINE_RETRY_MS);
      if (this.#isClosed) return;
      const opener = choice.next(timing.monotonic());
      const { transport } = opener;
      this.#report("connecting", { transport });
      this.#attempt = new StreamAttempt(opener, timing);
      this.#progress.beginStream();
      const ended = await this.#attempt.read(this.#progress.position?.eventId, (event) => this.#take(event, { transport }));
      const { error } = ended;
      if (this.#refusals.confirms(error)) return this.#end({ error, transport });
      this.#learnFrom(ended);
      if (!this.#isClosed && !connectivity.isOffline()) await this.#pauseAfter(ended, { error, transport });
    }
  }

  #take(event: VerifiedEvent, detail: StateDetail): boolean {
    if (this.#isClosed) return false;
    const accepted = this.#progress.accept(event);
    if (accepted !== undefined && event.eventType === "gateway.server_time") this.#begins(detail);
    for (const each of accepted ?? []) this.#receiver.event(each);
    return accepted !== undefined;
  }

  /** Called for `gateway.server_time`: the first event of a stream, or of each answer to a long poll. */
  #begins(detail: StateDetail): void {
    this.#refusals.clear();
    if (this.#state !== "live") this.#report("live", detail);
    // Long polls can continue for hours in one attempt. So the attempt ends when it is time to try the first transport again.
    if (this.#parts.choice.isBetterDue(this.#parts.timing.monotonic())) this.#attempt?.end();
  }

  /** Updates the back-off and the choice of the transport. */
  #learnFrom({ error, wasLive, isProven, isTimely, isSilent }: StreamEnd): void {
    const { choice, timing } = this.#parts;
    // A refusal proves that the transport reaches a gateway.
    const isRefused = error instanceof SallyportError && error.reason !== undefined;
    if (isProven) this.#delay.reset();
    if (isTimely) choice.worked();
    else if (isSilent) choice.failed("silent", timing.monotonic());
    else if (!wasLive && error !== undefined && !isRefused) choice.failed("failed", timing.monotonic());
  }

  async #pauseAfter({ error, isSilent, wasLive }: StreamEnd, detail: StateDetail): Promise<void> {
    // There is no pause if this client ended a working stream, to try the first transport again or because the network changed.
    if (error === undefined && !isSilent && wasLive) return;
    const retryAfterMs = error instanceof SallyportError ? error.retryAfterMs : undefined;
    const delayMs = Math.max(this.#delay.nextMs(retryAfterMs), this.#refusals.isPending ? CONFIRM_MS : 0);
    await this.#pause("waiting", detail, delayMs, retryAfterMs === undefined);
  }

  async #pause(state: SubscriptionState, detail: StateDetail, ms: number, isOwn = true): Promise<void> {
    this.#report(state, detail);
    this.#isPauseOwn = isOwn;
    const { promise, resolve } = deferred();
    const cancel = this.#parts.timing.after(ms, resolve);
    this.#wake = resolve;
    await promise;
    cancel();
    this.#wake = undefined;
  }

  #changed(change: ConnectivityChange): void {
    if (change === "offline") this.#attempt?.end();
    else if (this.#parts.connectivity.isOffline()) return;
    else if (change === "visible") this.#attempt?.check();
    if (this.#isPauseOwn) this.#wake?.();
  }

  #report(state: SubscriptionState, detail: StateDetail): void {
    if (this.#isClosed) return;
    this.#state = state;
    this.#receiver.state(state, detail);
  }

  #end(detail: StateDetail): void {
    this.#report("ended", detail);
    this.close();
  }
}
