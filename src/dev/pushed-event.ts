import { randomUUIDv7 } from "bun";
import type { PushKind } from "./push-log.ts";

/** An event for clients. If `deviceSessionId` is set, it is for this device session only. If not, it is for all sessions of the user. */
export interface EventDraft {
  readonly userId?: string | undefined;
  readonly deviceSessionId?: string | undefined;
  readonly eventType: string;
  /** The payload, a JSON value. `undefined` is an empty payload. */
  readonly payload: unknown;
}

const utf8 = new TextEncoder();

/** Converts a draft to a push event: encodes the payload, and adds an event id (UUIDv7 of the time `nowMs`, in Unix ms). */
export function pushedEvent(draft: EventDraft, nowMs: number): { eventId: string; payloadBytes: Uint8Array; kind: PushKind } {
  const eventId = randomUUIDv7("hex", nowMs);
  const payloadBytes = draft.payload === undefined ? new Uint8Array() : utf8.encode(JSON.stringify(draft.payload));
  const { userId = "", deviceSessionId = "", eventType } = draft;
  const kind = { case: "clientEvent" as const, value: { userId, deviceSessionId, eventType, eventId, payloadBytes } };
  return { eventId, payloadBytes, kind };
}
