import type { Revocation } from "./sessions.ts";

/**
 * An event as the backend sent it. If `deviceSessionId` is set, the event is for this session. If not, it is for all sessions of the user.
 */
export interface ClientEvent {
  readonly userId: string;
  readonly deviceSessionId: string;
  readonly eventType: string;
  /** The id of the event. If it is empty, the gateway generates an id. */
  readonly eventId: string;
  readonly payloadBytes: Uint8Array;
}

/** The audience of an event: one session if `deviceSessionId` is set, all streams of the user if it is not. */
export type ClientAudience = Pick<ClientEvent, "userId" | "deviceSessionId">;

/** What kind of message was lost; `event` by default. */
export type LostKind = "event" | "revocation";

/** Receives the messages of the push feed. The methods are called in the order of the feed, one call at a time. */
export interface PushFeedSink {
  event(event: ClientEvent): void;
  /**
   * Called for a message of the push feed that cannot be used. The clients of its audience must resync. If `what` is `revocation`, the
   * sessions of all open streams are also looked up again.
   */
  lost(audience: ClientAudience, what?: LostKind): void;
  revoke(revocation: Revocation): void;
  /** Called if messages may have been lost between the last message and the next one. */
  gap(): void;
}
