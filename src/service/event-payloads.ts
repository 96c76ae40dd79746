import { isEventId } from "../core/grammar.ts";
import { decodeUtf8, isJsonObject } from "../core/json-body.ts";
import { JsonTextError, scanJson } from "../core/json-text.ts";
import { FETCH_EVENTS_DEFAULT, FETCH_EVENTS_MAX, FETCH_WAIT_MS_MAX } from "../core/limits.ts";
import { payloadInvalid } from "../core/refusal.ts";

/** The decoded payload of a subscription request. */
export interface SubscribePayload {
  /** The id of the last event that the client received. `undefined` if the client does not ask for earlier events. */
  readonly resumeAfter: string | undefined;
}

/** The decoded payload of a call of FetchEvents. */
export interface FetchPayload extends SubscribePayload {
  /** How long to wait for the first event, in ms. */
  readonly waitMs: number;
  /** Maximum number of events in the response, in addition to the first event `gateway.server_time`. */
  readonly eventsMax: number;
}

/** Decodes the payload of `gateway.subscribe`, which is empty or `{"resume_after": "<event_id>"}`. Throws PAYLOAD_INVALID. */
export function readSubscribePayload(bytes: Uint8Array): SubscribePayload {
  const payload = readObject(bytes, ["resume_after"]);
  if (bytes.byteLength > 0 && !Object.hasOwn(payload, "resume_after")) throw payloadInvalid("resume_after");
  return { resumeAfter: readResumeAfter(payload) };
}

/** Decodes the payload of `gateway.fetch` (proto/README.md, "FetchEvents"). Throws PAYLOAD_INVALID. */
export function readFetchPayload(bytes: Uint8Array): FetchPayload {
  const payload = readObject(bytes, ["resume_after", "wait_ms", "events_max"]);
  return {
    resumeAfter: readResumeAfter(payload),
    waitMs: readInteger(payload, "wait_ms", { min: 0, max: FETCH_WAIT_MS_MAX, missing: FETCH_WAIT_MS_MAX }),
    eventsMax: readInteger(payload, "events_max", { min: 1, max: FETCH_EVENTS_MAX, missing: FETCH_EVENTS_DEFAULT }),
  };
}

type PayloadObject = Readonly<Record<string, unknown>>;

/** Decodes a payload. It must be empty, or a JSON object with only members of `names`. Otherwise, throws PAYLOAD_INVALID. */
function readObject(bytes: Uint8Array, names: readonly string[]): PayloadObject {
  if (bytes.byteLength === 0) return {};
  const json = parseJson(bytes);
  if (!isJsonObject(json)) throw payloadInvalid("payload");
  const unknown = Object.keys(json).find((name) => !names.includes(name));
  if (unknown !== undefined) throw payloadInvalid(unknown);
  return json;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    const text = decodeUtf8(bytes);
    scanJson(text);
    return JSON.parse(text);
  } catch (cause) {
    throw payloadInvalid((cause instanceof JsonTextError ? cause.field : undefined) ?? "payload", cause);
  }
}

function readResumeAfter(payload: PayloadObject): string | undefined {
  if (!Object.hasOwn(payload, "resume_after")) return undefined;
  const eventId = payload["resume_after"];
  if (typeof eventId === "string" && isEventId(eventId)) return eventId;
  throw payloadInvalid("resume_after");
}

interface IntegerRule {
  readonly min: number;
  readonly max: number;
  /** The result of `readInteger` if the payload does not contain the integer. */
  readonly missing: number;
}

function readInteger(payload: PayloadObject, name: string, { min, max, missing }: IntegerRule): number {
  if (!Object.hasOwn(payload, name)) return missing;
  const value = payload[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw payloadInvalid(name);
}
