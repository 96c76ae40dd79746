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
  /** Endpoints that are not part of the contract, such as those of the playground. */
  readonly more: readonly HttpEndpoint[];
}

const KEYS_PATH = "/.well-known/jwks.json";

/** Returns the endpoints of public REST: the login routes, the gateway's public keys, and `more`. */
export function publicEndpoints({ routes, publicAuth, jwks, more, ...parts }: PublicEndpointParts): HttpEndpoint[] {
  const calls = routes.map((route) => loggedEndpoint(route.path, (call) => servePublicCall(call, route, publicAuth), parts));
  const keys = loggedEndpoint(KEYS_PATH, (call) => servePublicKeys(call, jwks, publicAuth), parts);
  return [...calls, keys, ...more.map((endpoint) => charged(endpoint, publicAuth))];
}

/** Charges each call of the endpoint to the budget `public_misc` of its network. The calls are not logged. */
function charged({ path, serve }: HttpEndpoint, ports: PublicChargePorts): HttpEndpoint {
  return {
    path,
    async serve(call) {
      await chargePublic([classDemand("public_misc", call.peer, ports)], ports);
      return serve(call);
    },
  };
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
