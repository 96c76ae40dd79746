import { utf8Text } from "../../core/json-body.ts";
import { JsonTextError, scanJson } from "../../core/json-text.ts";
import { payloadInvalid } from "../../core/refusal.ts";

/**
 * The name and value of one payload field, as the JSON text that the client signed. The text is not converted, so a number keeps
 * all of its digits.
 */
export interface JsonMember {
  readonly nameSource: string;
  readonly source: string;
}

export type JsonMembers = ReadonlyMap<string, JsonMember>;

const NO_MEMBERS: JsonMembers = new Map();

/**
 * Throws PAYLOAD_INVALID unless the payload is empty, or is JSON in UTF-8 that all parsers read in the same way
 * (proto/backend.md, "Commands").
 */
export function checkPayload(payloadBytes: Uint8Array): void {
  if (payloadBytes.byteLength > 0) scanPayload(payloadBytes);
}

/**
 * Checks a payload as `checkPayload` does and returns its top-level fields, in order. An empty payload has no fields. Throws
 * PAYLOAD_INVALID if the payload is not a JSON object.
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
 * Returns the JSON text of each element of an array. `source` is the JSON text of the array, which must already have passed
 * `scanJson`.
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
