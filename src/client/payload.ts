import type { JsonValue } from "@bufbuild/protobuf";
import { parseJson } from "./json.ts";

/** A payload to be sent: JSON, bytes as they are, or nothing. */
export type Payload = JsonValue | Uint8Array | undefined;

export function payloadToBytes(payload: Payload): Uint8Array {
  if (payload instanceof Uint8Array) return payload;
  return payload === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(payload));
}

/** The JSON of a payload; `undefined` where it is empty or not JSON. */
export function payloadFromBytes(bytes: Uint8Array): JsonValue | undefined {
  try {
    return parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
