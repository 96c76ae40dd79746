const JSON_MEDIA_TYPE = /^application\/(?:[a-z0-9.!#$&^_-]+\+)?json\s*(?:;|$)/i;
const OTHER_CHARSET = /;\s*charset\s*=\s*(?!"?utf-8"?\s*(?:;|$))/i;
/** Fatal: bytes that are not UTF-8 are no JSON (RFC 8259 8.1); nor is a byte order mark. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Whether there is a Content-Type, and it promises JSON in UTF-8. */
export function isJsonType(contentType: string | null): contentType is string {
  if (contentType === null) return false;
  return contentType === "application/json" || (JSON_MEDIA_TYPE.test(contentType) && !OTHER_CHARSET.test(contentType));
}

/** The text of UTF-8 bytes, or `undefined`. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The value that a JSON text holds; `undefined` for anything else. */
export function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The object that a JSON text holds; `undefined` for anything else. */
export function parseJsonObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  const value = parseJson(text);
  return isObject(value) ? value : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
