import { isJsonType, parseJson, utf8Text } from "../../core/json-body.ts";
import type { HttpAnswer } from "./http-client.ts";

const CHUNKED = /(?:^|,)\s*chunked\s*$/i;
const NO_CONTENT = 204;

/**
 * Whether an answer may be incomplete.
 *
 * RFC 9112 6.3 (8): an answer with neither Content-Length nor chunked coding ends when its connection closes. Bun 1.4.5 treats a
 * reset connection, or a TLS connection that ends without close_notify, like a normal close.
 *
 * So JSON in such an answer counts as complete only if its end is visible: an object, array, string or literal. A number or an
 * empty body may be truncated. An answer that is not JSON is rejected by the callers.
 */
export function mayBeTruncated({ status, headers, body }: HttpAnswer): boolean {
  if (status === NO_CONTENT || hasLength(headers)) return false;
  if (body.byteLength === 0) return true;
  if (!isJsonType(headers.get("content-type"))) return false;
  const value = parseJson(utf8Text(body));
  return value === undefined || typeof value === "number";
}

function hasLength(headers: Headers): boolean {
  return headers.has("content-length") || CHUNKED.test(headers.get("transfer-encoding") ?? "");
}
