import type { Revocation } from "./sessions.ts";

/** An event as the backend sent it. Exactly one of `userId` and `deviceSessionId` decides the audience; the latter wins. */
export interface ClientEvent {
  readonly userId: string;
  readonly deviceSessionId: string;
  readonly eventType: string;
  /** Empty: the gateway generates one. */
  readonly eventId: string;
  readonly payloadBytes: Uint8Array;
}

/** The audience of an event: one session if `deviceSessionId` is set, else all streams of the user. */
export type ClientAudience = Pick<ClientEvent, "userId" | "deviceSessionId">;

/** What was lost; `event` by default. */
export type LostKind = "event" | "revocation";

/** The receiver of the push feed. Called in the order of the feed, one call at a time. */
export interface PushFeedSink {
  event(event: ClientEvent): void;
  /** An unusable message for this audience: its clients must resync. After a lost revocation, its sessions are also looked up again. */
  lost(audience: ClientAudience, what?: LostKind): void;
  revoke(revocation: Revocation): void;
  /** Events between the last and the next one may be lost. */
  gap(): void;
}
