import type { HttpAnswer } from "./http-client.ts";
import { HttpFailure } from "./http-failure.ts";

/** RFC 9110 15.5.2, 15.5.4, 15.5.8: they speak of the credentials of the request, and those are the gateway's. */
const ABOUT_CREDENTIALS: ReadonlySet<number> = new Set([401, 403, 407]);
const PROXY_AUTHENTICATION = 407;

/** Throws where an answer refuses the gateway itself: for calls on behalf of nobody who could have been refused otherwise. */
export function requireGatewayAccepted({ status }: HttpAnswer): void {
  if (ABOUT_CREDENTIALS.has(status)) throw gatewayRefused(status);
}

/** The same for commands, whose user may have been refused: a challenge (RFC 9110 11.6.1, RFC 6750 3) tells that it was not the user. */
export function requireNoChallenge({ status, headers }: HttpAnswer): void {
  const isChallenge = ABOUT_CREDENTIALS.has(status) && headers.has("www-authenticate");
  if (isChallenge || status === PROXY_AUTHENTICATION) throw gatewayRefused(status);
}

function gatewayRefused(status: number): HttpFailure {
  return new HttpFailure("bad_response", `HTTP ${status}: the gateway itself is refused; see backend.token`);
}
