import type { Revocation } from "./sessions.ts";

/**
 * An event as the backend sent it. If `deviceSessionId` is empty, the event is for all sessions of the user. If not, it is for
 * one session.
 */
export interface ClientEvent {
  readonly userId: string;
  readonly deviceSessionId: string;
  readonly eventType: string;
  /** The id of the event. If it is empty, the gateway generates an id. */
  readonly eventId: string;
  readonly payloadBytes: Uint8Array;
}

/** The audience of an event: all sessions of the user if `deviceSessionId` is empty, otherwise one session. */
export type ClientAudience = Pick<ClientEvent, "userId" | "deviceSessionId">;

/** The kind of message that was lost. */
export type LostKind = "event" | "revocation";

/**
 * Receives the messages of the push feed. The methods are called in the order of the feed, one call at a time.
 *
 * `cursor` is the cursor of the message, or `undefined` if the message has none.
 */
export interface PushFeedSink {
  event(event: ClientEvent, cursor?: string): void;
  /**
   * Called for a message of the push feed that cannot be used. The clients of its audience must resync. If `what` is
   * `revocation`, the sessions of all open streams are also looked up again. The default of `what` is `event`.
   */
  lost(audience: ClientAudience, what?: LostKind, cursor?: string): void;
  revoke(revocation: Revocation, cursor?: string): void;
  /** Called for a keepalive message with a cursor. */
  reached(cursor: string): void;
  /** Called if messages may have been lost between the last message and the next one. */
  gap(): void;
}
