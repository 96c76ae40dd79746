import type { JsonValue } from "@bufbuild/protobuf";
import { parseJson } from "./json.ts";

/** The payload of a command. A JSON value is serialized. Bytes are sent unchanged. `undefined` is sent as an empty payload. */
export type Payload = JsonValue | Uint8Array | undefined;

export function payloadToBytes(payload: Payload): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  return payload === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(payload));
}

/** Returns the parsed JSON, or `undefined` if the payload is empty or is not JSON in UTF-8. */
export function payloadFromBytes(bytes: Uint8Array): JsonValue | undefined {
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
