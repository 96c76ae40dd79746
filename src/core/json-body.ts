import { isUtf8, parseMediaType } from "./media-type.ts";

/** Matches the media types of JSON, and of formats based on JSON (RFC 6839 3.1), such as `application/problem+json`. */
const JSON_ESSENCE = /^application\/(?:.+\+)?json$/;
/**
 * `fatal` rejects bytes that are not UTF-8, because JSON must be UTF-8 (RFC 8259 8.1). `ignoreBOM` keeps a byte order mark,
 * which JSON.parse then rejects.
 */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether a Content-Type names JSON or a format based on JSON. Every `charset` parameter must be UTF-8. */
export function isJsonType(contentType: string | null): contentType is string {
  if (contentType === null) return false;
  if (contentType === "application/json") return true;
  const type = parseMediaType(contentType);
  return type !== undefined && JSON_ESSENCE.test(type.essence) && isUtf8(type);
}

/** Decodes UTF-8. Throws a TypeError if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

/** Decodes UTF-8. Returns `undefined` if the bytes are not UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return decodeUtf8(bytes);
  } catch {
    return undefined;
  }
}

/** Parses a JSON text. Returns `undefined` if the text is not JSON. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Parses a JSON text. Returns `undefined` if its value is not an object. */
export function parseJsonObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  const value = parseJson(text);
  return isJsonObject(value) ? value : undefined;
}

/** Whether a JSON value is an object: neither an array nor null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
