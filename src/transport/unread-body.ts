import type { HeaderReader } from "../rpc/http.ts";

/** The gateway waits for the end of an unread body if the body has at most this length, in bytes. */
const AWAITED_BYTES_MAX = 16 * 1024;
/** Maximum time for which the gateway waits for the end of an unread body, in ms. */
export const UNREAD_WAIT_MS = 250;

/**
 * Whether the gateway waits for the end of an unread request body before it resets the HTTP/2 stream. The gateway waits if the
 * Content-Length is at most `AWAITED_BYTES_MAX`.
 *
 * RFC 9113 8.1 allows a reset with NO_ERROR after the answer. But if curl 7.88.1 reads the answer and the reset together, curl
 * loses the answer.
 */
export function awaitsEnd(headers: HeaderReader): boolean {
  const announced = headers.get("content-length");
  return announced !== null && Number(announced) <= AWAITED_BYTES_MAX;
}
