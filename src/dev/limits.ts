/** Limits of the embedded backend. Only tests change them. */
export interface DevLimits {
  /** Maximum users. Limits the work for a chat message, which stores one event for each user. */
  readonly usersMax: number;
  /** Maximum device sessions, active and revoked together. */
  readonly sessionsMax: number;
  /** Maximum stored challenges, including used ones. If it is exceeded, the oldest challenge is deleted. */
  readonly challengesMax: number;
  /** Time for which a login code is valid, in ms. */
  readonly codeTtlMs: number;
  /** Maximum stored chat messages, with their idempotency keys. If it is exceeded, the oldest message is deleted. */
  readonly messagesMax: number;
  /** Maximum events in the push log. The oldest events are deleted. A gateway that lacks a deleted event cannot resume. */
  readonly pushEventsMax: number;
  /** Maximum total size of the events in the push log, in bytes. The size of the oldest event is not included. */
  readonly pushBytesMax: number;
  /** Maximum open push streams. */
  readonly pushStreamsMax: number;
  /** Time without events after which a push stream sends a keepalive, in ms. */
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

/** Each code allows `CODE_ATTEMPTS_MAX` (5) attempts. So an attacker guesses a code with a probability of 5 in 1,000,000. */
export const CODE_DIGITS = 6;
export const CODE_ATTEMPTS_MAX = 5;

/** Maximum e-mails that `GET /dev/outbox` returns. */
export const SENT_MAILS_MAX = 100;
export const REST_BODY_BYTES_MAX = 1024 * 1024;
/** Maximum size of a request to the push service, in bytes. A request contains only a gateway id and a cursor. */
export const PUSH_REQUEST_BYTES_MAX = 16 * 1024;
/** Maximum events that a push stream reads from the log at once. This limits the memory of the stream. */
export const PUSH_BATCH_EVENTS_MAX = 32;
export const EVENT_PAYLOAD_BYTES_MAX = 256 * 1024;

/** Maximum length of an e-mail address. RFC 5321 4.5.3.1.3 allows 256 octets for a path, which includes two angle brackets. */
export const EMAIL_CHARS_MAX = 254;
export const DISPLAY_NAME_CHARS_MAX = 64;
export const ROOM_ID_CHARS_MAX = 128;
export const MESSAGE_CHARS_MAX = 4_000;
export const ID_CHARS_MAX = 256;
export const METADATA_ENTRIES_MAX = 16;
export const METADATA_CHARS_MAX = 256;
