import { MEDIA_TYPE_CHARACTERS_MAX } from "./limits.ts";

/** A parsed media type, as in a Content-Type header (RFC 9110 8.3.1). */
export interface MediaType {
  /** The type and subtype as `type/subtype`, in lower case. */
  readonly essence: string;
  /** The parameters, with names in lower case and values without quotes. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
}

/** The media type of bytes of unknown form (RFC 2046 4.5.1). */
export const OCTET_STREAM = "application/octet-stream";

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\uffff]|\\\\[\\t\\x20-\\x7e\\x80-\\uffff])*"';
const ESSENCE = new RegExp(`^[ \\t]*(${TOKEN}/${TOKEN})`);
/** Matches one parameter (RFC 9110 5.6.6). A parameter may be empty. Spaces around the equals sign are not allowed. */
const PARAMETER = new RegExp(`[ \\t]*;[ \\t]*(?:(${TOKEN})=(${TOKEN}|${QUOTED}))?`, "y");

/**
 * Parses a media type. Returns `undefined` if the text is not a media type, or is too long. If a request has two Content-Type
 * headers, `fetch` joins them with a comma, and the result is not a media type.
 */
export function parseMediaType(text: string): MediaType | undefined {
  if (text.length > MEDIA_TYPE_CHARACTERS_MAX) return undefined;
  const [start = "", essence] = ESSENCE.exec(text) ?? [];
  if (essence === undefined) return undefined;
  const parameters: [string, string][] = [];
  PARAMETER.lastIndex = start.length;
  for (let at = start.length; at < text.length; at = PARAMETER.lastIndex) {
    const found = PARAMETER.exec(text);
    if (found === null) return /^[ \t]*$/.test(text.slice(at)) ? { essence: essence.toLowerCase(), parameters } : undefined;
    const [, name, value] = found;
    if (name !== undefined && value !== undefined) parameters.push([name.toLowerCase(), unquoted(value)]);
  }
  return { essence: essence.toLowerCase(), parameters };
}

/** Whether every `charset` parameter is UTF-8. Other parameters are ignored, because JSON defines none (RFC 8259 11). */
export function isUtf8({ parameters }: MediaType): boolean {
  return parameters.every(([name, value]) => name !== "charset" || /^utf-?8$/i.test(value));
}

/**
 * Whether a Content-Type is JSON in UTF-8. A web page can send this type to another origin only after a preflight request
 * (Fetch, "CORS-safelisted").
 */
export function isJsonContent(contentType: string | null): boolean {
  if (contentType === null) return false;
  if (contentType === "application/json") return true;
  const type = parseMediaType(contentType);
  return type?.essence === "application/json" && isUtf8(type);
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
}
