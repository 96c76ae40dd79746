/**
 * Bounds that no configuration moves, each with its reason. Bounds that an operator may choose are in config/schema.ts, and
 * their relations to each other in config/rules.ts.
 */

/** Lengths that the contract sets (proto/README.md, "Envelope rules"). */
export const DEVICE_SESSION_ID_MAX = 128;
export const MESSAGE_TYPE_MAX = 128;
/** Clients send event ids back in `resume_after`. A UUID has 36 characters. */
export const EVENT_ID_MAX = 128;
/** The gateway stores the push feed's cursor and sends it back on a reconnect. */
export const CURSOR_CHARS_MAX = 1024;
export const REQUEST_ID_MIN = 8;
export const REQUEST_ID_MAX = 128;
export const PAYLOAD_HASH_BYTES = 32;

/** User ids are part of event audiences and budget keys. */
export const USER_ID_MAX = 256;

/** Upper bound of a request without its payload: envelope, signature and framing, each field at its maximum, plus reserve. */
export const REQUEST_OVERHEAD_BYTES = 4096;

/** Base64 in JSON turns 3 bytes into 4 characters. */
export const JSON_INFLATION = 4 / 3;

/** Headers that list codings, or name a media type, have some tens of characters. Each item takes some hundred nanoseconds. */
export const LISTED_CODINGS_CHARACTERS_MAX = 512;
export const MEDIA_TYPE_CHARACTERS_MAX = 512;

/** A session record of the backend has a few hundred bytes. */
export const SESSION_RECORD_BYTES_MAX = 16 * 1024;

/** Public REST bodies (proto/README.md, "Public REST"). A valid body has at most about eighty tokens. */
export const PUBLIC_BODY_BYTES_MAX = 8 * 1024;
export const PUBLIC_BODY_TOKENS_MAX = 256;

/** Capacity of the revocation log, for look-ups and subscriptions in flight. An entry takes some tens of bytes. */
export const REVOCATION_LOG_ENTRIES = 16_384;

/**
 * A wall clock that moves by this much within a second was set; slewing moves it by half a millisecond. Smaller steps are not detected, so
 * this must be well below the margin by which reservations outlive the freshness window.
 */
export const CLOCK_JUMP_MS = 500;
export const FRESHNESS_MARGIN_MS_MIN = 2 * CLOCK_JUMP_MS;
