import { setting } from "./setting.ts";
import { int } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

const streamCount = int("streams", 1, 10_000_000);

/** The settings of event streams and of their replay buffers. */
export const STREAM_SETTINGS = {
  "streams.per_session_max": setting(
    streamCount,
    16,
    "Maximum open event streams of one device session. A client needs one. Keep the maximum higher: a stream with a broken connection counts until the gateway detects the break.",
  ),
  "streams.per_user_max": setting(
    streamCount,
    64,
    "Maximum open event streams of one user, over all of the user's device sessions.",
  ),
  "streams.per_network_max": setting(
    streamCount,
    1000,
    "Maximum open event streams from one peer address (IPv6: one /64). Raise it if many devices share an address.",
  ),
  "streams.total_max": setting(
    streamCount,
    50_000,
    "Maximum open event streams of this gateway. A stream uses a few kilobytes of memory. Over HTTP/1.1, it also uses a file descriptor.",
  ),
  "streams.outbox_bytes_max": setting(
    int("bytes", 64 * KiB, 64 * MiB),
    MiB,
    "Maximum bytes that wait to be sent on one stream. A stream that exceeds it ends with `SLOW_CONSUMER`. It must be at least 4 times `history.bytes_max`.",
  ),
  "streams.outbox_messages_max": setting(
    int("events", 1, 1_000_000),
    10_000,
    "Maximum events that wait to be sent on one stream. A stream that exceeds it ends with `SLOW_CONSUMER`. It must be at least twice `history.events_max`.",
  ),
  "streams.heartbeat_ms": setting(
    int("ms", 1000, 600_000),
    25_000,
    "Interval of heartbeat events on a stream, in ms. Keep it below the idle timeouts of proxies and NATs between clients and the gateway.",
  ),
  "streams.age_ms": setting(
    int("ms", 1000, 604_800_000),
    3_600_000,
    "Maximum age of a stream, in ms. For each stream, it varies randomly by up to 10 %. The stream then ends with `STREAM_EXPIRED`, and the client subscribes again and resumes.",
  ),
  "streams.recheck_lookups_max": setting(
    int("look-ups", 1, 1000),
    16,
    "Maximum concurrent session look-ups after an interruption of the push feed. The gateway may have missed revocations, so it looks up the sessions of all open streams.",
  ),

  "history.events_max": setting(
    int("events", 1, 100_000),
    500,
    "Maximum events in each replay buffer. Each user and each session has one, for streams that resume. Set it above the number of events that arrive while a device changes networks.",
  ),
  "history.bytes_max": setting(int("bytes", KiB, 16 * MiB), 256 * KiB, "Maximum size of each replay buffer, in bytes."),
  "history.total_bytes_max": setting(
    int("bytes", KiB, 16 * 1024 * MiB),
    64 * MiB,
    "Maximum size of all replay buffers together, in bytes. If it is exceeded, the oldest events of all users are evicted.",
  ),
  "history.age_ms": setting(
    int("ms", 1, 86_400_000),
    300_000,
    "Time for which events stay in the replay buffers, in ms. A client that resumes later receives `gateway.resync` and fetches its state.",
  ),
} as const;
