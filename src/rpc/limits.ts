// Bounds of the RPC layer, each with its reason. With these bounds, decoding a request takes less than two milliseconds.
/** Maximum number of fields in a message, including all nested messages. A request of the contract has nine fields. */
export const PROTO_FIELDS_MAX = 1024;
/** Maximum depth of nested messages. gRPC libraries and protobuf-es have the same default. */
export const MESSAGE_DEPTH_MAX = 100;

/**
 * Maximum number of tokens in a JSON text: names, values and punctuation. The parser takes a few hundred ns for a name, and
 * about 50 ns for any other token.
 */
export const JSON_TOKENS_MAX = 2048;
/**
 * Maximum length of a number in JSON, in characters. BigInt parses long numbers in quadratic time. Programs write at most 25
 * characters.
 */
export const JSON_NUMBER_CHARACTERS_MAX = 64;
/**
 * Maximum length of a name in a JSON object, in bytes. Long names are slow to compare. Names of the contract have at most 17
 * characters.
 */
export const JSON_NAME_BYTES_MAX = 256;
/** Maximum white space in a JSON text, in bytes. Indented JSON has a few hundred bytes of white space. */
export const JSON_SPACE_BYTES_MAX = 16 * 1024;
/**
 * Every JSON text may have this many escapes, and one more per `JSON_BYTES_PER_ESCAPE` bytes. Escapes are limited because
 * parsers decode them slowly. In base64 written by PHP, about one of 65 characters starts an escape, because PHP escapes "/".
 */
export const JSON_ESCAPES_MAX = 256;
export const JSON_BYTES_PER_ESCAPE = 32;
/**
 * Up to this many characters, base64 may have any form that protobuf-es accepts. Longer base64 must have a form that the
 * runtime decodes natively. protobuf-es decodes other forms slowly, one character at a time.
 */
export const LENIENT_BASE64_CHARACTERS_MAX = 4096;
/**
 * Maximum length of a string that `flatReader` decodes, in bytes. For longer strings, protobuf-es is faster than a loop over
 * the bytes.
 */
export const FLAT_TEXT_BYTES_MAX = 1024;

/**
 * Every compressed message may unpack to this many bytes, regardless of `UNPACK_RATIO_MAX`. This number is the size of a brotli
 * window of 18 bits (RFC 7932 9.1).
 */
export const UNPACKED_BYTES_FREE = 2 ** 18 - 16;
/**
 * Maximum ratio of unpacked size to compressed size. It applies to messages that unpack to more than `UNPACKED_BYTES_FREE`.
 * Very regular JSON reaches a ratio of 20.
 */
export const UNPACK_RATIO_MAX = 100;
/**
 * A compressed message that cannot be decoded is charged as several failures. Their number is the larger of these two numbers,
 * rounded up:
 *
 * - compressed bytes divided by `PACKED_BYTES_PER_FAILURE`. Unpacking takes at most 90 ns per compressed byte (1.5 ms for 16
 *   KiB).
 * - maximum unpacked bytes divided by `UNPACKED_BYTES_PER_FAILURE`. Unpacking takes at most 2 ns per unpacked byte (0.5 ms for
 *   256 KiB).
 */
export const PACKED_BYTES_PER_FAILURE = 16 * 1024;
export const UNPACKED_BYTES_PER_FAILURE = UNPACKED_BYTES_FREE;
/**
 * Maximum length of an `Accept-Encoding` value, in characters. Each item takes a few hundred ns to parse. Most values have a
 * few tens of characters.
 */
export const ACCEPTED_CODINGS_CHARACTERS_MAX = 512;
/**
 * Maximum length of an uncompressed message that counts as cheap, in bytes. Decoding a cheap message takes no more time than
 * refusing a request.
 */
export const CHEAP_MESSAGE_BYTES_MAX = 16 * 1024;
/**
 * One failure is charged per this many messages of a bidirectional stream. A reflection request takes about 100 µs of CPU
 * time, and one failure stands for about 2 ms. Reflection tools send about ten requests.
 */
export const MESSAGES_PER_FAILURE = 16;
/** Maximum length of a health or reflection request, in bytes. Such a request contains little more than one name. */
export const STANDARD_REQUEST_BYTES_MAX = CHEAP_MESSAGE_BYTES_MAX;

/**
 * Maximum length of a timeout header, in characters. A valid value has at most ten characters. A longer value is truncated
 * before parsing, because the error for a malformed value quotes the value.
 */
export const TIMEOUT_CHARACTERS_MAX = 16;

/** Maximum delay of a JavaScript timer: 2^31 - 1 ms. A timer with a longer delay fires immediately. */
export const TIMER_MS_MAX = 2_147_483_647;

/**
 * Every request body may have this many pieces, and one more per `BODY_BYTES_PER_PIECE` bytes. A piece is a chunk, a DATA
 * frame, or base64 that ends with padding. Even a short piece takes a few µs to process. Normal networks produce pieces of
 * about 1200 bytes or more.
 */
export const BODY_PIECES_MAX = 512;
export const BODY_BYTES_PER_PIECE = 1024;
