import { FETCH_MESSAGE_TYPE, SUBSCRIBE_MESSAGE_TYPE } from "../core/grammar.ts";
import { refusalOf } from "./errors.ts";
import type { ServerTime } from "./gateway-clock.ts";
import { timeoutSignal } from "./linked-signal.ts";
import type { FetchEventsOptions, OpenStreamOptions, StreamOptions } from "./options.ts";
import { payloadToBytes } from "./payload.ts";
import type { RequestSigner, SignedRequest } from "./request-signer.ts";
import { type EventStream, type SignedCalls, TIMEOUT_MS } from "./signed-calls.ts";
import type { VerifiedEvent } from "./verify.ts";

/** The gateway's default for the field `wait_ms`: proto/README.md, "FetchEvents". */
const WAIT_MS = 25_000;

/** Signs requests for events and sends them. Sets the clock from the signed events that arrive. */
export class EventOpener {
  readonly #signer: RequestSigner;
  readonly #calls: SignedCalls;
  readonly #hasStreams: boolean;
  #pendingServerTime: Promise<ServerTime | undefined> | undefined;

  /** If the transport of `calls` is not known to have streams, `hasStreams` is false. */
  constructor(signer: RequestSigner, calls: SignedCalls, hasStreams = true) {
    this.#signer = signer;
    this.#calls = calls;
    this.#hasStreams = hasStreams;
  }

  openStream(options: OpenStreamOptions): EventStream {
    const payloadBytes = jsonBytes({ resume_after: options.resumeAfter });
    return this.#open(SUBSCRIBE_MESSAGE_TYPE, payloadBytes, (request) => this.#calls.subscribe(request, options));
  }

  async fetchEvents(options: FetchEventsOptions): Promise<VerifiedEvent[]> {
    const { resumeAfter, waitMs, eventsMax, ...rest } = options;
    const payloadBytes = jsonBytes({ resume_after: resumeAfter, wait_ms: waitMs, events_max: eventsMax });
    const timeoutMs = (waitMs ?? WAIT_MS) + TIMEOUT_MS;
    const events: VerifiedEvent[] = [];
    const opened = this.#open(FETCH_MESSAGE_TYPE, payloadBytes, (request) =>
      this.#calls.fetchEvents(request, { timeoutMs, ...rest }),
    );
    for await (const event of opened) events.push(event);
    return events;
  }

  /**
   * If the error is a `TIMESTAMP_OUT_OF_WINDOW` refusal, gets the gateway's time from a signed event and sets the clock.
   * Resolves to `undefined` for any other error, or if no signed event confirms the time. Concurrent callers share one
   * subscription.
   */
  async serverTimeAfter(error: unknown, headers: HeadersInit | undefined): Promise<ServerTime | undefined> {
    const claimedMs = this.#signer.clock.claimedTime(refusalOf(error));
    if (claimedMs === undefined) return undefined;
    this.#pendingServerTime ??= this.#requestServerTime(claimedMs, headers).finally(() => {
      this.#pendingServerTime = undefined;
    });
    return this.#pendingServerTime;
  }

  /**
   * Signs a request for events and yields what `send` yields.
   *
   * If the gateway refuses the timestamp, signs a second request with the time in the refusal. This time is not verified, but
   * safe to use here: a request for events changes nothing. The first event is signed and confirms the time.
   */
  async *#open(messageType: string, payloadBytes: Uint8Array, send: (request: SignedRequest) => EventStream): EventStream {
    const start = async (timestampMs?: number) => {
      const calibrate = this.#signer.clock.measure();
      const events = send(await this.#signer.sign(messageType, payloadBytes, { timestampMs }));
      const first = await events.next();
      if (!first.done) calibrate(first.value.timestampMs);
      return { first, events };
    };
    const { first, events } = await start().catch(async (error: unknown) => {
      const claimedMs = this.#signer.clock.claimedTime(refusalOf(error));
      if (claimedMs === undefined) throw error;
      return start(claimedMs);
    });
    try {
      if (!first.done) yield first.value;
      yield* events;
    } finally {
      await events.return();
    }
  }

  async #requestServerTime(timestampMs: number, headers: HeadersInit | undefined): Promise<ServerTime | undefined> {
    const { signal, stop } = timeoutSignal(TIMEOUT_MS);
    try {
      const { clock } = this.#signer;
      const calibrate = clock.measure();
      for await (const event of await this.#openAt(timestampMs, { signal, headers })) {
        calibrate(event.timestampMs);
        return clock.serverTimeOf(event.payload);
      }
    } catch {
      // No signed event confirmed the time. `serverTimeAfter` then resolves to `undefined`.
    } finally {
      stop();
    }
    return undefined;
  }

  /** Opens a stream with the given timestamp. Sends a FetchEvents call if there may be no streams. */
  async #openAt(timestampMs: number, options: StreamOptions): Promise<EventStream> {
    const [type, payloadBytes] = this.#hasStreams
      ? [SUBSCRIBE_MESSAGE_TYPE, new Uint8Array()]
      : [FETCH_MESSAGE_TYPE, jsonBytes({ wait_ms: 0 })];
    const request = await this.#signer.sign(type, payloadBytes, { timestampMs });
    return this.#hasStreams ? this.#calls.subscribe(request, options) : this.#calls.fetchEvents(request, options);
  }
}

/** Returns a JSON payload with the defined members. Returns an empty payload if no member is defined. */
function jsonBytes(members: Readonly<Record<string, string | number | undefined>>): Uint8Array {
  const json = JSON.stringify(members);
  return payloadToBytes(json === "{}" ? undefined : JSON.parse(json));
}
