import { isEventId } from "../core/grammar.ts";
import { isJsonObject } from "../core/json-body.ts";
import { JsonTextError, scanJson } from "../core/json-text.ts";
import { payloadInvalid } from "../core/refusal.ts";

/** The decoded payload of a subscription request. */
export interface SubscribePayload {
  /** The id of the last event that the client received. `undefined` if the client does not ask for earlier events. */
  readonly resumeAfter: string | undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes the payload of `gateway.subscribe`, which is empty or `{"resume_after": "<event_id>"}`. Throws PAYLOAD_INVALID. */
export function readSubscribePayload(bytes: Uint8Array): SubscribePayload {
  if (bytes.byteLength === 0) return { resumeAfter: undefined };
  const { resume_after: resumeAfter, ...others } = objectOf(bytes);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw payloadInvalid(unknown);
  if (typeof resumeAfter !== "string" || !isEventId(resumeAfter)) throw payloadInvalid("resume_after");
  return { resumeAfter };
}

function objectOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let json: unknown;
  try {
    const text = utf8.decode(bytes);
    scanJson(text);
    json = JSON.parse(text);
  } catch (cause) {
    throw payloadInvalid((cause instanceof JsonTextError ? cause.field : undefined) ?? "payload", cause);
  }
  if (!isJsonObject(json)) throw payloadInvalid("payload");
  return json;
}
