import { isUtf8, parseMediaType } from "./media-type.ts";

/** JSON, or a format built on it (RFC 6839 3.1). */
const JSON_ESSENCE = /^application\/(?:.+\+)?json$/;
/** `fatal`: JSON must be UTF-8 (RFC 8259 8.1). `ignoreBOM` keeps a byte order mark, which JSON.parse then rejects. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether a Content-Type names JSON, or a format based on it, in UTF-8. */
export function isJsonType(contentType: string | null): contentType is string {
  if (contentType === null) return false;
  if (contentType === "application/json") return true;
  const type = parseMediaType(contentType);
  return type !== undefined && JSON_ESSENCE.test(type.essence) && isUtf8(type);
}

/** `undefined` if the bytes are not UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The value of a JSON text; `undefined` if it is not JSON. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The value of a JSON text; `undefined` if it is not an object. */
export function parseJsonObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  const value = parseJson(text);
  return isJsonObject(value) ? value : undefined;
}

/** Whether a JSON value is an object: neither an array nor null. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
