import { parseJsonObject } from "../core/json-body.ts";
import { isJsonContent } from "../core/media-type.ts";
import { jsonReply, RestError } from "../core/rest-reply.ts";
import type { Revocation } from "../core/sessions.ts";
import type { StreamDescription, StreamPage, StreamQuery } from "../hub/stream-report.ts";
import { queryOf } from "../transport/bun/request-url.ts";

export interface StreamAdmin {
  list(query: StreamQuery): StreamPage;
  /**
   * Revokes one session, or all sessions of a user, at this gateway: removes them from the session cache and ends their
   * streams. Returns the number of ended streams.
   */
  revoke(revocation: Revocation): number;
  /**
   * Sends the revocation to the other gateways that use the same Redis. Resolves to `false` if Redis does not accept it.
   *
   * Without Redis, does nothing and resolves to `true`.
   */
  announce(revocation: Revocation): Promise<boolean>;
}

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
const ID_CHARS_MAX = 256;
const PARAMETERS: readonly string[] = ["after", "limit", "user_id", "device_session_id"];

/** Handles `GET /streams?after=&limit=&user_id=&device_session_id=`. Returns one page of the open streams, oldest first. */
export function listStreams(request: Request, admin: StreamAdmin): Response {
  const parameters = new URLSearchParams(queryOf(request.url));
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined)
    throw new RestError("invalid_request", `unknown parameter ${JSON.stringify(unknown.slice(0, 64))}`);
  const { streams, nextAfter } = admin.list({
    after: integerOf(parameters, "after", 0, Number.MAX_SAFE_INTEGER) ?? 0,
    limit: integerOf(parameters, "limit", 1, PAGE_MAX) ?? PAGE_DEFAULT,
    userId: parameters.get("user_id") ?? undefined,
    deviceSessionId: parameters.get("device_session_id") ?? undefined,
  });
  return jsonReply(200, { streams: streams.map(toJson), next_after: nextAfter ?? null });
}

/**
 * Handles `POST /revoke` with `{"device_session_id"}` or `{"user_id"}`. Requires a JSON Content-Type as protection against
 * CSRF: a web page of another origin cannot send JSON without a CORS preflight.
 */
export async function revokeStreams(request: Request, admin: StreamAdmin): Promise<Response> {
  if (!isJsonContent(request.headers.get("content-type"))) throw new RestError("unsupported_media_type");
  const revocation = toRevocation(await request.text());
  const streamsEnded = admin.revoke(revocation);
  return jsonReply(200, { streams_ended: streamsEnded, everywhere: await admin.announce(revocation) });
}

function toRevocation(body: string): Revocation {
  const [field, ...more] = Object.entries(parseJsonObject(body) ?? {});
  if (field === undefined || more.length > 0) throw badRevocation();
  const [name, value] = field;
  if (typeof value !== "string" || value === "" || value.length > ID_CHARS_MAX) throw badRevocation();
  if (name === "device_session_id") return { deviceSessionId: value };
  if (name === "user_id") return { userId: value };
  throw badRevocation();
}

function badRevocation(): RestError {
  return new RestError("invalid_request", "the body must be a JSON object with either device_session_id or user_id");
}

function integerOf(parameters: URLSearchParams, name: string, min: number, max: number): number | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new RestError("invalid_request", `${name} must be a whole number from ${min} to ${max}`);
}

function toJson(stream: StreamDescription) {
  return {
    id: stream.id,
    device_session_id: stream.deviceSessionId,
    user_id: stream.userId,
    peer_network: stream.peerNetwork,
    kind: stream.kind,
    protocol: stream.protocol,
    codec: stream.codec,
    age_ms: stream.ageMs,
    unread_bytes: stream.unreadBytes,
  };
}
