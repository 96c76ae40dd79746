/** What bounds the embedded backend. Tests set some of them lower; nothing else does. */
export interface DevLimits {
  /** Every message is pushed to every user, in one transaction. */
  readonly usersMax: number;
  readonly sessionsMax: number;
  /** Challenges kept, spent ones included; the oldest go first. */
  readonly challengesMax: number;
  readonly codeTtlMs: number;
  /** Messages kept, and with them the idempotency keys under which they were sent; the oldest go first. */
  readonly messagesMax: number;
  /** What the push log keeps for gateways that come back: so many events, and so many bytes of them. */
  readonly pushEventsMax: number;
  readonly pushBytesMax: number;
  readonly pushStreamsMax: number;
  /** How long a push stream stays silent before it says that it is alive. */
  readonly keepaliveMs: number;
}

export const DEV_LIMITS: DevLimits = {
  usersMax: 10_000,
  sessionsMax: 100_000,
  challengesMax: 1_000,
  codeTtlMs: 10 * 60 * 1000,
  messagesMax: 10_000,
  pushEventsMax: 50_000,
  pushBytesMax: 64 * 1024 * 1024,
  pushStreamsMax: 1_024,
  keepaliveMs: 10_000,
};

/** A code of six digits stands a guess of one in a million; five guesses keep it there. */
export const CODE_DIGITS = 6;
export const CODE_ATTEMPTS_MAX = 5;

export const OUTBOX_ENTRIES_MAX = 100;
export const REST_BODY_BYTES_MAX = 1024 * 1024;
/** A subscription is a name and a cursor. */
export const PUSH_REQUEST_BYTES_MAX = 16 * 1024;
/** A push stream holds one batch at a time, and so at most this many events of the largest size. */
export const PUSH_BATCH_EVENTS_MAX = 32;
export const EVENT_PAYLOAD_BYTES_MAX = 256 * 1024;

/** RFC 5321 4.5.3.1.3: a path is at most 256 octets with its brackets. */
export const EMAIL_CHARS_MAX = 254;
export const DISPLAY_NAME_CHARS_MAX = 64;
export const ROOM_ID_CHARS_MAX = 128;
export const MESSAGE_CHARS_MAX = 4_000;
export const ID_CHARS_MAX = 256;
export const METADATA_ENTRIES_MAX = 16;
export const METADATA_CHARS_MAX = 256;
