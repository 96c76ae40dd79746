import { JsonTextError, scanJson } from "../core/json-text.ts";
import { refuse } from "../core/refusal.ts";

/** What a subscription asks for. */
export interface SubscribePayload {
  /** The id of the last event that the client has. */
  readonly resumeAfter: string | undefined;
}

const EVENT_ID = /^[\x21-\x7e]{1,128}$/;
const FIELD_CHARS_MAX = 64;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads the payload of `gateway.subscribe`: nothing, or `{"resume_after": "<event_id>"}`. Throws PAYLOAD_INVALID. */
export function readSubscribePayload(bytes: Uint8Array): SubscribePayload {
  if (bytes.byteLength === 0) return { resumeAfter: undefined };
  const { resume_after: resumeAfter, ...others } = objectOf(bytes);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalid(unknown);
  if (typeof resumeAfter !== "string" || !EVENT_ID.test(resumeAfter)) throw invalid("resume_after");
  return { resumeAfter };
}

function objectOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    const text = utf8.decode(bytes);
    scanJson(text);
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid((cause instanceof JsonTextError ? cause.field : undefined) ?? "payload", cause);
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw invalid("payload");
  return Object.fromEntries(Object.entries(json));
}

/** A longer name is cut: it goes into headers. */
function invalid(field: string, cause?: unknown) {
  return refuse("PAYLOAD_INVALID", { metadata: { field: field.slice(0, FIELD_CHARS_MAX).toWellFormed() }, cause });
}
