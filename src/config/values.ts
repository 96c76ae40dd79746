import { isIP } from "node:net";
import { parseIpBlock } from "../core/ip-address.ts";
import { type ListenAddress, parseAddress } from "../core/listen.ts";
import { type Decoder, decoder } from "./decoder.ts";
import { booleanHint, cidrHint, listenHint, numberHint, urlHint } from "./hints.ts";
import { isDate, redactedValue } from "./problem.ts";
import { closest } from "./suggest.ts";

/**
 * Matches a number with a unit, such as "5s". Settings take numbers without units, so this is a common mistake. Error messages
 * may quote such a value, because it is not a secret.
 */
const NUMBER_WITH_UNIT = /^[-+]?\d{1,12}([.,_]\d{1,9})*\s?(ms|s|min|m|h|d|[kKMGT]?i?[bB]?|%)$/;

function shownNumber(raw: unknown): string {
  return typeof raw === "string" && NUMBER_WITH_UNIT.test(raw) ? JSON.stringify(raw) : redactedValue(raw);
}

export function int(unit: string, min: number, max: number): Decoder<number> {
  const accepts = (raw: number) => Number.isSafeInteger(raw) && raw >= min && raw <= max;
  return decoder(
    `an integer from ${min} to ${max} (${unit})`,
    (raw) => (typeof raw === "number" && accepts(raw) ? raw : undefined),
    {
      fromText: (text) => (/^-?\d+$/.test(text.trim()) ? Number(text) : text),
      show: shownNumber,
      hint: (raw) => numberHint(raw, unit, accepts),
      schema: { type: "integer", minimum: min, maximum: max, "x-unit": unit },
    },
  );
}

/** Creates a decoder for a whole number from `min` to `max`, or the word `auto`. */
export function intOrAuto(unit: string, min: number, max: number): Decoder<number | "auto"> {
  const number = int(unit, min, max);
  return decoder(
    `auto or ${number.expected}`,
    (raw) => {
      if (raw === "auto") return raw;
      const decoded = number.decode(raw);
      return decoded.ok ? decoded.value : undefined;
    },
    {
      fromText: (text) => number.fromText(text),
      show: shownNumber,
      hint: (raw) => numberHint(raw, unit, (each) => number.decode(each).ok),
      schema: { anyOf: [{ enum: ["auto"] }, number.schema] },
    },
  );
}

/** Creates a decoder for a number above 0, with or without decimals. */
export function positive(unit: string, max: number): Decoder<number> {
  const accepts = (raw: number) => raw > 0 && raw <= max;
  return decoder(
    `a number above 0, at most ${max} (${unit})`,
    (raw) => (typeof raw === "number" && accepts(raw) ? raw : undefined),
    {
      fromText: (text) => (/^\d*\.?\d+(e-?\d+)?$/i.test(text.trim()) ? Number(text) : text),
      show: shownNumber,
      hint: (raw) => numberHint(raw, unit, accepts),
      schema: { type: "number", exclusiveMinimum: 0, maximum: max, "x-unit": unit },
    },
  );
}

/** Decodes a boolean. In a variable or a flag, it is the text "true" or "false". */
export const boolean: Decoder<boolean> = decoder("true or false", (raw) => (typeof raw === "boolean" ? raw : undefined), {
  fromText: (text) => (text === "true" ? true : text === "false" ? false : text),
  hint: booleanHint,
  schema: { type: "boolean" },
});

export function choice<const T extends string>(...choices: readonly T[]): Decoder<T> {
  const hint = (raw: unknown) => (typeof raw === "string" ? suggestChoice(raw, choices) : undefined);
  const schema = { enum: choices };
  return decoder(`one of ${choices.join(", ")}`, (raw) => choices.find((each) => each === raw), { hint, schema });
}

function suggestChoice(raw: string, choices: readonly string[]): string | undefined {
  const found = closest(raw, choices) ?? choices.find((each) => raw.toLowerCase().startsWith(each));
  return found === undefined ? undefined : `did you mean "${found}"?`;
}

/** Creates a decoder for a text that matches `pattern`. */
export function text(expected: string, pattern: RegExp): Decoder<string> {
  const schema = { type: "string", pattern: pattern.source };
  return decoder(expected, (raw) => (typeof raw === "string" && pattern.test(raw) ? raw : undefined), { schema });
}

/**
 * Decodes a file path. Error messages quote paths, so the decoder refuses:
 * - control characters
 * - texts that look like a secret: a seed, a PEM key or a URL
 */
export const filePath: Decoder<string> = decoder(
  "a file path",
  (raw) => (typeof raw === "string" && isPath(raw) ? raw : undefined),
  {
    hint: (raw) => (typeof raw === "string" && raw !== "" ? "the file's path, not its content" : undefined),
    schema: { type: "string", minLength: 1, maxLength: 4096 },
  },
);

