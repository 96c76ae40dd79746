/** The declaration of one metric. The exposition has the labels in this order. Each label must have few values. */
export interface MetricDeclaration {
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, without +Inf. */
  readonly buckets?: readonly number[];
  /** Not exposed before its first value, although it has no labels. For metrics that only some gateways have. */
  readonly isOptional?: boolean;
}

/** In seconds. Requests that the gateway answers itself take less than 1 ms; backend calls may take up to their timeout (120 s). */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** All metrics of the gateway. Each help text starts with what is counted or measured. */
export const METRICS = {
  sallyport_requests_total: counter("Calls by outcome.", "rpc", "protocol", "code", "reason"),
  sallyport_request_seconds: histogram(
    "Duration of a call, from its headers to the end of its response. A subscription lasts until its stream ends.",
    SECONDS,
    "rpc",
  ),
  sallyport_refusals_total: counter("Refusals by reason.", "reason"),
  sallyport_streams: gauge("Open event streams.", "protocol"),
  sallyport_streams_ended_total: counter(
    "Event streams that ended, by reason. `client` means that the client closed the stream.",
    "reason",
  ),
  sallyport_outbox_bytes: summary(
    "Bytes that wait to be written to a stream, as quantiles over all streams. Quantile 1 is the maximum.",
  ),
  sallyport_resumes_total: counter(
    "Streams that requested to resume. `whole`: all missed events were delivered. `resync`: the client was told to fetch its state.",
    "outcome",
  ),
  sallyport_history_events: gauge("Events in the replay buffers."),
  sallyport_history_bytes: gauge("Approximate size of the replay buffers."),
  sallyport_events_total: counter("Messages received on the push feed, by kind.", "kind"),
  sallyport_event_deliveries_total: counter("Events written to streams. An event counts once per stream."),
  sallyport_event_delivery_seconds: histogram(
    "Time from the receipt of an event to its write. One observation covers all immediate writes; each write that waited in an outbox has its own.",
    SECONDS,
  ),
  sallyport_events_dropped_total: counter("Events that were not delivered, by reason.", "reason"),
  sallyport_push_feed_up: gauge("1 while the push feed is connected, otherwise 0."),
  sallyport_push_feed_reconnects_total: counter("Attempts to reconnect the push feed."),
  sallyport_push_feed_gaps_total: counter(
    "Gaps in the push feed in which events may be lost: between two connections, or by an event that could not be processed.",
  ),
  sallyport_backend_seconds: histogram(
    "Duration of a backend call, to the end of the response body.",
    SECONDS,
    "route",
    "outcome",
  ),
  sallyport_session_lookups_total: counter("Session look-ups by outcome.", "outcome"),
  sallyport_session_cache_entries: gauge("Sessions in the cache."),
  sallyport_replay_entries: gauge("Reserved request ids. At `replay.entries_max`, requests are refused."),
  sallyport_bucket_entries: gauge(
    "Token buckets of verified peers and of others. At `buckets.entries_max`, requests that need a new bucket are refused.",
    "of",
  ),
  sallyport_shadow_refusals_total: counter("Requests that a budget in shadow mode would have refused.", "scope"),
  sallyport_edge_connections: gauge("Open connections of an edge on its own port, as of the last sweep."),
  sallyport_connections_cut_total: counter(
    "Connections closed by load shedding, by the exceeded limit: `network` or `total`.",
    "bound",
  ),
  sallyport_tls_certificate_expiry_seconds: gauge(
    "Unix time at which the first certificate of a TLS file expires. `certificate`: `tls.certificate_file`. `client_ca`: `tls.client_ca_file`.",
    "file",
  ),
  sallyport_clock_jumps_total: counter("Steps of the wall clock against the monotonic clock, by direction.", "direction"),
  sallyport_config_reloads_total: counter("Configuration reloads by outcome.", "outcome"),
  sallyport_redis_up: {
    ...gauge(
      "1 while Redis is reachable and executes the commands that requests need, otherwise 0. Only with `stores.kind = redis`.",
    ),
    isOptional: true,
  },
  sallyport_redis_errors_total: counter(
    "Redis commands that failed, by error code, or `timeout` if Redis did not answer in time.",
    "error",
  ),
  sallyport_log_lines_dropped_total: counter("Log lines that could not be written."),
  sallyport_build_info: gauge("Constant 1. The labels have the versions of Sallyport and Bun.", "version", "bun"),
  process_resident_memory_bytes: gauge("Resident memory of the process."),
  process_cpu_seconds_total: counter("User and system CPU time of the process."),
  process_start_time_seconds: gauge("Unix time at which the process started."),
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

type NamesOf<Type extends MetricDeclaration["type"]> = {
  [Name in keyof typeof METRICS]: (typeof METRICS)[Name]["type"] extends Type ? Name : never;
}[keyof typeof METRICS];

export type MetricName = keyof typeof METRICS;
export type CounterName = NamesOf<"counter">;
/** The quantiles of a summary are set like gauges, from a sample at the scrape. */
export type GaugeName = NamesOf<"gauge" | "summary">;
export type HistogramName = NamesOf<"histogram">;

function counter(help: string, ...labels: string[]) {
  return { type: "counter", help, labels } as const;
}

function gauge(help: string, ...labels: string[]) {
  return { type: "gauge", help, labels } as const;
}

/** A summary without count and sum, which OpenMetrics 1.0, "Summary", makes optional. Only this type may have a `quantile` label. */
function summary(help: string) {
  return { type: "summary", help, labels: ["quantile"] } as const;
}

function histogram(help: string, buckets: readonly number[], ...labels: string[]) {
  return { type: "histogram", help, labels, buckets } as const;
}
