// Bounds of the RPC layer, each with its reason. Requests are bounded so that decoding takes at most some tenths of a millisecond.
/** All nested messages together. A message of the contract has nine fields. */
export const PROTO_FIELDS_MAX = 1024;
/** The default of gRPC's libraries and of protobuf-es. */
export const MESSAGE_DEPTH_MAX = 100;

/** Names, values and punctuation. Each takes the parser about 50 ns, a name a few hundred. */
export const JSON_TOKENS_MAX = 2048;
/** Numbers of programs have at most 25 characters. BigInt takes quadratic time. */
export const JSON_NUMBER_CHARACTERS_MAX = 64;
/** Names are looked up, compared and unescaped. Those of the contract have at most 17 characters. */
export const JSON_NAME_BYTES_MAX = 256;
/** Indented JSON has some hundred bytes of white space. */
export const JSON_SPACE_BYTES_MAX = 16 * 1024;
/** Escapes take the slow path of every parser. PHP escapes one in 65 characters of base64. */
export const JSON_ESCAPES_MAX = 256;
export const JSON_BYTES_PER_ESCAPE = 32;
/** Shorter base64 may have any form that protobuf-es accepts, and is read one character at a time. */
export const LENIENT_BASE64_CHARACTERS_MAX = 4096;
/** From this length on, protobuf's own reader is faster than a loop. */
export const FLAT_TEXT_BYTES_MAX = 1024;

/** Any message may unpack to this size: what a brotli window of 2^18 bytes holds (RFC 7932 9.1). */
export const UNPACKED_BYTES_FREE = 2 ** 18 - 16;
/** How many times its own size a longer message may unpack to. The most regular JSON compresses to a twentieth. */
export const UNPACK_RATIO_MAX = 100;
/** Unpacking takes at most 90 ns per compressed byte and 2 ns per unpacked byte: 1.5 ms for either amount. */
export const PACKED_BYTES_PER_FAILURE = 16 * 1024;
export const UNPACKED_BYTES_PER_FAILURE = UNPACKED_BYTES_FREE;
/** `Accept-Encoding` has some tens of characters. Each item takes some hundred nanoseconds. */
export const ACCEPTED_CODINGS_CHARACTERS_MAX = 512;
/** An uncompressed message of this size takes no longer to decode than a request takes to refuse. */
export const CHEAP_MESSAGE_BYTES_MAX = 16 * 1024;
/** A reflection request takes about 100 µs to answer. Tools send about ten. */
export const MESSAGES_PER_FAILURE = 16;
/** Health checks and reflection requests carry one name. */
export const STANDARD_REQUEST_BYTES_MAX = CHEAP_MESSAGE_BYTES_MAX;

/** A valid timeout header has at most ten characters. A malformed one is quoted in the error, so a longer one is truncated before parsing. */
export const TIMEOUT_CHARACTERS_MAX = 16;

/** The longest timer that a runtime keeps (2^31 - 1 ms); longer ones fire immediately. */
export const TIMER_MS_MAX = 2_147_483_647;

/**
 * A body may arrive in this many pieces (chunks, DATA frames), and in one more per `BODY_BYTES_PER_PIECE`. A piece takes some
 * microseconds however short it is. A network cuts none shorter than about 1200 bytes.
 */
export const BODY_PIECES_MAX = 512;
export const BODY_BYTES_PER_PIECE = 1024;
