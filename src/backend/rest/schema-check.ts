import { utf8Text } from "../../core/json-body.ts";
import { payloadInvalid, refuse } from "../../core/refusal.ts";
import type { PayloadSchema } from "../../schema/payload-schema.ts";
import { checkPayload } from "./json-members.ts";

/**
 * Throws PAYLOAD_INVALID unless the payload is valid under the schema of its route. An empty payload counts as `{}`.
 *
 * The refusal contains the field, the JSON pointer of the invalid value, and the violated keyword of the schema. It contains
 * nothing else of the schema or the payload.
 */
export function checkSchema(schema: PayloadSchema, payloadBytes: Uint8Array): void {
  checkPayload(payloadBytes);
  const violation = schema.violationOf(payloadBytes.byteLength === 0 ? "{}" : (utf8Text(payloadBytes) ?? ""));
  if (violation === undefined) return;
  const { pointer, keyword } = violation;
  const { metadata } = payloadInvalid(fieldOf(pointer));
  throw refuse("PAYLOAD_INVALID", { metadata: { ...metadata, pointer, keyword } });
}

/** Returns the first name in a JSON pointer, which is a field of the payload. Returns `payload` for an empty pointer. */
function fieldOf(pointer: string): string {
  const [, first] = pointer.split("/", 2);
  return first === undefined ? "payload" : first.replaceAll("~1", "/").replaceAll("~0", "~");
}
