import { utf8Text } from "../../core/json-body.ts";
import { JsonTextError, scanJson } from "../../core/json-text.ts";
import { payloadInvalid } from "../../core/refusal.ts";

/** One field of a payload, as the JSON text that was signed. So a number keeps all of its digits. */
export interface JsonMember {
  readonly nameSource: string;
  readonly source: string;
}

export type JsonMembers = ReadonlyMap<string, JsonMember>;

const NO_MEMBERS: JsonMembers = new Map();

/** Throws PAYLOAD_INVALID unless the payload is empty, or JSON in UTF-8 that all parsers read alike (proto/backend.md, "Commands"). */
export function checkPayload(payloadBytes: Uint8Array): void {
  if (payloadBytes.byteLength > 0) scanPayload(payloadBytes);
}

/** Returns the top-level fields of such a payload, in order. An empty payload has none. Throws PAYLOAD_INVALID if it is not an object. */
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

/** Returns the JSON text of each element. `source` must be an array that has been scanned before. */
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
