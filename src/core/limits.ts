/** Fixed bounds. Bounds that an operator can set are in config/schema.ts. Relations between settings are in config/rules.ts. */

/**
 * Maximum length of a cursor of the push feed, in characters. It is bounded because the gateway stores the cursor and sends it
 * back on a reconnect.
 */
export const CURSOR_CHARS_MAX = 1024;
/** Maximum size of the payload of an event, in bytes. An event with a larger payload is dropped. */
export const EVENT_PAYLOAD_BYTES_MAX = 1024 * 1024;
/** Maximum size of the body of a call to the private listener, in bytes. An event of maximum size fits, even in base64. */
export const PUBLISH_BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Maximum number of events or revocations in one call to the private listener. */
export const PUBLISH_BATCH_MAX = 1000;
/**
 * Time for which an event id is remembered, in ms. If more than `EVENT_IDS_MIN` events follow within this time, the id may be
 * forgotten earlier. The time is long enough, because a backend repeats a call within seconds or minutes.
 */
export const EVENT_ID_MEMORY_MS = 600_000;
/**
 * At least this many of the latest event ids are remembered. Ids older than `EVENT_ID_MEMORY_MS` may be forgotten. At most twice
 * as many ids are remembered. An id takes about 150 bytes of memory.
 */
export const EVENT_IDS_MIN = 65_536;
export const PAYLOAD_HASH_BYTES = 32;

/**
 * Maximum size of a request without its payload, in bytes. It covers the envelope, the signature and the framing. It is
 * enough for fields of maximum length, and includes a reserve.
 */
export const REQUEST_OVERHEAD_BYTES = 4096;

/** Factor by which a `bytes` field grows in JSON: base64 encodes 3 bytes as 4 characters. */
export const JSON_INFLATION = 4 / 3;

/**
 * Maximum length of a header that lists codings, such as Content-Encoding, in characters. It bounds the parsing time, which is a
 * few hundred nanoseconds for each coding. A typical header has a few tens of characters.
 */
export const LISTED_CODINGS_CHARACTERS_MAX = 512;
/**
 * Maximum length of a media type, in characters. It bounds the parsing time, which is a few hundred nanoseconds for each
 * parameter. A typical media type has a few tens of characters.
 */
export const MEDIA_TYPE_CHARACTERS_MAX = 512;

/** Maximum size of a session record that the backend returns, in bytes. A typical record has a few hundred bytes. */
export const SESSION_RECORD_BYTES_MAX = 16 * 1024;

/** Default of a public route's `body_bytes_max`, the maximum size of its request body in bytes (proto/README.md, "Public REST"). */
export const PUBLIC_BODY_BYTES_MAX = 8 * 1024;
/**
 * The maximum number of JSON tokens in a public REST body is the maximum size of the body divided by this number. At least
 * `PUBLIC_BODY_TOKENS_MIN` tokens are allowed. The body of a login has at most about 80 tokens.
 */
export const PUBLIC_BODY_BYTES_PER_TOKEN = 32;
export const PUBLIC_BODY_TOKENS_MIN = 256;

/**
 * Maximum wait of a call of FetchEvents, in ms, set by the contract. It is below 30 s, because common proxies close a connection
 * after 30 to 60 s without a byte.
 */
export const FETCH_WAIT_MS_MAX = 25_000;
/** Maximum number of events in an answer of FetchEvents, set by the contract. */
export const FETCH_EVENTS_MAX = 1000;
/** Number of events in an answer of FetchEvents if the client sets no maximum; set by the contract. */
export const FETCH_EVENTS_DEFAULT = 100;
/** Maximum size of the events in an answer of FetchEvents, in bytes. A single event may be larger. */
export const FETCH_BYTES_MAX = 1024 * 1024;
/**
 * FetchEvents stops waiting before its call times out, so that the answer arrives in time. It reserves a fifth of the timeout for
 * the answer, but at most this many ms.
 */
export const FETCH_ANSWER_MS_MAX = 2000;

/**
 * Number of revocations that the revocation log keeps. A look-up or subscription needs the revocations that arrive while it is
 * in flight. Each entry takes a few tens of bytes.
 */
export const REVOCATION_LOG_ENTRIES = 16_384;

/**
 * The answer store has a maximum number of answers and a maximum size. The kept answers of one session may use at most
 * 1 / ANSWER_SHARES of each maximum. So no session can evict the answers of all other sessions.
 */
export const ANSWER_SHARES = 16;
/**
 * The size that is counted for a kept answer in addition to its payload, in bytes. It covers the ids, the hash of the command,
 * and the indexes of the store.
 */
export const ANSWER_OVERHEAD_BYTES = 1024;
/** Factor by which a payload may grow in a store, because the Redis store writes each byte above 0x7F as two bytes. */
export const ANSWER_INFLATION = 2;
/** Maximum of `keep_answer_ms`: one day. Kept answers use memory, and a client seldom repeats a command later. */
export const KEEP_ANSWER_MS_MAX = 86_400_000;
/**
 * Values of `keep_answer_ms` below this one, in ms, cause a warning. The client package repeats a command for 60 s by default. If
 * the answer is dropped before, a repeat executes the command again.
 */
export const KEEP_ANSWER_MS_ADVISED = 60_000;
/**
 * The lease of a claim is the timeout of its backend call plus this margin, in ms. The margin leaves time to store the answer.
 * If the gateway is killed, the claim ends with the lease.
 */
export const CLAIM_LEASE_MARGIN_MS = 5000;
/**
 * A request waits for the claim of another request at most for the lease plus this margin, in ms. The margin is several times
 * the interval at which a gateway polls the claim of another gateway. So the request sees that the lease has ended, and can get
 * a claim itself.
 */
export const CLAIM_WAIT_MARGIN_MS = 1000;

/**
 * Minimum step of the wall clock that is reported, in ms. A step is a change relative to the monotonic clock. Slewing (gradual
 * correction) is not a step.
 *
 * Smaller steps are not reported, so `FRESHNESS_MARGIN_MS_MIN` must be well above this value.
 */
export const CLOCK_JUMP_MS = 500;
/**
 * Minimum of the setting `freshness.margin_ms`: the time for which a reservation is kept after the freshness window of its
 * request. The minimum covers clock steps that are too small to be reported.
 */
export const FRESHNESS_MARGIN_MS_MIN = 2 * CLOCK_JUMP_MS;

/**
 * Time for which the failure permits of a killed worker stay held, in ms. A killed worker cannot charge its last requests to a
 * failure budget. So the permits of these requests must not be free at once.
 */
export const PERMIT_LEASE_MS = 5000;

/** Maximum number of permit counts in a shared file. Each pair of a failure budget and a process has its own count. */
export const PERMIT_ENTRIES_MAX = 65_536;

/**
 * Maximum number of connection counts in a shared file. Each pair of a network and a process has its own count. If
 * `connections.total_max` exceeds a million, the file can become full. Connections that need another count are then closed.
 */
export const CONNECTION_ENTRIES_MAX = 2_000_000;

/** Maximum number of workers. At an upgrade, twice as many run. `stores.shared_file` has room for 256 processes. */
export const WORKERS_MAX = 64;
