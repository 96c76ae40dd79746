import { isJsonType, parseJson, utf8Text } from "../../core/json-body.ts";
import type { HttpAnswer } from "./http-client.ts";
import { HttpFailure } from "./http-failure.ts";

/** RFC 9110 15.5.2, 15.5.4, 15.5.8: these statuses reject the credentials of the request. The credentials are the gateway's token. */
const CREDENTIALS_REJECTED: ReadonlySet<number> = new Set([401, 403, 407]);
const PROXY_AUTHENTICATION_REQUIRED = 407;

/** Throws an `HttpFailure` if the backend rejected the gateway's credentials. For calls that no user makes, such as look-ups. */
export function requireGatewayAccepted({ status }: HttpAnswer): void {
  if (CREDENTIALS_REJECTED.has(status)) throw gatewayRejected(status);
}

/**
 * The same for commands, for which 401 and 403 may reject the user instead. An answer with a challenge (`WWW-Authenticate`, RFC 9110
 * 11.6.1, RFC 6750 3) rejects the gateway.
 */
export function requireNoChallenge({ status, headers }: HttpAnswer): void {
  const isChallenge = CREDENTIALS_REJECTED.has(status) && headers.has("www-authenticate");
  if (isChallenge || status === PROXY_AUTHENTICATION_REQUIRED) throw gatewayRejected(status);
}

/** Returns the Content-Type of an answer whose type and body are JSON. Throws an `HttpFailure` for any other answer. */
export function requireJson({ status, headers, body }: HttpAnswer): string {
  const contentType = headers.get("content-type");
  if (!isJsonType(contentType)) {
    throw new HttpFailure("bad_response", `HTTP ${status} with content-type ${contentType ?? "none"}`);
  }
  if (parseJson(utf8Text(body)) === undefined) throw new HttpFailure("bad_response", `HTTP ${status} with invalid JSON`);
  return contentType;
}

function gatewayRejected(status: number): HttpFailure {
  return new HttpFailure("bad_response", `HTTP ${status}: the backend rejected the gateway's credentials; see backend.token`);
}
