import { randomUUIDv7 } from "bun";
import type { PushKind } from "./push-log.ts";

/** An event for clients: for one session where `deviceSessionId` is given, else for every stream of the user. */
export interface EventDraft {
  readonly userId?: string | undefined;
  readonly deviceSessionId?: string | undefined;
  readonly eventType: string;
  /** Anything that JSON can say; `undefined` is an empty payload. */
  readonly payload: unknown;
}

const utf8 = new TextEncoder();

/** Gives a draft its id (UUIDv7, of the time `nowMs`) and the form in which it is pushed. */
export function pushedEvent(draft: EventDraft, nowMs: number): { eventId: string; payloadBytes: Uint8Array; kind: PushKind } {
  const eventId = randomUUIDv7("hex", nowMs);
  const payloadBytes = draft.payload === undefined ? new Uint8Array() : utf8.encode(JSON.stringify(draft.payload));
  const { userId, deviceSessionId, eventType } = draft;
  const kind = { case: "clientEvent" as const, value: { userId, deviceSessionId, eventType, eventId, payloadBytes } };
  return { eventId, payloadBytes, kind };
}
