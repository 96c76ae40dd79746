import { decoder } from "./decoder.ts";

const RFC3339 = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** Decodes a time with its offset from UTC (RFC 3339). In TOML and YAML, the time can be written without quotation marks. */
export const time = decoder<string>(
  "a time with its offset from UTC, such as 2027-01-31T03:00:00Z",
  (raw) => {
    const written = raw instanceof Date && Number.isFinite(raw.getTime()) ? raw.toISOString() : raw;
    const isTime = typeof written === "string" && RFC3339.test(written) && Number.isFinite(Date.parse(written));
    return isTime ? new Date(written).toISOString() : undefined;
  },
  { schema: { type: "string", pattern: RFC3339.source } },
);
