/** Fixed bounds. Bounds that an operator can set are in config/schema.ts. Relations between settings are in config/rules.ts. */

/**
 * Maximum length of the push feed's cursor. It is bounded because the gateway stores the cursor and sends it back on a
 * reconnect.
 */
export const CURSOR_CHARS_MAX = 1024;
/** Maximum size of the payload of an event, in bytes. An event with a larger payload is dropped. */
export const EVENT_PAYLOAD_BYTES_MAX = 1024 * 1024;
/** Maximum size of the body of a call of the private listener, in bytes. It holds an event of maximum size in base64. */
export const PUBLISH_BODY_BYTES_MAX = 4 * 1024 * 1024;
/** Maximum number of events or revocations in one call of the private listener. */
export const PUBLISH_BATCH_MAX = 1000;
/**
 * Time for which an event id is remembered, in ms, unless more than `EVENT_IDS_MIN` events follow. A backend repeats a call
 * within seconds or minutes.
 */
export const EVENT_ID_MEMORY_MS = 600_000;
/** Number of events whose ids are remembered in memory. An id takes about 150 bytes. At most twice this number is kept. */
export const EVENT_IDS_MIN = 65_536;
export const PAYLOAD_HASH_BYTES = 32;

/**
 * Maximum size of a request without its payload. It covers the envelope, the signature and the framing, with every field at its
 * maximum length. It includes a reserve.
 */
export const REQUEST_OVERHEAD_BYTES = 4096;

/** Factor by which a `bytes` field grows in JSON: base64 encodes 3 bytes as 4 characters. */
export const JSON_INFLATION = 4 / 3;

/**
 * Maximum length of a header that lists codings, such as Content-Encoding. It bounds the parsing time, which is a few
 * hundred nanoseconds for each coding. A typical header has a few tens of characters.
 */
export const LISTED_CODINGS_CHARACTERS_MAX = 512;
/**
 * Maximum length of a media type. It bounds the parsing time, which is a few hundred nanoseconds for each parameter. A
 * typical media type has a few tens of characters.
 */
export const MEDIA_TYPE_CHARACTERS_MAX = 512;

/** Maximum size of a session record that the backend returns. A typical record has a few hundred bytes. */
export const SESSION_RECORD_BYTES_MAX = 16 * 1024;

/** Maximum size of a public REST body, unless its row has a `body_bytes_max` (proto/README.md, "Public REST"). */
export const PUBLIC_BODY_BYTES_MAX = 8 * 1024;
/**
 * The maximum number of JSON tokens in a public REST body grows with its maximum size: one for each 32 bytes, at least 256. The
 * body of a login has at most about eighty tokens.
 */
export const PUBLIC_BODY_BYTES_PER_TOKEN = 32;
export const PUBLIC_BODY_TOKENS_MIN = 256;

/**
 * Maximum wait of a call of FetchEvents, in ms, set by the contract. Common proxies close a connection after 30 to 60 s without
 * a byte.
 */
export const FETCH_WAIT_MS_MAX = 25_000;
/** Maximum number of events in an answer of FetchEvents, set by the contract. */
export const FETCH_EVENTS_MAX = 1000;
/** Number of events in an answer of FetchEvents if the client sets no maximum; set by the contract. */
export const FETCH_EVENTS_DEFAULT = 100;
/** Maximum size of the events in an answer of FetchEvents, in bytes. A single event may be larger. */
export const FETCH_BYTES_MAX = 1024 * 1024;
/**
 * FetchEvents stops waiting before the timeout of its call, so that its answer arrives in time. It stops earlier by a fifth of
 * the timeout, but at most by this time (ms).
 */
export const FETCH_ANSWER_MS_MAX = 2000;

/**
 * Number of revocations that the revocation log keeps. A look-up or subscription needs the revocations that arrive while it is
 * in flight. Each entry takes a few tens of bytes.
 */
export const REVOCATION_LOG_ENTRIES = 16_384;

/**
 * One session may hold at most 1 / ANSWER_SHARES of the kept answers, by number and by size. So no session can evict the
 * answers of all others.
 */
export const ANSWER_SHARES = 16;
/**
 * The size that is counted for a kept answer besides its payload. It covers the ids, the fingerprint and the indexes of the
 * store.
 */
export const ANSWER_OVERHEAD_BYTES = 1024;
/** Factor by which a payload may grow in a store: Redis stores each byte above 0x7F as two bytes. */
export const ANSWER_INFLATION = 2;
/** Maximum of `keep_answer_ms`: one day. Kept answers use memory, and a client seldom repeats a command later. */
export const KEEP_ANSWER_MS_MAX = 86_400_000;
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
 * Minimum of the setting `freshness.margin_ms`. A reservation is kept for this margin after the freshness window of its
 * request. The minimum covers clock steps that are too small to be reported.
 */
export const FRESHNESS_MARGIN_MS_MIN = 2 * CLOCK_JUMP_MS;

/**
 * How long the failure permits of a killed worker stay held, in ms. Its requests were not charged, so its permits must not be free
 * at once.
 */
export const PERMIT_LEASE_MS = 5000;

/** Maximum number of failure buckets and processes for which permits are counted in a shared file. */
export const PERMIT_ENTRIES_MAX = 65_536;

/**
 * Maximum number of networks and processes for which connections are counted in a shared file. If `connections.total_max` exceeds a
 * million, the file can become full. Connections of further networks are then closed.
 */
export const CONNECTION_ENTRIES_MAX = 2_000_000;

/** Maximum number of worker processes. A shared file has slots for 256 processes, and an upgrade runs two generations of workers. */
export const WORKERS_MAX = 64;