/**
 * Matches texts that may be the seed of a signing key: 32 bytes in base64 or base64url. Does not match 43 characters that start
 * with `/`, because this may be a path.
 */
const SEED = /^(?:[A-Za-z0-9+/_-]{43}=|[A-Za-z0-9+_-][A-Za-z0-9+/_-]{42})$/;

function isPath(raw: string): boolean {
  return /^\P{Cc}{1,4096}$/u.test(raw) && !/^-----BEGIN|:\/\//.test(raw) && !SEED.test(raw);
}

export const httpUrl: Decoder<string> = decoder(
  "an http:// or https:// URL without user, query and fragment",
  (raw) => (typeof raw === "string" ? readHttpUrl(raw) : undefined),
  { hint: urlHint, schema: { type: "string", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://[^?#@]+$" } },
);

function readHttpUrl(raw: string): string | undefined {
  const url = URL.parse(raw);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  if (url.username || url.password || /[?#]/.test(raw)) return undefined;
  return url.href.replace(/\/+$/, "");
}

/**
 * Matches a URL with the scheme `redis`, `rediss` or `redis+unix`. Other schemes that Bun's Redis client accepts do not match.
 */
const REDIS_URL = /^(rediss?:\/\/[^/?#]+(\/\d{0,4})?|redis\+unix:\/\/\/[^?#]+)$/;

/** Decodes the URL of a Redis server. The URL may contain a password, so create its setting with `secret`. */
export const redisUrl: Decoder<string> = decoder(
  "a URL such as redis://user:password@host:6379/0, rediss://… for TLS, or redis+unix:///path/to/socket",
  (raw) => (typeof raw === "string" && REDIS_URL.test(raw) && URL.canParse(raw) ? raw : undefined),
  { schema: { type: "string", pattern: REDIS_URL.source } },
);

export const listen: Decoder<ListenAddress> = decoder(
  '"host:port" (write an IPv6 host in brackets; port 0 lets the system choose a port)',
  (raw) => (typeof raw === "string" ? readListen(raw) : undefined),
  {
    hint: listenHint,
    schema: { type: "string", pattern: "^(\\[[^\\]]+\\]|[^:\\[\\]]+):\\d{1,5}$" },
  },
);

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/;

function readListen(raw: string): ListenAddress | undefined {
  const address = parseAddress(raw);
  return address !== undefined && (isIP(address.host) === 6 || isHost(address.host)) ? address : undefined;
}

/** Decodes a host name without scheme and port. IP addresses are refused. */
export const hostName: Decoder<string> = decoder(
  'a host name such as "admin.internal", without scheme, port and wildcard',
  (raw) => (typeof raw === "string" && isHost(raw) && isIP(raw) === 0 ? raw : undefined),
  { schema: { type: "string", pattern: HOST_NAME.source } },
);

/**
 * Whether the text is a host name or an IPv4 address. A text whose last label is a number must be an IPv4 address (WHATWG URL,
 * "ends in a number").
 */
function isHost(host: string): boolean {
  return /(^|\.)\d+$/.test(host) ? isIP(host) === 4 : HOST_NAME.test(host);
}

/** Decodes an IP address, or a range of addresses in CIDR notation. */
export const cidr: Decoder<string> = decoder(
  'an address or a range such as "10.0.0.0/8" or "fd00::/8"',
  (raw) => (typeof raw === "string" && isCidr(raw) ? raw : undefined),
  { hint: cidrHint, schema: { type: "string", pattern: "^[0-9A-Fa-f:.]+(/\\d{1,3})?$" } },
);

/** Whether `parseIpBlock` accepts the text. The gateway uses `parseIpBlock` when it applies the setting. */
function isCidr(raw: string): boolean {
  try {
    parseIpBlock(raw);
    return true;
  } catch {
    return false;
  }
}

const RFC3339 = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** The text of a date that YAML 1.1 or a tag of YAML makes. Empty if the date is invalid. */
function isoText(date: Date): string {
  return Number.isFinite(date.getTime()) ? date.toISOString() : "";
}

/** Decodes a time with its offset from UTC (RFC 3339). In TOML and YAML, the time can be written without quotation marks. */
export const time = decoder<string>(
  "a time with its offset from UTC, such as 2027-01-31T03:00:00Z",
  (raw) => {
    const written = raw instanceof Date ? isoText(raw) : isDate(raw) ? String(raw) : raw;
    const isTime = typeof written === "string" && RFC3339.test(written) && Number.isFinite(Date.parse(written));
    return isTime ? new Date(written).toISOString() : undefined;
  },
  { schema: { type: "string", pattern: RFC3339.source } },
);
