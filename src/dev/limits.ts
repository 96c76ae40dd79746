/** Bounds of the embedded backend. Only tests change them. */
export interface DevLimits {
  /** Also bounds the transaction of a chat message, which logs one event per user. */
  readonly usersMax: number;
  readonly sessionsMax: number;
  /** Challenges stored, including used ones. Beyond it, the oldest is deleted. */
  readonly challengesMax: number;
  readonly codeTtlMs: number;
  /** Messages stored, with their idempotency keys. Beyond it, the oldest is deleted. */
  readonly messagesMax: number;
  /** Events kept in the push log, so that a gateway can resume. */
  readonly pushEventsMax: number;
  /** Bytes of the events kept in the push log. */
  readonly pushBytesMax: number;
  /** Open push streams. */
  readonly pushStreamsMax: number;
  /** A push stream without events sends a keepalive at this interval. */
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

/** Six digits and five attempts: a guess succeeds with a probability of 5 in 1,000,000. */
export const CODE_DIGITS = 6;
export const CODE_ATTEMPTS_MAX = 5;

/** E-mails that `GET /dev/outbox` shows. */
export const SENT_MAILS_MAX = 100;
export const REST_BODY_BYTES_MAX = 1024 * 1024;
/** A SubscribePushRequest holds a gateway id and a cursor. */
export const PUSH_REQUEST_BYTES_MAX = 16 * 1024;
/** Events that one push stream reads from the log at a time. Bounds the memory of a stream. */
export const PUSH_BATCH_EVENTS_MAX = 32;
export const EVENT_PAYLOAD_BYTES_MAX = 256 * 1024;

/** RFC 5321 4.5.3.1.3: a path has at most 256 octets, its angle brackets included. */
export const EMAIL_CHARS_MAX = 254;
export const DISPLAY_NAME_CHARS_MAX = 64;
export const ROOM_ID_CHARS_MAX = 128;
export const MESSAGE_CHARS_MAX = 4_000;
export const ID_CHARS_MAX = 256;
export const METADATA_ENTRIES_MAX = 16;
export const METADATA_CHARS_MAX = 256;
