import { invalid } from "./public-error.ts";

/**
 * Throws RestError if the value contains a number that a double may not hold exactly: an integer beyond ±(2⁵³ − 1), or a number
 * beyond the range of a double (RFC 7493 2.2). The gateway parses a body and writes it again, so the backend could get another
 * number.
 */
export function checkJsonNumbers(value: unknown): void {
  if (typeof value === "number" && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))) {
    throw invalid("a number is too large; send it as a string");
  }
  if (typeof value !== "object" || value === null) return;
  for (const each of Object.values(value)) checkJsonNumbers(each);
}
