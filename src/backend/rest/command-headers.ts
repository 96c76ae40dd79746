import { isHeaderValue, isVisible } from "../../core/grammar.ts";
import type { BackendCommand, OutgoingTrace, PublicCallContext } from "../../core/ports.ts";
import { refuse } from "../../core/refusal.ts";

/** The longest of the ids is a user id (core/limits.ts). */
const ID_CHARS_MAX = 256;
/** The client's own headers are passed on up to here; a longer one is left out. */
const PASSED_ON_CHARS_MAX = 512;
/** What the backend sees where the client names no agent. */
const OWN_USER_AGENT = "sallyport";

/** The headers of a command's call (proto/backend.md, "Backend REST"). An id that is no header value is a fault of ours. */
export function commandHeaders(command: BackendCommand, trace: OutgoingTrace): Record<string, string> {
  const requestId = id(command.requestId);
  const headers: Record<string, string> = {
    "X-User-Id": id(command.userId),
    "X-Device-Session-Id": id(command.deviceSessionId),
    "X-Request-Id": requestId,
    "Idempotency-Key": requestId,
    "X-Forwarded-For": id(command.peerAddress),
  };
  addTrace(headers, trace);
  addPassedOn(headers, command);
  return headers;
}

/** The headers of a call made for a caller who is not logged in. */
export function publicHeaders(context: PublicCallContext, trace: OutgoingTrace): Record<string, string> {
  const headers: Record<string, string> = { "X-Forwarded-For": id(context.peerAddress) };
  addTrace(headers, trace);
  addPassedOn(headers, context);
  return headers;
}

function addTrace(headers: Record<string, string>, { traceparent, tracestate }: OutgoingTrace): void {
  headers.traceparent = id(traceparent);
  if (tracestate !== undefined) headers.tracestate = tracestate;
}

function addPassedOn(headers: Record<string, string>, { acceptLanguage, userAgent }: BackendCommand | PublicCallContext): void {
  headers["User-Agent"] = userAgent !== undefined && isHeaderValue(userAgent, PASSED_ON_CHARS_MAX) ? userAgent : OWN_USER_AGENT;
  if (acceptLanguage !== undefined && isHeaderValue(acceptLanguage, PASSED_ON_CHARS_MAX)) {
    headers["Accept-Language"] = acceptLanguage;
  }
}

function id(value: string): string {
  if (!isVisible(value, ID_CHARS_MAX)) throw refuse("INTERNAL", { cause: "an id cannot be sent as a header" });
  return value;
}
