import { invalid } from "./public-error.ts";

/**
 * Throws RestError if the value contains an integer beyond ±(2⁵³ − 1), or a number beyond the range of a double (RFC 7493 2.2).
 * The gateway parses a body into doubles and writes it again. So the backend could otherwise get another number.
 */
export function checkJsonNumbers(value: unknown): void {
  if (typeof value === "number" && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))) {
    throw invalid("a number is too large; send it as a string");
  }
  if (typeof value !== "object" || value === null) return;
  for (const each of Object.values(value)) checkJsonNumbers(each);
}
