import { isJsonType, parseJson, utf8Text } from "../../core/json-body.ts";
import type { HttpAnswer } from "./http-client.ts";
import { HttpFailure } from "./http-failure.ts";
import { hasLength, NO_CONTENT } from "./truncated-answer.ts";

/**
 * HTTP statuses that mean that the credentials of a request were rejected (RFC 9110 15.5.2, 15.5.4, 15.5.8). The gateway sends
 * no credentials except its own token.
 */
const CREDENTIALS_REJECTED: ReadonlySet<number> = new Set([401, 403, 407]);
const PROXY_AUTHENTICATION_REQUIRED = 407;

/**
 * Throws an `HttpFailure` if the status of an answer means that the backend rejected the gateway's token. Use
 * `requireNoChallenge` instead if a 401 or 403 can also mean that the backend rejected the user, as in answers to commands.
 */
export function requireGatewayAccepted({ status }: HttpAnswer): void {
  if (CREDENTIALS_REJECTED.has(status)) throw gatewayRejected(status);
}

/**
 * Throws an `HttpFailure` if the backend rejected the gateway's token, but not if it rejected the user:
 *
 * - A 407 always rejects the token.
 * - A 401 or 403 with a `WWW-Authenticate` header rejects the token (RFC 9110 11.6.1, RFC 6750 3).
 * - A 401 or 403 without this header rejects the user. It is a normal answer, and the function does not throw.
 */
export function requireNoChallenge({ status, headers }: HttpAnswer): void {
  const isChallenge = CREDENTIALS_REJECTED.has(status) && headers.has("www-authenticate");
  if (isChallenge || status === PROXY_AUTHENTICATION_REQUIRED) throw gatewayRejected(status);
}

/**
 * Returns the Content-Type of an answer. Throws an `HttpFailure` unless the Content-Type is JSON and the body is valid JSON.
 * `advice` is added to the cause if the Content-Type is not JSON.
 */
export function requireJson({ status, headers, body }: HttpAnswer, advice = ""): string {
  const contentType = headers.get("content-type");
  if (!isJsonType(contentType)) {
    throw new HttpFailure("bad_response", `HTTP ${status} with content-type ${contentType ?? "none"}, expected JSON${advice}`, {
      isFault: status < 400,
    });
  }
  if (parseJson(utf8Text(body)) === undefined) {
    throw new HttpFailure("bad_response", `HTTP ${status} with invalid JSON`, { isFault: status < 400 });
  }
  return contentType;
}

/**
 * Returns the body of an answer in raw bytes. Throws an `HttpFailure` in two cases:
 *
 * - The answer has neither Content-Length nor chunked coding. A truncated body would then look complete.
 * - The media type is not `expectedType`.
 */
export function rawBody(answer: HttpAnswer, expectedType: string | undefined): Uint8Array {
  const { status, headers, body } = answer;
  if (status === NO_CONTENT) return body;
  if (!hasLength(headers)) throw new HttpFailure("unavailable", "a raw answer without Content-Length may be truncated");
  const actual = headers.get("content-type");
  if (expectedType !== undefined && mediaTypeOf(actual ?? "") !== mediaTypeOf(expectedType))
    throw new HttpFailure("bad_response", `HTTP ${status} with content-type ${actual ?? "none"}, expected ${expectedType}`);
  return body;
}

/** The type and subtype of a Content-Type, without its parameters (RFC 9110 8.3.1). */
function mediaTypeOf(contentType: string): string {
  return (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
}

function gatewayRejected(status: number): HttpFailure {
  return new HttpFailure("bad_response", `HTTP ${status}: the backend rejected the gateway's credentials; see backend.token`, {
    isFault: false,
  });
}
