import { type Refusal, refuse } from "../../core/refusal.ts";

/** Longer names are cut: the metadata of a refusal goes into headers. */
const FIELD_CHARS_MAX = 64;

/** PAYLOAD_INVALID, naming the field that is missing or wrong; `payload` where it is the whole. */
export function payloadInvalid(field: string): Refusal {
  return refuse("PAYLOAD_INVALID", { metadata: { field: field.slice(0, FIELD_CHARS_MAX).toWellFormed() } });
}
