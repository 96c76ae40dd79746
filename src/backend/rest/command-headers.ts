import type { BackendCommand, ForwardedHeaders, OutgoingTrace, PublicCallContext } from "../../core/backend.ts";
import { isHeaderValue, isVisible } from "../../core/grammar.ts";
import { refuse } from "../../core/refusal.ts";

/**
 * Maximum length of an id that is sent as a header. A user id may be 256 characters long, and all other ids are shorter
 * (core/limits.ts).
 */
const ID_CHARS_MAX = 256;
/** Maximum length of a header value that the gateway forwards from the client to the backend. A longer value is not forwarded. */
const FORWARDED_CHARS_MAX = 512;
/** The User-Agent of a backend call if the client sent no valid User-Agent. */
export const OWN_USER_AGENT = "sallyport";

/** The names of the headers that tell the backend who sends a command (settings `backend.identity_headers.*`). */
export interface IdentityHeaders {
  readonly userId: string;
  readonly deviceSessionId: string;
  readonly requestId: string;
  readonly idempotencyKey: string;
  readonly peerAddress: string;
}

export const DEFAULT_IDENTITY_HEADERS: IdentityHeaders = {
  userId: "X-User-Id",
  deviceSessionId: "X-Device-Session-Id",
  requestId: "X-Request-Id",
  idempotencyKey: "Idempotency-Key",
  peerAddress: "X-Forwarded-For",
};

/**
 * Returns the headers of the backend call for a command (proto/backend.md, "Backend REST"). Throws INTERNAL if an id is not a
 * valid header value.
 */
export function commandHeaders(
  command: BackendCommand,
  trace: OutgoingTrace,
  names: IdentityHeaders = DEFAULT_IDENTITY_HEADERS,
): Record<string, string> {
  const headers: Record<string, string> = {
    [names.userId]: id(command.userId),
    [names.deviceSessionId]: id(command.deviceSessionId),
    [names.requestId]: id(command.requestId),
    [names.idempotencyKey]: id(command.idempotencyKey || command.requestId),
    [names.peerAddress]: id(command.peerAddress),
  };
  addTrace(headers, trace);
  addForwarded(headers, command);
  return headers;
}

/** Returns the headers of the backend call for a public route, which has no session. */
export function publicHeaders(
  context: PublicCallContext,
  trace: OutgoingTrace,
  names: Pick<IdentityHeaders, "peerAddress"> = DEFAULT_IDENTITY_HEADERS,
): Record<string, string> {
  const headers: Record<string, string> = { [names.peerAddress]: id(context.peerAddress) };
  addTrace(headers, trace);
  addForwarded(headers, context);
  return headers;
}

function addTrace(headers: Record<string, string>, { traceparent, tracestate }: OutgoingTrace): void {
  headers["traceparent"] = id(traceparent);
  if (tracestate !== undefined) headers["tracestate"] = tracestate;
}

function addForwarded(headers: Record<string, string>, { acceptLanguage, userAgent }: ForwardedHeaders): void {
  headers["User-Agent"] = userAgent !== undefined && isHeaderValue(userAgent, FORWARDED_CHARS_MAX) ? userAgent : OWN_USER_AGENT;
  if (acceptLanguage !== undefined && isHeaderValue(acceptLanguage, FORWARDED_CHARS_MAX)) {
    headers["Accept-Language"] = acceptLanguage;
  }
}

function id(value: string): string {
  if (!isVisible(value, ID_CHARS_MAX)) throw refuse("INTERNAL", { cause: "an id cannot be sent as a header" });
  return value;
}
