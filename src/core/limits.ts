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

/**
 * What may be in a request for its decoding to stay within some tenths of a millisecond, whatever it is. A message of the contract has
 * nine fields, four levels and numbers of 20 digits; what newer clients add may be a hundred times that.
 */
export const PROTO_FIELDS_MAX = 1024;
/** As much as gRPC's libraries take, and protobuf-es by default. */
export const MESSAGE_DEPTH_MAX = 100;
/** Names, values and what stands between them. Each costs the parser some tens of nanoseconds, and a name some hundred. */
export const JSON_TOKENS_MAX = 2048;
/** A number of a program's has 25 at most; BigInt takes the square of them. */
export const JSON_NUMBER_CHARACTERS_MAX = 64;
/** Names are looked up, compared and unescaped; the contract's have 17 at most. */
export const JSON_NAME_BYTES_MAX = 256;
/** JSON that is laid out for people has some hundred bytes of it. */
export const JSON_SPACE_BYTES_MAX = 16 * 1024;
/** Escapes take the slow way through every parser. PHP writes base64 with one in 65 characters escaped. */
export const JSON_ESCAPES_MAX = 256;
export const JSON_BYTES_PER_ESCAPE = 32;
/** Shorter base64 is read in every spelling that protobuf-es knows, a character at a time. */
export const LENIENT_BASE64_CHARACTERS_MAX = 4096;
/** A string for which protobuf's own reader is faster than a loop, and which no rule of the contract lets pass. */
export const FLAT_TEXT_BYTES_MAX = 1024;

/** How much a message may unpack to at least, however small it is packed: as much as a brotli window of 2^18 bytes holds (RFC 7932 9.1). */
export const UNPACKED_BYTES_FREE = 2 ** 18 - 16;
/** How many times its own size a longer one may unpack to; JSON packs to a twentieth where it is most regular. */
export const UNPACK_RATIO_MAX = 100;
/** Unpacking costs up to 90 ns a packed byte (tables that serve a few symbols), and 2 ns one that it makes: either takes some 1.5 ms at most. */
export const PACKED_BYTES_PER_FAILURE = 16 * 1024;
export const UNPACKED_BYTES_PER_FAILURE = UNPACKED_BYTES_FREE;
/** A header that lists codings, or says a media type, has some tens of characters; each of its items costs some hundred nanoseconds. */
export const LISTED_CODINGS_CHARACTERS_MAX = 512;
export const MEDIA_TYPE_CHARACTERS_MAX = 512;
/** A bare message of up to this costs no more to decode than any request costs to refuse. */
export const CHEAP_MESSAGE_BYTES_MAX = 16 * 1024;
/**
 * Pieces (chunks, DATA frames) in which a body may come, and how long they are beyond that on the average. Each costs some microseconds,
 * however short; a network cuts no shorter than some 1200 bytes.
 */
export const BODY_PIECES_MAX = 512;
export const BODY_BYTES_PER_PIECE = 1024;

/** A question of reflection takes some 100 µs to answer. People's tools ask about ten. */
export const MESSAGES_PER_FAILURE = 16;
/** Health checks and reflection carry a name, and are to be cheap. */
export const STANDARD_REQUEST_BYTES_MAX = CHEAP_MESSAGE_BYTES_MAX;

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

/** The longest timer that a runtime keeps (2^31 - 1 ms); longer ones fire at once. */
export const TIMER_MS_MAX = 2_147_483_647;
