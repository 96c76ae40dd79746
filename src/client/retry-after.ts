/**
 * Returns the delay in the `Retry-After` field (RFC 9110 10.2.3), in ms. Returns `undefined` if the field is missing or is a
 * date.
 */
export function retryAfterMs(headers: Headers): number | undefined {
  const seconds = headers.get("retry-after");
  return seconds !== null && /^\d{1,9}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}
