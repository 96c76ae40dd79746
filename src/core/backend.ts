import type { Budget } from "./buckets.ts";

/** W3C Trace Context headers as the client sent them, unchecked. */
export interface IncomingTrace {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** W3C Trace Context headers for a call of the gateway: valid and safe to send. */
export interface OutgoingTrace {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
}

/** Continues a valid trace, or starts a new one. */
export type ContinueTrace = (incoming: IncomingTrace) => OutgoingTrace;

/** A command that passed every check, on its way to the backend. */
export interface BackendCommand extends IncomingTrace {
  readonly messageType: string;
  readonly requestId: string;
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly payloadBytes: Uint8Array;
  readonly peerAddress: string;
  /** Client headers that are forwarded. */
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}

/** The backend's reply: the result code to sign, and the unchanged bytes of the body. */
export interface BackendReply {
  readonly resultCode: string;
  readonly payloadBytes: Uint8Array;
}

/** The backend call that serves one message type. */
export interface Route {
  /** The route's budget per user, if it has one. */
  readonly budget: Budget | undefined;
  /**
   * Calls the backend. Throws PAYLOAD_INVALID, BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or BACKEND_BAD_RESPONSE, and
   * settles soon after `signal` aborts. `mayBeSent` is awaited before anything is sent, and its refusal is thrown.
   */
  execute(command: BackendCommand, signal: AbortSignal, mayBeSent: SendCheck): Promise<BackendReply>;
}

/** The application behind the gateway. */
export interface Backend {
  /** The route of a message type, resolved once per request; `undefined` if there is none. */
  route(messageType: string): Route | undefined;
}

/** Called just before a call is sent. `waited`: the call was queued first. Throws a refusal to cancel the call. */
export type SendCheck = (waited: boolean) => void | Promise<void>;

/** The backend's reply to a public call, forwarded unchanged. */
export interface PublicAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** The backend's Retry-After header, if it is a number of seconds. */
  readonly retryAfter: string | undefined;
}

/**
 * The backend's calls without a session (proto/README.md, "Public REST"). `forward` resolves to a 2xx or 4xx reply with a JSON body. It
 * throws BACKEND_UNAVAILABLE, BACKEND_TIMEOUT or BACKEND_BAD_RESPONSE.
 */
export interface PublicBackend {
  forward(path: string, body: object, call: PublicCallContext, signal: AbortSignal): Promise<PublicAnswer>;
}

/** The parts of the client's request that are forwarded with a public call. */
export interface PublicCallContext extends IncomingTrace {
  readonly peerAddress: string;
  readonly acceptLanguage: string | undefined;
  readonly userAgent: string | undefined;
}
