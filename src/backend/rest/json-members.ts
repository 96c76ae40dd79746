import { utf8Text } from "../../core/json-body.ts";
import { JsonTextError, scanJson } from "../../core/json-text.ts";
import { payloadInvalid } from "../../core/refusal.ts";

/**
 * One field of a payload. Its name and value are JSON text, exactly as the client signed them, so a number keeps all of its
 * digits.
 */
export interface JsonMember {
  readonly nameSource: string;
  readonly source: string;
}

export type JsonMembers = ReadonlyMap<string, JsonMember>;

const NO_MEMBERS: JsonMembers = new Map();

/**
 * Throws PAYLOAD_INVALID unless the payload is empty or valid JSON in UTF-8. JSON that two parsers may read differently, such
 * as an object with duplicate keys, is invalid (proto/backend.md, "Commands").
 */
export function checkPayload(payloadBytes: Uint8Array): void {
  if (payloadBytes.byteLength > 0) scanPayload(payloadBytes);
}

/**
 * Checks a payload and returns its top-level fields, in order. Returns no fields if the payload is empty. Throws
 * PAYLOAD_INVALID if the payload is not a JSON object, or if `checkPayload` would reject it.
 */
export function readMembers(payloadBytes: Uint8Array): JsonMembers {
  if (payloadBytes.byteLength === 0) return NO_MEMBERS;
  const members = new Map<string, JsonMember>();
  let isObject = true;
  const text = scanPayload(payloadBytes, ({ nameSource, name, source }) => {
    if (name === undefined || nameSource === undefined) isObject = false;
    else members.set(name, { nameSource, source });
  });
  if (!isObject || !text.trimStart().startsWith("{")) throw payloadInvalid("payload");
  return members;
}

/**
 * Returns the JSON text of each element of an array. `source` is the JSON text of the array. `scanJson` must have accepted it
 * before.
 */
export function elementsOf(source: string): string[] {
  const elements: string[] = [];
  scanJson(source, (child) => elements.push(child.source));
  return elements;
}

function scanPayload(payloadBytes: Uint8Array, onChild?: Parameters<typeof scanJson>[1]): string {
  const text = utf8Text(payloadBytes);
  if (text === undefined) throw payloadInvalid("payload");
  try {
    scanJson(text, onChild);
  } catch (thrown) {
    throw thrown instanceof JsonTextError ? payloadInvalid(thrown.field ?? "payload") : thrown;
  }
  return text;
}
