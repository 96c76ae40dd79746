import { create } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { utf8Text } from "../../core/json-body.ts";
import { CURSOR_CHARS_MAX } from "../../core/limits.ts";
import { ClientEventSchema, type PushEvent, SessionInvalidationSchema } from "../../gen/sallyport/v1/push_pb.ts";
import { type Dropped, dropped, type PushStep, readPushEvent } from "./push-event.ts";
import type { FeedFrame } from "./push-frames.ts";

export interface PushMessage {
  readonly step: PushStep;
  /** The cursor of the push feed after this message. `undefined` if the message's cursor cannot be read. */
  readonly cursor: string | undefined;
}

/**
 * Highest field number of `PushEvent` that is read. Field 1 is the cursor, 2 the event, and 3 the revocation. Fields 4 to 15
 * are reserved for future kinds. Fields with higher numbers are ignored.
 */
const EVENT_FIELDS_MAX = 15;
const [CURSOR, CLIENT_EVENT, SESSION_INVALIDATION] = [1, 2, 3];
const CLIENT_EVENT_FIELDS_MAX = 5;
const SESSION_INVALIDATION_FIELDS_MAX = 3;

/**
 * The text that is used for a string field whose bytes are not UTF-8. It is a lone surrogate. No UTF-8 bytes decode to it, and
 * every validation rule rejects it.
 */
const NOT_UTF8 = "\ud800";
/** The result for a message that cannot be read. Its audience is unknown, so the message counts as lost to all clients. */
const LOST_TO_EVERYBODY = { kind: "dropped", lostTo: "everybody" } as const;
const UNDECODABLE: Dropped = { ...LOST_TO_EVERYBODY, reason: "undecodable" };

/**
 * Reads a message field by field, so that parts of an invalid message can still be used:
 *
 * - If the message cannot be decoded, a readable cursor is still used.
 * - If the message can be decoded but breaks a rule, its cursor and its audience are used.
 *
 * This function is stricter than protobuf. A known field must occur at most once, and must have the wire type of its
 * declaration.
 */
export function readPushMessage(frame: FeedFrame, payloadBytesMax: number): PushMessage {
  if (typeof frame === "string") return { step: { ...LOST_TO_EVERYBODY, reason: frame }, cursor: undefined };
  const { values, isWhole } = fieldsOf(frame, EVENT_FIELDS_MAX);
  const cursorBytes = values.get(CURSOR);
  const cursor = readCursor(cursorBytes);
  if (!isWhole) return { step: UNDECODABLE, cursor: cursorBytes && cursor };
  const step = readKind(values, payloadBytesMax, cursor !== undefined);
  return { step, cursor };
}

function readCursor(bytes: Uint8Array = new Uint8Array(0)): string | undefined {
  const cursor = utf8Text(bytes);
  return cursor !== undefined && cursor.length <= CURSOR_CHARS_MAX ? cursor : undefined;
}

function readKind(values: ReadonlyMap<number, Uint8Array>, payloadBytesMax: number, hasGoodCursor: boolean): PushStep {
  const [first, ...more] = [...values].filter(([number]) => number !== CURSOR);
  if (more.length > 0) return UNDECODABLE;
  const kind = decodeKind(first);
  if (kind === "unknown_kind") return { ...LOST_TO_EVERYBODY, reason: kind };
  if (kind === undefined) return UNDECODABLE;
  if (!hasGoodCursor) return dropped("bad_cursor", kind);
  if (kind.case === "sessionInvalidation" && kind.value.reason === NOT_UTF8) return dropped("bad_reason", kind);
  return readPushEvent({ kind }, payloadBytesMax);
}

/**
 * Decodes the field that contains the event or revocation of a message. If `field` is `undefined`, the message is a keepalive.
 * Returns `undefined` if the field cannot be decoded.
 */
function decodeKind(field: readonly [number, Uint8Array] | undefined): PushEvent["kind"] | "unknown_kind" | undefined {
  if (field === undefined) return { case: undefined };
  const [number, bytes] = field;
  if (number === CLIENT_EVENT) return decodeClientEvent(bytes);
  return number === SESSION_INVALIDATION ? decodeInvalidation(bytes) : "unknown_kind";
}

function decodeClientEvent(bytes: Uint8Array): PushEvent["kind"] | undefined {
  const { values, isWhole } = fieldsOf(bytes, CLIENT_EVENT_FIELDS_MAX);
  if (!isWhole) return undefined;
  const value = create(ClientEventSchema, {
    userId: textOf(values.get(1)),
    deviceSessionId: textOf(values.get(2)),
    eventType: textOf(values.get(3)),
    eventId: textOf(values.get(4)),
    payloadBytes: values.get(5) ?? new Uint8Array(0),
  });
  return { case: "clientEvent", value };
}

function decodeInvalidation(bytes: Uint8Array): PushEvent["kind"] | undefined {
  const { values, isWhole } = fieldsOf(bytes, SESSION_INVALIDATION_FIELDS_MAX);
  if (!isWhole) return undefined;
  const value = create(SessionInvalidationSchema, {
    userId: textOf(values.get(1)),
    deviceSessionId: textOf(values.get(2)),
    reason: textOf(values.get(3)),
  });
  return { case: "sessionInvalidation", value };
}

function textOf(bytes: Uint8Array = new Uint8Array(0)): string {
  return utf8Text(bytes) ?? NOT_UTF8;
}

interface Fields {
  /** The bytes of each known field that is present. The key is the field number. */
  readonly values: ReadonlyMap<number, Uint8Array>;
  /** False if reading stopped at an invalid field (see `fieldsOf`). */
  readonly isWhole: boolean;
}

/**
 * Reads the fields with numbers up to `numberMax`. Each of these fields must be length-delimited and occur at most once.
 * Reading stops at a field that breaks this rule. Fields with higher numbers are skipped.
 */
function fieldsOf(bytes: Uint8Array, numberMax: number): Fields {
  const values = new Map<number, Uint8Array>();
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      if (number > numberMax) reader.skip(wireType, number);
      else if (wireType === WireType.LengthDelimited && !values.has(number)) values.set(number, reader.bytes());
      else return { values, isWhole: false };
    }
    return { values, isWhole: true };
  } catch {
    return { values, isWhole: false };
  }
}
