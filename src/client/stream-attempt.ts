import { deferred } from "./deferred.ts";
import { SallyportError } from "./errors.ts";
import { HeartbeatWatch } from "./heartbeat-watch.ts";
import type { StreamTiming } from "./stream-timing.ts";
import type { StreamOpener } from "./transport-choice.ts";
import type { VerifiedEvent } from "./verify.ts";

export interface StreamEnd {
  /** The error with which the stream ended. `undefined` if this client ended it. */
  readonly error: unknown;
  /** True if the first event arrived. */
  readonly wasLive: boolean;
  /** True if the stream worked: a heartbeat or an event of the backend arrived, or the stream lasted longer than `PROVEN_MS`. */
  readonly isProven: boolean;
  /**
   * True if the transport delivers events without delay: a heartbeat arrived in time. Without a heartbeat, true if the stream did
   * not become silent and one of these conditions is met:
   * - An event arrived that the gateway signed after the stream began. The events before it may come from a proxy that forwards
   *   only the start of each stream.
   * - The stream lasted longer than `PROVEN_MS`.
   */
  readonly isTimely: boolean;
  /** True if this client ended the stream because no event arrived in time. */
  readonly isSilent: boolean;
}

/** Takes an event. Returns false if the event is a duplicate, because a duplicate does not show that the stream works. */
export type TakeEvent = (event: VerifiedEvent) => boolean;

/** A stream that lasted longer than this, in ms, counts as working, even if only its first event arrived. */
const PROVEN_MS = 10_000;

/** Reads one stream until it ends, until it is silent for too long, or until `end` is called. */
export class StreamAttempt {
  readonly #opener: StreamOpener;
  readonly #timing: StreamTiming;
  readonly #watch: HeartbeatWatch;
  readonly #abort = new AbortController();
  readonly #aborted = deferred<undefined>();
  readonly #startedAtMs: number;
  #isSilent = false;
  #isStale = false;
  #isProven = false;
  #hasHeartbeat = false;
  #hasNewEvent = false;
  /** When the gateway signed the first event, by its clock. `undefined` before this event. */
  #beganAtMs: number | undefined;

  constructor(opener: StreamOpener, timing: StreamTiming) {
    this.#opener = opener;
    this.#timing = timing;
    this.#startedAtMs = timing.monotonic();
    this.#watch = new HeartbeatWatch(timing, opener.limits, () => {
      this.#isSilent = true;
      this.end();
    });
  }

  /** Resolves when the stream has ended. If the stream fails, the result contains the error. */
  async read(resumeAfter: string | undefined, take: TakeEvent): Promise<StreamEnd> {
    const { signal } = this.#abort;
    let error: unknown;
    try {
      const stream = this.#opener.open({ resumeAfter, signal })[Symbol.asyncIterator]();
      await this.#takeAll(stream, take);
      if (!signal.aborted) throw new SallyportError("the stream ended", { code: "unavailable", retryable: true });
    } catch (thrown) {
      if (!signal.aborted) error = thrown;
    }
    this.end();
    const [wasLive, isSilent] = [this.#beganAtMs !== undefined, this.#isSilent];
    const lasted = wasLive && !isSilent && !this.#isStale && this.#timing.monotonic() - this.#startedAtMs > PROVEN_MS;
    const isTimely = this.#hasHeartbeat || lasted || (this.#hasNewEvent && !isSilent);
    return { error, wasLive, isProven: this.#isProven || lasted, isTimely, isSilent };
  }

  end(): void {
    this.#watch.stop();
    this.#abort.abort();
    this.#aborted.resolve(undefined);
  }

  /**
   * Ends the stream if it has been silent for too long. Call it after a sleep. The sleep is not a fault of the transport, and its
   * time does not count as time in which the stream worked.
   */
  check(): void {
    if (!this.#watch.isStale()) return;
    this.#isStale = true;
    this.end();
  }

  async #takeAll(stream: AsyncIterator<VerifiedEvent>, take: TakeEvent): Promise<void> {
    for (;;) {
      const read = stream.next();
      // The stream may ignore the abort signal. So after an abort, nothing waits for this promise, and its rejection is ignored.
      read.catch(() => {});
      const next = await Promise.race([read, this.#aborted.promise]);
      if (this.#abort.signal.aborted || next === undefined) {
        Promise.resolve(stream.return?.()).catch(() => {});
        return;
      }
      if (next.done) return;
      this.#beganAtMs ??= next.value.timestampMs;
      if (take(next.value)) this.#saw(next.value);
    }
  }

  #saw(event: VerifiedEvent): void {
    const { eventType, timestampMs } = event;
    if (!this.#watch.saw(event)) return;
    const isBackendEvent = !eventType.startsWith("gateway.");
    if (eventType === "gateway.heartbeat") this.#hasHeartbeat = true;
    if (isBackendEvent && timestampMs > (this.#beganAtMs ?? timestampMs)) this.#hasNewEvent = true;
    if (isBackendEvent || this.#hasHeartbeat) this.#isProven = true;
  }
}
