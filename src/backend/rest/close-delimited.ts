import { isJsonType, parseJson, utf8Text } from "../../core/json-body.ts";
import type { HttpAnswer } from "./http-client.ts";

const CHUNKED = /(?:^|,)\s*chunked\s*$/i;
const NO_CONTENT = 204;

/**
 * RFC 9112 6.3 (8): an answer with neither Content-Length nor chunked coding ends where its connection does, and Bun 1.4.5 reports a
 * reset (or TLS without close_notify) as such an end. So only JSON that shows its own end counts as whole: an object, an array, a string,
 * a literal. A number does not, nor does nothing at all.
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
