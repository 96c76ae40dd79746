import type { PublicBackend } from "../../core/backend.ts";
import { codingsOf } from "../../core/content-coding.ts";
import type { HttpCall } from "../../core/http-endpoint.ts";
import { PUBLIC_BODY_BYTES_MAX, PUBLIC_BODY_TOKENS_MAX } from "../../core/limits.ts";
import { isJsonContent } from "../../core/media-type.ts";
import type { Reason } from "../../core/reasons.ts";
import { Refusal } from "../../core/refusal.ts";
import { RestError, type RestErrorCode } from "../../core/rest-reply.ts";
import { BodyTooLarge, BodyTooSlow } from "../../rpc/http.ts";
import { checkJsonCost } from "../../rpc/json-bounds.ts";
import { forwardedHeaders } from "../forwarded-headers.ts";
import {
  chargePublic,
  checkPublic,
  classDemand,
  failureDemand,
  identityDemand,
  type PublicChargePorts,
  type PublicIdentity,
} from "./public-budgets.ts";
import type { PublicCall } from "./public-schema.ts";

/**
 * A public REST route for login calls. A call is charged to the budget `public_auth` of its network, and to the budget
 * `identity`.
 */
export interface PublicRoute {
  readonly path: string;
  /** Validates the body. Throws RestError. */
  readonly check: (json: unknown) => PublicCall;
  /** The name of the budget per mailbox (`send_code`) or per challenge (`confirm_code`). */
  readonly identity: PublicIdentity;
}

export interface PublicAuthParts extends PublicChargePorts {
  readonly backend: PublicBackend;
  readonly isStopping: () => boolean;
  /** Creates the refusal SHUTTING_DOWN, with the delay after which the client may retry. */
  readonly shuttingDown: () => Refusal;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Serves a login call: validates the body, charges the login budgets (`public_auth` and `route.identity`), and forwards the
 * call to the backend. Throws RestError.
 *
 * - An invalid call is not charged to the login budgets.
 * - The expensive check of the body runs only if the login budgets have tokens left.
 */
export async function servePublicCall(call: HttpCall, route: PublicRoute, parts: PublicAuthParts): Promise<Response> {
  if (parts.isStopping()) throw stopping(parts.shuttingDown());
  const { request, peer } = call;
  const { body, identity, expensiveCheck } = await readCall(call, route, parts);
  const demands = [classDemand("public_auth", peer, parts), identityDemand(route.identity, identity, parts)];
  if (expensiveCheck !== undefined) {
    checkPublic(demands, parts);
    expensiveCheck();
  }
  const fields = await chargePublic(demands, parts);
  const context = { peerAddress: peer.address, ...forwardedHeaders(request.headers) };
  const answer = await parts.backend.forward(route.path, body, context, request.signal).catch(toRestError);
  const replyHeaders: Record<string, string> = { ...fields, "content-type": answer.contentType, "cache-control": "no-store" };
  if (answer.retryAfter !== undefined) replyHeaders["retry-after"] = answer.retryAfter;
  return new Response(answer.body as Uint8Array<ArrayBuffer>, { status: answer.status, headers: replyHeaders });
}

function stopping({ retryAfterMs = 0 }: Refusal): RestError {
  return new RestError("shutting_down", undefined, { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))) });
}

/**
 * Reads and validates the body of a call. The body is not read if the network's failure bucket is empty. A call with an invalid
 * body is charged to the failure bucket.
 */
async function readCall(call: HttpCall, { check }: PublicRoute, parts: PublicAuthParts): Promise<PublicCall> {
  const failure = failureDemand(call.peer, parts);
  checkPublic([failure], parts);
  try {
    return check(await readJson(call));
  } catch (thrown) {
    if (isClientFault(thrown) && !call.request.signal.aborted) await parts.buckets.spend(failure, parts.clock.now());
    throw thrown;
  }
}

/**
 * Returns true if an error must be charged to the network's failure bucket. Only an invalid body is charged. An error in the
 * headers is cheap to detect, and a slow client is not an attack.
 */
function isClientFault(thrown: unknown): boolean {
  if (!(thrown instanceof RestError) || thrown.cause instanceof BodyTooSlow) return false;
  return thrown.code === "invalid_request" || thrown.code === "payload_too_large";
}

async function readJson({ request, readBody }: HttpCall): Promise<unknown> {
  if (request.method !== "POST") throw new RestError("method_not_allowed", undefined, { allow: "POST" });
  const { headers } = request;
  if (!isJsonContent(headers.get("content-type"))) throw new RestError("unsupported_media_type");
  if (codingsOf(headers.get("content-encoding")).length > 0)
    throw new RestError("unsupported_media_type", "content-encoding is not supported");
  try {
    const bytes = await readBody(PUBLIC_BODY_BYTES_MAX);
    checkJsonCost(bytes, PUBLIC_BODY_TOKENS_MAX);
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    if (error instanceof BodyTooLarge) throw new RestError("payload_too_large", `at most ${PUBLIC_BODY_BYTES_MAX} bytes`);
    if (error instanceof BodyTooSlow) throw new RestError("invalid_request", "the body took too long to arrive", {}, error);
    throw new RestError("invalid_request", "the body must be JSON in UTF-8", {}, error);
  }
}

const REST_CODES: Partial<Record<Reason, RestErrorCode>> = {
  BACKEND_UNAVAILABLE: "backend_unavailable",
  BACKEND_TIMEOUT: "backend_timeout",
  BACKEND_BAD_RESPONSE: "backend_bad_response",
};

/** Converts a refusal of the backend call to a public REST error. */
function toRestError(thrown: unknown): never {
  const code = thrown instanceof Refusal ? REST_CODES[thrown.reason] : undefined;
  throw new RestError(code ?? "internal", undefined, {}, thrown instanceof Refusal ? thrown.cause : thrown);
}
