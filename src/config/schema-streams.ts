import { setting, unset } from "./setting.ts";
import { filePath, int } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

const streamCount = int("streams", 1, 10_000_000);

const REFUSED =
  "At the maximum, a new stream is refused with `TOO_MANY_STREAMS`. A call of FetchEvents counts as a stream while the call waits for events.";
const BUFFERS = "Each user and each device session has one replay buffer.";

/** The settings of event streams and of their replay buffers. */
export const STREAM_SETTINGS = {
  "streams.per_session_max": setting(
    streamCount,
    16,
    `Maximum number of open event streams of one device session. ${REFUSED} A client needs one stream. Keep the maximum above 1, because a stream with a broken connection counts until the gateway detects the break.`,
  ),
  "streams.per_user_max": setting(
    streamCount,
    64,
    `Maximum number of open event streams of one user. ${REFUSED} All device sessions of the user share the maximum.`,
  ),
  "streams.per_network_max": setting(
    streamCount,
    1000,
    `Maximum number of open event streams from one client address. ${REFUSED} An IPv6 /64 network counts as one address. Raise the maximum if many devices share an address.`,
  ),
  "streams.total_max": setting(
    streamCount,
    50_000,
    `Maximum number of open event streams of the whole gateway. ${REFUSED} A stream needs a few kilobytes of memory. Over HTTP/1.1, a stream also needs at least one file descriptor.`,
  ),
  "streams.outbox_bytes_max": setting(
    int("bytes", 64 * KiB, 64 * MiB),
    MiB,
    "Maximum size of the events that wait to be sent on one event stream, in bytes. Above the maximum, the stream ends with `SLOW_CONSUMER`. The value must be at least `4 × history.bytes_max`, because a stream that resumes can begin with the events of two replay buffers. JSON can double the size of these events.",
  ),
  "streams.outbox_messages_max": setting(
    int("events", 1, 1_000_000),
    10_000,
    "Maximum number of events that wait to be sent on one event stream. Above the maximum, the stream ends with `SLOW_CONSUMER`. The value must be at least `2 × history.events_max`, because a stream that resumes can begin with the events of two replay buffers.",
  ),
  "streams.heartbeat_ms": setting(
    int("ms", 1000, 600_000),
    25_000,
    "Interval of heartbeat events on an event stream, in ms. Heartbeats keep the connection open. Set the interval below the idle timeouts of proxies and NATs between clients and the gateway.",
  ),
  "streams.age_ms": setting(
    int("ms", 1000, 604_800_000),
    3_600_000,
    "Average age at which the gateway ends an event stream, in ms. The actual age is random, from 90 % to 110 % of `streams.age_ms`. The stream ends with `STREAM_EXPIRED`. The client subscribes again and resumes the stream.",
  ),
  "streams.recheck_lookups_max": setting(
    int("look-ups", 1, 1000),
    16,
    "Maximum number of concurrent session look-ups after a gap in the push feed. The gateway looks up the sessions of all open event streams after a gap, because it may have missed revocations.",
  ),

  "history.events_max": setting(
    int("events", 1, 100_000),
    500,
    `Maximum number of events in one replay buffer. ${BUFFERS} Above the maximum, the oldest events of the replay buffer are evicted. If a client resumes a stream, the replay buffers supply the events that the client missed. Set the maximum above the number of events that arrive while a device changes networks.`,
  ),
  "history.bytes_max": setting(
    int("bytes", KiB, 16 * MiB),
    256 * KiB,
    `Maximum size of one replay buffer, in bytes. ${BUFFERS} Above the maximum, the oldest events of the replay buffer are evicted.`,
  ),
  "history.total_bytes_max": setting(
    int("bytes", KiB, 16 * 1024 * MiB),
    64 * MiB,
    `Maximum size of all replay buffers together, in bytes. ${BUFFERS} Above the maximum, the gateway evicts the oldest events over all replay buffers.`,
  ),
  "history.checkpoint_file": unset(
    filePath,
    "File in which the gateway stores its position in the push feed. After a restart, the gateway reads the events of the last `history.age_ms` again, so clients can resume their streams. If no file is set, every client fetches its complete state again after a restart. Each gateway needs its own file. Used only with `push.source = feed`. A file of another program at this path is renamed at the start, to a name that ends with `.foreign`.",
  ),
  "history.age_ms": setting(
    int("ms", 1, 86_400_000),
    300_000,
    `Time for which an event stays in a replay buffer, in ms. ${BUFFERS} Older events are evicted. A client that missed an evicted event receives \`gateway.resync\` and fetches the complete state again.`,
  ),
} as const;
