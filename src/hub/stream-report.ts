import type { Clock } from "../core/clock.ts";
import type { Metrics } from "../core/telemetry.ts";
import type { Subscription } from "./subscription.ts";

/** Selects the open streams that one page of the admin listener shows. */
export interface StreamQuery {
  /** The page lists only streams whose id is larger than this number. 0 selects the first page. */
  readonly after: number;
  readonly limit: number;
  readonly userId: string | undefined;
  readonly deviceSessionId: string | undefined;
}

export interface StreamDescription {
  readonly id: number;
  readonly deviceSessionId: string;
  readonly userId: string;
  readonly peerNetwork: string;
  readonly kind: "stream" | "poll";
  readonly protocol: string;
  readonly codec: string;
  readonly ageMs: number;
  readonly unreadBytes: number;
}

export interface StreamPage {
  readonly streams: readonly StreamDescription[];
  /** The value of `after` for the next page; `undefined` on the last page. */
  readonly nextAfter: number | undefined;
}

/** Returns the first `query.limit` streams that match the query. */
export function describeStreams(all: Iterable<Subscription>, query: StreamQuery, clock: Clock): StreamPage {
  const found: Subscription[] = [];
  for (const stream of all) {
    if (!matches(stream, query)) continue;
    // Stops at one stream more than the limit, which shows that there is another page.
    if (found.push(stream) > query.limit) break;
  }
  const page = found.slice(0, query.limit);
  const nowMs = clock.monotonic();
  return {
    streams: page.map((stream) => describe(stream, nowMs)),
    nextAfter: found.length > page.length ? page.at(-1)?.id : undefined,
  };
}

/** The reported quantiles of the unread bytes per stream, by the nearest-rank method. */
const QUANTILES = [0.5, 0.99, 1] as const;

/** Sets the gauges of open streams and unread bytes. Call it only once per scrape, because it iterates over all streams. */
export function sampleStreams(all: Iterable<Subscription>, protocols: readonly string[], metrics: Metrics): void {
  const counts = new Map<string, number>(protocols.map((protocol) => [protocol, 0]));
  const unread: number[] = [];
  for (const stream of all) {
    counts.set(stream.protocol, (counts.get(stream.protocol) ?? 0) + 1);
    if (!stream.isPoll) unread.push(stream.unreadBytes);
  }
  const sorted = Float64Array.from(unread).sort();
  for (const [protocol, count] of counts) metrics.gauge("sallyport_streams", count, { protocol });
  for (const quantile of QUANTILES) {
    const bytes = sorted[Math.ceil(sorted.length * quantile) - 1] ?? 0;
    metrics.gauge("sallyport_outbox_bytes", bytes, { quantile: String(quantile) });
  }
}

function matches({ id, userId, deviceSessionId }: Subscription, query: StreamQuery): boolean {
  if (id <= query.after) return false;
  if (query.userId !== undefined && userId !== query.userId) return false;
  return query.deviceSessionId === undefined || deviceSessionId === query.deviceSessionId;
}

function describe(stream: Subscription, nowMs: number): StreamDescription {
  const { id, deviceSessionId, userId, peerNetwork, protocol, codec, unreadBytes } = stream;
  return {
    id,
    deviceSessionId,
    userId,
    peerNetwork,
    kind: stream.isPoll ? "poll" : "stream",
    protocol,
    codec,
    unreadBytes,
    ageMs: Math.round(nowMs - stream.openedAtMs),
  };
}
