import { UsageError } from "./usage-error.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
/** Maximum duration: 24 h. It must be shorter than the longest delay of a JavaScript timer, which is 24.8 days. */
const MS_MAX = 24 * 3_600_000;

/** Parses a duration such as `500ms`, `5s`, `2m` or `1h`. A number without a unit is in seconds. Throws `UsageError`. */
export function parseDuration(option: string, text: string): number {
  const [, number = "", unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = number === "" ? Number.NaN : Math.round(Number(number) * (UNIT_MS[unit] ?? Number.NaN));
  if (ms >= 1 && ms <= MS_MAX) return ms;
  throw new UsageError(`--${option} must be a duration such as 500ms, 5s or 2m, at most 24h`);
}
