/**
 * Fixed bounds, each with its reason. Bounds that an operator can set are in config/schema.ts. Relations between settings are in
 * config/rules.ts.
 */

/** Maximum length of a device session id, set by the contract (proto/README.md, "Envelope rules"). */
export const DEVICE_SESSION_ID_MAX = 128;
/** Maximum length of a message type or event type, set by the contract (proto/README.md, "Envelope rules"). */
export const MESSAGE_TYPE_MAX = 128;
/** Maximum length of an event id. It is bounded because clients send event ids back in `resume_after`. A UUID has 36 characters. */
export const EVENT_ID_MAX = 128;
/** Maximum length of the push feed's cursor. It is bounded because the gateway stores the cursor and sends it back on a reconnect. */
export const CURSOR_CHARS_MAX = 1024;
/** Minimum length of a request id, set by the contract (proto/README.md, "Envelope rules"). */
export const REQUEST_ID_MIN = 8;
/** Maximum length of a request id, set by the contract (proto/README.md, "Envelope rules"). */
export const REQUEST_ID_MAX = 128;
export const PAYLOAD_HASH_BYTES = 32;

/** Maximum length of a user id. It is bounded because user ids are part of event audiences and bucket keys. */
export const USER_ID_MAX = 256;

/**
 * Maximum size of a request without its payload: the envelope, the signature and the framing, with each field at its maximum length, plus a
 * reserve.
 */
export const REQUEST_OVERHEAD_BYTES = 4096;

/** Factor by which bytes grow in JSON, because base64 encodes 3 bytes as 4 characters. */
export const JSON_INFLATION = 4 / 3;

/**
 * Maximum length of a header that lists codings. Usual headers have some tens of characters. Parsing one listed coding takes some hundred
 * nanoseconds.
 */
export const LISTED_CODINGS_CHARACTERS_MAX = 512;
/** Maximum length of a media type. Usual media types have some tens of characters. Parsing one parameter takes some hundred nanoseconds. */
export const MEDIA_TYPE_CHARACTERS_MAX = 512;

/** Maximum size of a session record of the backend. A usual record has a few hundred bytes. */
export const SESSION_RECORD_BYTES_MAX = 16 * 1024;

/** Maximum size of a public REST body (proto/README.md, "Public REST"). */
export const PUBLIC_BODY_BYTES_MAX = 8 * 1024;
/** Maximum number of JSON tokens in a public REST body. A valid body has at most about eighty tokens. */
export const PUBLIC_BODY_TOKENS_MAX = 256;

/**
 * Number of entries that the revocation log keeps. They are needed for look-ups and subscriptions in flight. Each entry takes some tens of
 * bytes.
 */
export const REVOCATION_LOG_ENTRIES = 16_384;

/**
 * If the wall clock moves by at least this much within a second, the gateway assumes that somebody set the clock. (Slewing moves it by only
 * half a millisecond a second.) Smaller steps are not detected, so this value must be well below the margin by which reservations outlive
 * the freshness window.
 */
export const CLOCK_JUMP_MS = 500;
/**
 * Minimum of the margin by which reservations outlive the freshness window. It is twice `CLOCK_JUMP_MS`, so that it covers clock steps that
 * are not detected.
 */
export const FRESHNESS_MARGIN_MS_MIN = 2 * CLOCK_JUMP_MS;
