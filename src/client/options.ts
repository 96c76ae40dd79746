import type { RetryOptions } from "./retry.ts";

/** Options for the methods of `SallyportClient`. */

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
   * Timeout of the call, in ms. The call then rejects with a `GatewayError` of code `deadline_exceeded`, or with the error of
   * its last attempt. Default: 15,000. Default with `idempotencyKey`: 60,000 for all attempts together.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How a command with an `idempotencyKey` is tried again. `false` disables retries. Default: the option `retry` of the client.
   */
  readonly retry?: RetryOptions | false | undefined;
  /**
   * Identifies the command in all its attempts: 8 to 128 characters of `[A-Za-z0-9_-]`, such as a UUID. Default: none.
   *
   * With a key, the command is signed and sent again in these cases:
   * - The answer is lost or fails verification.
   * - The gateway or the backend is unavailable, or refuses the request temporarily.
   *
   * The command is executed once if one of these conditions is met:
   * - The route keeps answers (`keep_answer_ms`).
   * - The backend recognises the key, which it gets in the header field `Idempotency-Key`.
   *
   * If `execute` has rejected, you can call it again with the same key, message type and payload. Do so within `keep_answer_ms`
   * of the first call.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * Your own request id: 8 to 128 characters of `[A-Za-z0-9_-]`. Default: a new UUIDv7 for each attempt.
   *
   * Use it for routes that do not keep answers. It disables automatic retries. To retry a command that may have arrived,
   * call `execute` again with the same id. The gateway then does not execute the command twice.
   * - `execute` rejects with `RepeatTooLateError` if the first attempt is older than `freshnessWindowMs`.
   * - The client remembers the time of the first attempt for at least the last 4096 ids.
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
  /** How long the gateway waits for an event besides `gateway.server_time`, in ms: 0 to 25,000. Default: 25,000. */
  readonly waitMs?: number | undefined;
  /** Maximum number of events: 1 to 1000. The first event, `gateway.server_time`, does not count. Default: 100. */
  readonly eventsMax?: number | undefined;
}
