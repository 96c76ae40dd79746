/** The preferred form of a date in HTTP (RFC 9110 5.6.7). */
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
/** Maximum delay until a date, in ms. A longer delay is shortened, because the clock of the device may be wrong. */
const DATE_DELAY_MS_MAX = 60 * 60_000;

/**
 * Returns the delay in the `Retry-After` field (RFC 9110 10.2.3), in ms. Returns `undefined` if the field is missing or
 * malformed. If it is a date, the delay counts from the `Date` field of the answer, or else from the time of the device.
 */
export function retryAfterMs(headers: Headers): number | undefined {
  const value = headers.get("retry-after") ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const untilMs = dateMs(value);
  if (untilMs === undefined) return undefined;
  const delayMs = untilMs - (dateMs(headers.get("date") ?? "") ?? Date.now());
  return Math.min(Math.max(delayMs, 0), DATE_DELAY_MS_MAX);
}

function dateMs(text: string): number | undefined {
  const ms = HTTP_DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
