import { codingsOf } from "../../core/content-coding.ts";
import type { HttpCall } from "../../core/http-endpoint.ts";
import { PUBLIC_BODY_BYTES_MAX, PUBLIC_BODY_TOKENS_MAX } from "../../core/limits.ts";
import { isJsonContent } from "../../core/media-type.ts";
import type { PublicBackend } from "../../core/ports.ts";
import { type Reason, Refusal } from "../../core/refusal.ts";
import { RestError, type RestErrorCode } from "../../core/rest-reply.ts";
import { BodyTooLarge, BodyTooSlow } from "../../rpc/http.ts";
import { checkJsonCost } from "../../rpc/json-bounds.ts";
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

/** One login call: where it is, how its body is checked, and which budget counts whom it is about. Its class is `public_auth`. */
export interface PublicRoute {
  readonly path: string;
  readonly check: (json: unknown) => PublicCall;
  readonly identity: PublicIdentity;
}

export interface PublicAuthParts extends PublicChargePorts {
  readonly backend: PublicBackend;
  readonly isStopping: () => boolean;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Checks a public call, charges it, and passes it on: in this order, so that nothing is spent on what is malformed. But what is dear to
 * check is not checked for those whose budget is empty. Throws RestError.
 */
export async function servePublicCall(call: HttpCall, route: PublicRoute, parts: PublicAuthParts): Promise<Response> {
  if (parts.isStopping()) throw new RestError("shutting_down");
  const { request, peer } = call;
  const { body, identity, checkLast } = await readCall(call, route, parts);
  const demands = [classDemand("public_auth", peer, parts), identityDemand(route.identity, identity, parts)];
  if (checkLast !== undefined) {
    checkPublic(demands, parts);
    checkLast();
  }
  const fields = await chargePublic(demands, parts);
  const { headers } = request;
  const context = {
    peerAddress: peer.address,
    acceptLanguage: headers.get("accept-language") ?? undefined,
    userAgent: headers.get("user-agent") ?? undefined,
    traceparent: headers.get("traceparent") ?? undefined,
    tracestate: headers.get("tracestate") ?? undefined,
  };
  const answer = await parts.backend.forward(route.path, body, context, request.signal).catch(toRestError);
  const replyHeaders: Record<string, string> = { ...fields, "content-type": answer.contentType, "cache-control": "no-store" };
  if (answer.retryAfter !== undefined) replyHeaders["retry-after"] = answer.retryAfter;
  return new Response(answer.body as Uint8Array<ArrayBuffer>, { status: answer.status, headers: replyHeaders });
}

/** The call, as far as it is checked at no cost. An address whose calls keep failing is not read; what cannot be taken is a failure. */
async function readCall(call: HttpCall, { check }: PublicRoute, parts: PublicAuthParts): Promise<PublicCall> {
  const failure = failureDemand(call.peer, parts);
  checkPublic([failure], parts);
  try {
    return check(await readJson(call));
  } catch (thrown) {
    if (isPeersFault(thrown) && !call.request.signal.aborted) await parts.buckets.spend(failure, parts.clock.now());
    throw thrown;
  }
}

/** Not what the head alone tells, and not a client that is slow. */
function isPeersFault(thrown: unknown): boolean {
  if (!(thrown instanceof RestError) || thrown.cause instanceof BodyTooSlow) return false;
  return thrown.code === "invalid_request" || thrown.code === "payload_too_large";
}

async function readJson({ request, readBody }: HttpCall): Promise<unknown> {
  if (request.method !== "POST") throw new RestError("method_not_allowed", undefined, { allow: "POST" });
  const { headers } = request;
  if (!isJsonContent(headers.get("content-type"))) throw new RestError("unsupported_media_type");
  if (codingsOf(headers.get("content-encoding")).length > 0)
    throw new RestError("unsupported_media_type", "no content-encoding is taken");
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

/** The catalogue's refusal of a backend call, as a public REST error. */
function toRestError(thrown: unknown): never {
  const code = thrown instanceof Refusal ? REST_CODES[thrown.reason] : undefined;
  throw new RestError(code ?? "internal", undefined, {}, thrown instanceof Refusal ? thrown.cause : thrown);
}
