import type { HttpCall } from "../../core/http-endpoint.ts";
import { jsonReply, RestError } from "../../core/rest-reply.ts";
import { chargePublic, classDemand, type PublicChargePorts } from "./public-budgets.ts";

/** The keys change only at a restart, so clients may cache them. */
const MAX_AGE = "public, max-age=300";

/** Returns the gateway's public keys as JWKS. Throws RestError. */
export async function servePublicKeys({ request, peer }: HttpCall, jwks: object, ports: PublicChargePorts): Promise<Response> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead) throw new RestError("method_not_allowed", undefined, { allow: "GET, HEAD" });
  const fields = await chargePublic([classDemand("public_misc", peer, ports)], ports);
  return jsonReply(200, jwks, { ...fields, "cache-control": MAX_AGE });
}
