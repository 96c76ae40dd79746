/**
 * Bounds that no configuration moves, each with its reason. Bounds that an operator may choose are in config/schema.ts, and
 * their relations to each other in config/rules.ts.
 */

/** Lengths that the contract sets (proto/README.md, "Envelope rules"). */
export const DEVICE_SESSION_ID_MAX = 128;
export const MESSAGE_TYPE_MAX = 128;
/** An event id comes back in `resume_after`; a UUID has 36. */
export const EVENT_ID_MAX = 128;
/** Of the push feed; kept and sent back. */
export const CURSOR_CHARS_MAX = 1024;
export const REQUEST_ID_MIN = 8;
export const REQUEST_ID_MAX = 128;
export const PAYLOAD_HASH_BYTES = 32;
export const SIGNATURE_BYTES = 64;
export const PUBLIC_KEY_BYTES = 32;

/** A user id becomes part of an event's audience and of budget keys; the backend's are short. */
export const USER_ID_MAX = 256;

/** What a request needs besides its payload: envelope, signature and framing, each field at its longest, with room to spare. */
export const REQUEST_OVERHEAD_BYTES = 4096;

/** Base64 in JSON turns 3 bytes into 4 characters. */
export const JSON_INFLATION = 4 / 3;

/** Headers that list codings, or name a media type, have some tens of characters. Each item takes some hundred nanoseconds. */
export const LISTED_CODINGS_CHARACTERS_MAX = 512;
export const MEDIA_TYPE_CHARACTERS_MAX = 512;

/** A session record of the backend is a few hundred bytes; more is not a session record. */
export const SESSION_RECORD_BYTES_MAX = 16 * 1024;

/** Public REST bodies (proto/README.md, "Public REST"). Of what they may hold, names and values are some eighty tokens. */
export const PUBLIC_BODY_BYTES_MAX = 8 * 1024;
export const PUBLIC_BODY_TOKENS_MAX = 256;

/** Revocations remembered for look-ups and subscriptions still under way; each takes some tens of bytes. */
export const REVOCATION_LOG_ENTRIES = 16_384;

/**
 * A wall clock that moves by this much from one second to the next was set; slewing moves it by half a millisecond. What is smaller goes
 * unnoticed, so it must be well within the margin by which reservations outlive the freshness window.
 */
export const CLOCK_JUMP_MS = 500;
export const FRESHNESS_MARGIN_MS_MIN = 2 * CLOCK_JUMP_MS;
