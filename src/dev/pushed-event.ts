import { randomUUIDv7 } from "bun";
import type { PushKind } from "./push-log.ts";

/** An event for clients. Its audience is the session if `deviceSessionId` is set, and the user otherwise. */
export interface EventDraft {
  readonly userId?: string | undefined;
  readonly deviceSessionId?: string | undefined;
  readonly eventType: string;
  /** The payload, a JSON value. `undefined` is an empty payload. */
  readonly payload: unknown;
}

const utf8 = new TextEncoder();

/** Encodes the payload as JSON. Creates the event id, a UUIDv7 of the time `nowMs` (Unix ms). */
export function pushedEvent(draft: EventDraft, nowMs: number): { eventId: string; payloadBytes: Uint8Array; kind: PushKind } {
  const eventId = randomUUIDv7("hex", nowMs);
  const payloadBytes = draft.payload === undefined ? new Uint8Array() : utf8.encode(JSON.stringify(draft.payload));
  const { userId = "", deviceSessionId = "", eventType } = draft;
  const kind = { case: "clientEvent" as const, value: { userId, deviceSessionId, eventType, eventId, payloadBytes } };
  return { eventId, payloadBytes, kind };
}
