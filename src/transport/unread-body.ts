import type { HeaderReader } from "../rpc/http.ts";

/** Maximum length of an unread body whose end is awaited, in bytes. */
const AWAITED_BYTES_MAX = 16 * 1024;
/** Maximum time for which the end of an unread body is awaited, in ms. */
export const UNREAD_WAIT_MS = 250;

/**
 * Whether the end of an unread request body is awaited before its HTTP/2 stream is reset: if its Content-Length is small.
 *
 * RFC 9113 8.1 allows a reset with NO_ERROR after the answer. But curl 7.88.1 loses the answer if it reads both at once.
 */
export function awaitsEnd(headers: HeaderReader): boolean {
  const announced = headers.get("content-length");
  return announced !== null && Number(announced) <= AWAITED_BYTES_MAX;
}
