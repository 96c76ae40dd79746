import type { PublicAnswer, PublicBackend } from "../../core/backend.ts";
import { forwardedHeaders } from "../../core/backend.ts";
import type { HttpCall } from "../../core/http-endpoint.ts";
import { hasBody } from "../../core/public-routes.ts";
import type { Reason } from "../../core/reasons.ts";
import { Refusal } from "../../core/refusal.ts";
import { RestError, type RestErrorCode } from "../../core/rest-reply.ts";
import { BodyTooSlow } from "../../rpc/http.ts";
import { invalid } from "./fields/public-fields.ts";
import { readJsonBody } from "./public-body.ts";
import {
  chargePublic,
  checkPublic,
  classDemand,
  failureDemand,
  identityDemand,
  ownDemand,
  type PublicChargePorts,
  type PublicDemand,
} from "./public-budgets.ts";
import { readQuery, writeQuery } from "./public-query.ts";
import type { CheckedCall, PublicRow } from "./public-row.ts";
import type { PublicPath } from "./public-table.ts";

export interface PublicAuthParts extends PublicChargePorts {
  readonly backend: PublicBackend;
  readonly isStopping: () => boolean;
  /** Creates the refusal SHUTTING_DOWN, with the delay after which the client may retry. */
  readonly shuttingDown: () => Refusal;
}

/** Maximum length of the path and the query of a backend call. Many HTTP servers limit the whole request line to 8 KiB. */
const TARGET_CHARS_MAX = 8000;

/**
 * Serves a call of a public route: validates its fields, takes tokens from its buckets, and forwards the call to the backend.
 * Throws RestError.
 *
 * - A call that fails one of its checks takes one token from the failure budget of its network, and no other token.
 * - `schemaCheck` and `expensiveCheck` run only if the buckets of the call have tokens left.
 */
export async function servePublicCall(call: HttpCall, path: PublicPath, parts: PublicAuthParts): Promise<Response> {
  if (parts.isStopping()) throw stopping(parts.shuttingDown());
  const { request, peer } = call;
  const { row, checked, target } = await readCall(call, path, parts);
  const demands = demandsOf(call, row, checked, parts);
  const { schemaCheck, expensiveCheck } = checked;
  if (schemaCheck !== undefined || expensiveCheck !== undefined) checkPublic(demands, parts);
  if (schemaCheck !== undefined) await charging(call, parts, schemaCheck);
  if (expensiveCheck !== undefined) await charging(call, parts, expensiveCheck);
  const fields = await chargePublic(demands, parts);
  const context = { peerAddress: peer.address, ...forwardedHeaders(request.headers) };
  const body = hasBody(row.method) ? checked.fields : undefined;
  const forwarded = { method: row.method, target, body, isLogin: row.isLogin, ...row.answer };
  const answer = await parts.backend.forward(forwarded, context, request.signal).catch(toRestError);
  return toResponse(answer, fields);
}

function stopping({ retryAfterMs = 0 }: Refusal): RestError {
  return new RestError("shutting_down", undefined, { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))) });
}

function toResponse(answer: PublicAnswer, budgetFields: Readonly<Record<string, string>>): Response {
  const headers: Record<string, string> = { ...budgetFields };
  if (answer.contentType !== undefined) headers["content-type"] = answer.contentType;
  headers["cache-control"] = "no-store";
  if (answer.retryAfter !== undefined) headers["retry-after"] = answer.retryAfter;
  const body = answer.contentType === undefined ? null : (answer.body as Uint8Array<ArrayBuffer>);
  return new Response(body, { status: answer.status, headers: { ...headers, ...answer.headers } });
}

/** Returns the buckets from which a call takes a token: the buckets of its network, and the bucket of its identity. */
function demandsOf({ peer }: HttpCall, row: PublicRow, { identity }: CheckedCall, parts: PublicAuthParts): PublicDemand[] {
  const { class: shared, budget, identityBudget } = row;
  const demands = shared === undefined ? [] : [classDemand(shared, peer, parts)];
  if (budget !== undefined) demands.push(ownDemand(budget, peer));
  if (identityBudget !== undefined && identity !== undefined) demands.push(identityDemand(identityBudget, identity, parts));
  return demands;
}

interface ReadCall {
  readonly row: PublicRow;
  readonly checked: CheckedCall;
  /** The path and the query of the backend call. */
  readonly target: string;
}

/**
 * Reads and validates the fields of a call. The body is not read if the network's failure bucket is empty. A call with invalid
 * fields is charged to the failure bucket.
 */
async function readCall(call: HttpCall, path: PublicPath, parts: PublicAuthParts): Promise<ReadCall> {
  checkPublic([failureDemand(call.peer, parts)], parts);
  const row = path.row(call.request.method);
  if (row === undefined) throw new RestError("method_not_allowed", undefined, { allow: path.methods.join(", ") });
  return await charging(call, parts, async () => {
    const variables = path.values(call.path);
    const checked = row.check(hasBody(row.method) ? await readJsonBody(call, row) : readQuery(call.query), variables);
    const query = hasBody(row.method) ? "" : writeQuery(checked.fields);
    const target = row.backendPath.expand(variables) + query;
    if (target.length > TARGET_CHARS_MAX) throw invalid("the query is too long");
    return { row, checked, target };
  });
}

/** Runs a check of a call. If the check finds a fault of the client, charges the call to the failure bucket of the network. */
async function charging<T>(call: HttpCall, parts: PublicAuthParts, check: () => T | Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (thrown) {
    const failure = failureDemand(call.peer, parts);
    if (isClientFault(thrown) && !call.request.signal.aborted) await parts.buckets.spend(failure, parts.clock.now());
    throw thrown;
  }
}

/**
 * Returns true if an error must be charged to the network's failure bucket: the fields are invalid, or the body is too large.
 *
 * - An error in the headers is not charged, because it is cheap to detect.
 * - A body that arrives too slowly is not charged, because a slow client is not an attack.
 */
function isClientFault(thrown: unknown): boolean {
  if (!(thrown instanceof RestError) || thrown.cause instanceof BodyTooSlow) return false;
  return thrown.code === "invalid_request" || thrown.code === "payload_too_large";
}

const REST_CODES: Partial<Record<Reason, RestErrorCode>> = {
  BACKEND_UNAVAILABLE: "backend_unavailable",
  BACKEND_TIMEOUT: "backend_timeout",
  BACKEND_BAD_RESPONSE: "backend_bad_response",
};

/** Throws the public REST error for an error of the backend call. */
function toRestError(thrown: unknown): never {
  const code = thrown instanceof Refusal ? REST_CODES[thrown.reason] : undefined;
  throw new RestError(code ?? "internal", undefined, {}, thrown instanceof Refusal ? thrown.cause : thrown);
}
