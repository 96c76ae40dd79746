import { type JsonChild, JsonTextError, scanJson, stringValue, trimJson } from "../../core/json-text.ts";
import { EVENT_PAYLOAD_BYTES_MAX } from "../../core/limits.ts";
import { type Dropped, dropped, type ItemProblem, type PushKind, type PushStep, readPushEvent } from "../feed/push-event.ts";

export type ItemKind = "event" | "revocation";

/** The field values of an event or a revocation. At most one of `payload` and `payloadBytes` is set. */
interface Values {
  userId?: string;
  deviceSessionId?: string;
  eventType?: string;
  eventId?: string;
  reason?: string;
  payload?: Uint8Array;
  payloadBytes?: Uint8Array;
}

/** The JSON mapping of protobuf accepts both spellings of a field: the name in the proto file, and lowerCamelCase. */
const SPELLINGS: Readonly<Record<string, keyof Values>> = {
  ...{ user_id: "userId", userId: "userId", device_session_id: "deviceSessionId", deviceSessionId: "deviceSessionId" },
  ...{ event_type: "eventType", eventType: "eventType", event_id: "eventId", eventId: "eventId" },
  ...{ payload: "payload", payload_bytes: "payloadBytes", payloadBytes: "payloadBytes", reason: "reason" },
};

const FIELDS: Readonly<Record<ItemKind, ReadonlySet<keyof Values>>> = {
  event: new Set(["userId", "deviceSessionId", "eventType", "eventId", "payload", "payloadBytes"]),
  revocation: new Set(["userId", "deviceSessionId", "reason"]),
};

/** The field names of each kind of item, as text for error messages. */
const FIELD_NAMES: Readonly<Record<ItemKind, string>> = {
  event: "user_id, device_session_id, event_type, event_id, payload and payload_bytes",
  revocation: "user_id, device_session_id and reason",
};

const NOT_UTF8: ItemProblem = {
  field: undefined,
  message: "expected UTF-8; send other bytes as payload_bytes in the field event",
};
const utf8 = new TextEncoder();
/** Matches a base64 or base64url text. The text must not have padding. */
const BASE64_CHARACTERS = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)$/;

/**
 * Reads one event or revocation from the text of a JSON object. The field names are those of `ClientEvent` and
 * `SessionInvalidation`. Instead of `payload_bytes`, an event can have the field `payload` with any JSON value. The payload of the
 * event is then the JSON text of this value.
 */
export function readItem(kind: ItemKind, text: string): PushStep {
  const values: Values = {};
  try {
    readFields(kind, trimJson(text), values);
  } catch (thrown) {
    if (thrown instanceof FieldError) return broken(kind, values, thrown.problem);
    if (!(thrown instanceof JsonTextError)) throw thrown;
    const { field, message } = thrown;
    // The text is not JSON, or two JSON parsers may read it differently. So none of its values is used, not even the audience.
    return broken(kind, {}, { field, message });
  }
  return readPushEvent({ kind: kindOf(kind, values) }, EVENT_PAYLOAD_BYTES_MAX);
}

/** Returns the result for an item whose JSON text has bytes that are not UTF-8. Its audience is unknown. */
export function damagedItem(kind: ItemKind): PushStep {
  return broken(kind, {}, NOT_UTF8);
}

/**
 * Reads an event from the fields of a Redis Stream entry. The payload is the text of the field `payload`.
 *
 * If `isUtf8` is false, bytes that are not UTF-8 were replaced by U+FFFD, and the event is dropped. Its audience is still read from
 * the fields, because no valid user id or session id contains U+FFFD.
 */
export function readTexts(texts: Iterable<readonly [name: string, value: string]>, isUtf8: boolean): PushStep {
  const values: Values = {};
  for (const [name, text] of texts) {
    const field = fieldOf("event", name);
    if (field === undefined || values[field] !== undefined || field === "payloadBytes") {
      return broken("event", values, { field: name, message: `the fields of an event are ${FIELD_NAMES.event}, each once` });
    }
    if (field === "payload") values.payload = utf8.encode(text);
    else values[field] = text;
  }
  if (!isUtf8) return broken("event", values, NOT_UTF8);
  return readPushEvent({ kind: kindOf("event", values) }, EVENT_PAYLOAD_BYTES_MAX);
}

class FieldError extends Error {
  readonly problem: ItemProblem;

  constructor(field: string | undefined, message: string) {
    super(message);
    this.problem = { field, message };
  }
}

function readFields(kind: ItemKind, source: string, values: Values): void {
  if (!source.startsWith("{")) throw new FieldError(undefined, "expected a JSON object");
  const errors: FieldError[] = [];
  scanJson(source, (child) => {
    try {
      readField(kind, child, values);
    } catch (thrown) {
      if (!(thrown instanceof FieldError)) throw thrown;
      errors.push(thrown);
    }
  });
  const [first] = errors;
  if (first !== undefined) throw first;
  if (values.payload !== undefined && values.payloadBytes !== undefined)
    throw new FieldError("payload", "expected payload or payload_bytes, not both");
}

function readField(kind: ItemKind, { name = "", source }: JsonChild, values: Values): void {
  const field = fieldOf(kind, name);
  if (field === undefined) {
    throw new FieldError(name.slice(0, 64), `unknown field; the fields are ${FIELD_NAMES[kind]}`);
  }
  if (values[field] !== undefined) throw new FieldError(name, "the field occurs twice, in two spellings");
  if (field === "payload") {
    values.payload = utf8.encode(source);
    return;
  }
  if (!source.startsWith('"')) throw new FieldError(name, "expected a string");
  const text = stringValue(source);
  if (field !== "payloadBytes") values[field] = text;
  else if (isBase64(text)) values.payloadBytes = Buffer.from(text, "base64");
  else throw new FieldError(name, "expected base64");
}

/** Whether a text is base64 or base64url, with the complete padding or with none (RFC 4648 4; ProtoJSON, "bytes"). */
function isBase64(text: string): boolean {
  const bare = text.replace(/={1,2}$/, "");
  const isPadded = bare.length < text.length;
  // Four characters encode three bytes. A single further character encodes only six bits, so the text cannot be decoded.
  return BASE64_CHARACTERS.test(bare) && (isPadded ? text.length % 4 === 0 : bare.length % 4 !== 1);
}

function fieldOf(kind: ItemKind, name: string): keyof Values | undefined {
  const field = Object.hasOwn(SPELLINGS, name) ? SPELLINGS[name] : undefined;
  return field !== undefined && FIELDS[kind].has(field) ? field : undefined;
}

function kindOf(kind: ItemKind, values: Values): PushKind {
  const { userId = "", deviceSessionId = "", eventType = "", eventId = "" } = values;
  if (kind === "revocation") return { case: "sessionInvalidation", value: { userId, deviceSessionId } };
  const payloadBytes = values.payload ?? values.payloadBytes ?? new Uint8Array(0);
  return { case: "clientEvent", value: { userId, deviceSessionId, eventType, eventId, payloadBytes } };
}

function broken(kind: ItemKind, values: Values, problem: ItemProblem): Dropped {
  return { ...dropped("undecodable", kindOf(kind, values)), problem };
}
