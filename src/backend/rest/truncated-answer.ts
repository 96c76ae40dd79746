import { isJsonType, parseJson, utf8Text } from "../../core/json-body.ts";
import type { HttpAnswer } from "./http-client.ts";

const CHUNKED = /(?:^|,)\s*chunked\s*$/i;
export const NO_CONTENT = 204;

/**
 * Returns true if an answer may be incomplete.
 *
 * An answer without Content-Length and without chunked coding ends when its connection closes (RFC 9112 6.3, item 8). Bun 1.4.5
 * reports no error if the connection was reset, or if TLS ended without close_notify. So the body must show that the answer is
 * complete:
 *
 * - A valid JSON object, array, string, `true`, `false` or `null` is complete, because JSON marks its end.
 * - Invalid JSON, a number or an empty body may be truncated.
 * - A body whose Content-Type is not JSON counts as complete, because the callers reject it anyway.
 */
export function mayBeTruncated({ status, headers, body }: HttpAnswer): boolean {
  if (status === NO_CONTENT || hasLength(headers)) return false;
  if (body.byteLength === 0) return true;
  if (!isJsonType(headers.get("content-type"))) return false;
  const value = parseJson(utf8Text(body));
  return value === undefined || typeof value === "number";
}

/** Whether an answer has Content-Length or chunked coding, so that its end is known. */
export function hasLength(headers: Headers): boolean {
  return headers.has("content-length") || CHUNKED.test(headers.get("transfer-encoding") ?? "");
}
