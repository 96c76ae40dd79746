import type { Budget } from "./buckets.ts";
import type { PublicMethod } from "./public-routes.ts";

/** W3C Trace Context headers as the client sent them, unchecked. */
export interface IncomingTrace {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** W3C Trace Context headers for a call that the gateway makes. They are valid and safe to send. */
export interface OutgoingTrace {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
}

/**
 * Returns the trace headers of a backend call. They continue the client's trace if it is valid. If not, they start a new trace.
 */
export type ContinueTrace = (incoming: IncomingTrace) => OutgoingTrace;

/** The client's HTTP headers that are forwarded to the backend. */
export interface ForwardedHeaders extends IncomingTrace {
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}

export function forwardedHeaders(headers: { get(name: string): string | null }): ForwardedHeaders {
  return {
    acceptLanguage: headers.get("accept-language") ?? undefined,
    userAgent: headers.get("user-agent") ?? undefined,
    traceparent: headers.get("traceparent") ?? undefined,
    tracestate: headers.get("tracestate") ?? undefined,
  };
}

/** A command that passed every check and is sent to the backend. */
export interface BackendCommand extends ForwardedHeaders {
  readonly messageType: string;
  readonly requestId: string;
  /** The idempotency key of the request; empty if it has none. */
  readonly idempotencyKey: string;
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly payloadBytes: Uint8Array;
  readonly peerAddress: string;
}

/** The backend's reply: the result code to sign, and the unchanged bytes of the body. */
export interface BackendReply {
  readonly resultCode: string;
  readonly payloadBytes: Uint8Array;
  /** True if the status of the answer asks the client to send the command again later. Such an answer is never kept. */
  readonly isTransient?: boolean | undefined;
}

/** The backend call that serves one message type. */
export interface Route {
  /** The route's budget per user, if it has one. */
  readonly budget: Budget | undefined;
  /** Maximum duration of `execute`, in ms. */
  readonly timeoutMs: number;
  /** How long an answer to a request with an idempotency key is kept, in ms; `undefined` if answers are not kept. */
  readonly keepAnswerMs: number | undefined;
  /**
   * Calls the backend.
   *
   * - Before it sends anything, it awaits `mayBeSent`. If `mayBeSent` throws a refusal, it sends nothing and throws this
   *   refusal.
   * - It settles soon after `signal` aborts.
   * - It throws REQUEST_TOO_LARGE, PAYLOAD_INVALID, BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or BACKEND_BAD_RESPONSE.
   */
  execute(command: BackendCommand, signal: AbortSignal, mayBeSent: SendCheck): Promise<BackendReply>;
}

/** The application behind the gateway. */
export interface Backend {
  /** Returns the route of a message type; `undefined` if it has none. The gateway calls this once per request. */
  route(messageType: string): Route | undefined;
}

/**
 * A check that runs just before a backend call is sent. `waited` is true if the call had to wait in a queue. To cancel the
 * call, the check throws a refusal.
 */
export type SendCheck = (waited: boolean) => void | Promise<void>;

/** A call of a public route, as it is sent to the backend. */
export interface PublicBackendCall {
  readonly method: PublicMethod;
  /** Path and query, percent-encoded. */
  readonly target: string;
  /** The JSON body; `undefined` if the method has none. */
  readonly body: object | undefined;
  /** True if the call is a login. Logins have their own connections, so that other calls to a slow backend do not delay them. */
  readonly isLogin: boolean;
  /** Timeout in ms. Default: `backend.timeout_ms`. */
  readonly timeoutMs: number | undefined;
  /** Maximum size of the answer in bytes. Default: `backend.response_bytes_max`. */
  readonly bytesMax: number | undefined;
  /** Names of the response headers that reach the client. */
  readonly headers: readonly string[];
  /** Additional statuses that reach the client. By default, 2xx with JSON and 4xx except 401, 403 and 407 reach the client. */
  readonly statuses: ReadonlySet<number>;
  /** Whether each 2xx answer must be an object with a valid `device_session_id`. */
  readonly hasSession: boolean;
}

/** The backend's reply to a public call. */
export interface PublicAnswer {
  readonly status: number;
  /** `undefined` if the reply has no body. */
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  /** The backend's Retry-After header, if it is a number of seconds. */
  readonly retryAfter: string | undefined;
  /** The response headers that the route passes to the client. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The backend calls that need no session (proto/README.md, "Public REST"). `forward` resolves to a reply that follows the rules
 * of the call, such as `statuses` and `bytesMax`. Otherwise, `forward` throws BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or
 * BACKEND_BAD_RESPONSE.
 */
export interface PublicBackend {
  forward(call: PublicBackendCall, context: PublicCallContext, signal: AbortSignal): Promise<PublicAnswer>;
}

/** The parts of the client's request that are forwarded with a public call. */
export interface PublicCallContext extends ForwardedHeaders {
  readonly peerAddress: string;
}
