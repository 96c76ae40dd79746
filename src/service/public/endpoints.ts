import type { HttpCall, HttpEndpoint } from "../../core/http-endpoint.ts";
import { KEY_SET_AGE_MS_MAX } from "../../core/keys.ts";
import { jsonReply, RestError } from "../../core/rest-reply.ts";
import { chargePublic, classDemand, type PublicChargePorts } from "./public-budgets.ts";
import { loggedEndpoint, type RestLogParts } from "./rest-log.ts";

export interface PublicEndpointParts extends RestLogParts {
  readonly charges: PublicChargePorts;
  /** The gateway's public keys, as JWKS. They change when the signing keys rotate. */
  readonly keys: { readonly jwks: object };
  /** Endpoints that are not part of the contract, such as those of the playground. */
  readonly more: readonly HttpEndpoint[];
}

const KEYS_PATH = "/.well-known/jwks.json";

/** Returns the endpoints of public REST that are not rows of `public_routes`: the gateway's public keys, and `more`. */
export function publicEndpoints({ charges, keys: ring, more, ...parts }: PublicEndpointParts): HttpEndpoint[] {
  const keys = loggedEndpoint(KEYS_PATH, (call) => servePublicKeys(call, ring.jwks, charges), parts);
  return [keys, ...more.map((endpoint) => charged(endpoint, charges))];
}

/** Returns an endpoint that charges each call to the budget `public_misc` of the client's network. The calls are not logged. */
function charged({ path, serve }: HttpEndpoint, ports: PublicChargePorts): HttpEndpoint {
  return {
    path,
    async serve(call) {
      await chargePublic([classDemand("public_misc", call.peer, ports)], ports);
      return serve(call);
    },
  };
}

/** The `Cache-Control` header of the public keys. They may be cached, because each key is published before it is first used. */
const MAX_AGE = `public, max-age=${KEY_SET_AGE_MS_MAX / 1000}`;

/** Returns the gateway's public keys as JWKS. Throws RestError. */
async function servePublicKeys({ request, peer }: HttpCall, jwks: object, ports: PublicChargePorts): Promise<Response> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead) throw new RestError("method_not_allowed", undefined, { allow: "GET, HEAD" });
  const fields = await chargePublic([classDemand("public_misc", peer, ports)], ports);
  return jsonReply(200, jwks, { ...fields, "cache-control": MAX_AGE });
}
