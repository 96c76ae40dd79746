/** The options of the calls of a `SallyportClient`. */

export interface SendOptions {
  /** Cancels the call when the signal aborts. The call then rejects with a `GatewayError` of code `canceled`. */
  readonly signal?: AbortSignal | undefined;
  /** Timeout of the call, in ms. The call then rejects with a `GatewayError` of code `deadline_exceeded`. Default: 15,000. */
  readonly timeoutMs?: number | undefined;
  /** Additional request headers, such as `accept-language`. */
  readonly headers?: HeadersInit | undefined;
}

export interface ExecuteOptions extends SendOptions {
  /**
   * Identifies the command, whatever its number of attempts: 8 to 128 characters of `[A-Za-z0-9_-]`, such as a UUID. Default:
   * none.
   *
   * To retry a command whose answer was lost, call `execute` again with the same key, message type and payload. If the route
   * keeps answers (`keep_answer_ms`), the gateway executes the command once and returns the one answer. The backend gets the key
   * as `Idempotency-Key`.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Your own request id: 8 to 128 characters of `[A-Za-z0-9_-]`. Default: a new UUIDv7.
   *
   * To retry a command that may have arrived, send it again with the same id. The gateway then does not execute it twice.
   * - `execute` rejects with `RepeatTooLateError` if the first attempt is older than `freshnessWindowMs`.
   * - The client remembers at least the last 4096 ids.
   * - To retry after a restart of the app, store the result of `sign` and send it with `executeSigned`.
   */
  readonly requestId?: string | undefined;
}

export interface StreamOptions {
  /** Ends the stream when the signal aborts. The stream then throws a `GatewayError` of code `canceled`. */
  readonly signal?: AbortSignal | undefined;
  readonly headers?: HeadersInit | undefined;
}

export interface OpenStreamOptions extends StreamOptions {
  /** The `eventId` of the last event that the app has processed. The gateway then sends the later events that it still has. */
  readonly resumeAfter?: string | undefined;
}

export interface FetchEventsOptions extends OpenStreamOptions {
  /** How long the gateway waits for the first event, in ms: 0 to 25,000. Default: 25,000. */
  readonly waitMs?: number | undefined;
  /** Maximum number of events after `gateway.server_time`: 1 to 1000. Default: 100. */
  readonly eventsMax?: number | undefined;
}
