import { setting } from "./setting.ts";
import { int } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

const streamCount = int("streams", 1, 10_000_000);

/** The rows of the configuration's table that are about event streams. */
export const STREAM_SETTINGS = {
  "streams.per_session_max": setting(
    streamCount,
    16,
    "Event streams that one device session may have open at once. One is what a client needs; some more, for those that vanished and are not missed yet.",
  ),
  "streams.per_user_max": setting(streamCount, 64, "Event streams that one user may have open at once, over all sessions."),
  "streams.per_network_max": setting(
    streamCount,
    1000,
    "Event streams open at once from one peer address (IPv6: from one /64). Raise it where many devices share an address.",
  ),
  "streams.total_max": setting(
    streamCount,
    50_000,
    "Event streams open at once in all. Each takes some kilobytes and, over HTTP/1.1, a file descriptor.",
  ),
  "streams.outbox_bytes_max": setting(
    int("bytes", 64 * KiB, 64 * MiB),
    MiB,
    "Bytes that one stream's client may leave unread; beyond, the stream ends with `SLOW_CONSUMER`. At least 4 times `history.bytes_max`.",
  ),
  "streams.outbox_messages_max": setting(
    int("events", 1, 1_000_000),
    10_000,
    "Events that may wait for one stream's client besides. At least twice `history.events_max`.",
  ),
  "streams.heartbeat_ms": setting(
    int("ms", 1000, 600_000),
    25_000,
    "Time between heartbeats, in ms. Below the idle timeout of whatever stands between clients and the gateway.",
  ),
  "streams.age_ms": setting(
    int("ms", 1000, 604_800_000),
    3_600_000,
    "Age at which a stream ends with `STREAM_EXPIRED`, in ms, give or take a tenth. Its client subscribes again, and resumes.",
  ),
  "streams.recheck_lookups_max": setting(
    int("look-ups", 1, 1000),
    16,
    "Session look-ups under way at once when the push feed had a gap and the sessions of all open streams are looked up anew.",
  ),

  "history.events_max": setting(
    int("events", 1, 100_000),
    500,
    "Events remembered for each user and for each session, for streams that resume. More than come in while a device changes networks.",
  ),
  "history.bytes_max": setting(
    int("bytes", KiB, 16 * MiB),
    256 * KiB,
    "What they may take for each user and for each session, in bytes.",
  ),
  "history.total_bytes_max": setting(
    int("bytes", KiB, 16 * 1024 * MiB),
    64 * MiB,
    "What they may take in all, in bytes; beyond, the oldest are forgotten, whosever they are.",
  ),
  "history.age_ms": setting(
    int("ms", 1, 86_400_000),
    300_000,
    "How long they are remembered, in ms. A client that returns later fetches its state anew.",
  ),
} as const;
