import type { HttpCall, HttpEndpoint } from "../../core/http-endpoint.ts";
import { jsonReply, RestError } from "../../core/rest-reply.ts";
import { chargePublic, classDemand, type PublicChargePorts } from "./public-budgets.ts";
import { type PublicAuthParts, type PublicRoute, servePublicCall } from "./public-call.ts";
import { loggedEndpoint, type RestLogParts } from "./rest-log.ts";

export interface PublicEndpointParts extends RestLogParts {
  readonly routes: readonly PublicRoute[];
  readonly publicAuth: PublicAuthParts;
  /** The gateway's public keys, as JWKS. */
  readonly jwks: object;
}

const KEYS_PATH = "/.well-known/jwks.json";

/** Returns the endpoints of public REST: the login routes and the gateway's public keys. */
export function publicEndpoints({ routes, publicAuth, jwks, ...parts }: PublicEndpointParts): HttpEndpoint[] {
  const calls = routes.map((route) => loggedEndpoint(route.path, (call) => servePublicCall(call, route, publicAuth), parts));
  return [...calls, loggedEndpoint(KEYS_PATH, (call) => servePublicKeys(call, jwks, publicAuth), parts)];
}

/** The `Cache-Control` header of the public keys. They may be cached, because they change only when the gateway restarts. */
const MAX_AGE = "public, max-age=300";

/** Returns the gateway's public keys as JWKS. Throws RestError. */
async function servePublicKeys({ request, peer }: HttpCall, jwks: object, ports: PublicChargePorts): Promise<Response> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead) throw new RestError("method_not_allowed", undefined, { allow: "GET, HEAD" });
  const fields = await chargePublic([classDemand("public_misc", peer, ports)], ports);
  return jsonReply(200, jwks, { ...fields, "cache-control": MAX_AGE });
}
