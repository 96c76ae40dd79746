/** How one metric is declared. Labels come in this order in the exposition; every label has few values. */
export interface MetricDeclaration {
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, without +Inf. */
  readonly buckets?: readonly number[];
  /** Without labels, and yet not there until it is measured: what not every gateway has. */
  readonly isOptional?: boolean;
}

/** Requests that the gateway answers by itself take well below a millisecond; the backend's take what its timeout allows. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** Every metric of the gateway. */
export const METRICS = {
  sallyport_requests_total: counter("Calls answered, by outcome.", "rpc", "protocol", "code", "reason"),
  sallyport_request_seconds: histogram("From a call's headers to its answer; for a subscription, to its end.", SECONDS, "rpc"),
  sallyport_refusals_total: counter("Refusals, by reason.", "reason"),
  sallyport_streams: gauge("Event streams open.", "protocol"),
  sallyport_streams_ended_total: counter("Event streams that ended, by reason; `client` where the client went away.", "reason"),
  sallyport_outbox_bytes: summary("Bytes that a stream's client has not read, over all streams; quantile 1 is the most."),
  sallyport_resumes_total: counter(
    "Streams that asked to resume: given all that they missed (whole), or told to fetch anew (resync).",
    "outcome",
  ),
  sallyport_history_events: gauge("Events remembered for streams that resume."),
  sallyport_history_bytes: gauge("What they take, near enough."),
  sallyport_events_total: counter("Events taken from the push feed.", "kind"),
  sallyport_event_deliveries_total: counter("Events written to streams, one for each stream."),
  sallyport_event_delivery_seconds: histogram(
    "From the feed to the write: of an event, to the last stream that took it at once; and to each that had to wait for its client.",
    SECONDS,
  ),
  sallyport_events_dropped_total: counter("Events that were not delivered.", "reason"),
  sallyport_push_feed_up: gauge("1 while the push feed is connected, else 0."),
  sallyport_push_feed_reconnects_total: counter("Times the push feed tried to connect anew."),
  sallyport_push_feed_gaps_total: counter(
    "Times events may have been lost: between two connections of the push feed, or where one could not be taken in.",
  ),
  sallyport_backend_seconds: histogram("Calls of the backend, to the end of the answer's body.", SECONDS, "route", "outcome"),
  sallyport_session_lookups_total: counter("Session look-ups, by outcome.", "outcome"),
  sallyport_session_cache_entries: gauge("Sessions in the cache."),
  sallyport_replay_entries: gauge("Request ids remembered. At replay.entries_max, requests are refused."),
  sallyport_bucket_entries: gauge(
    "Token buckets kept, of verified callers and of others. At buckets.entries_max, new ones are refused.",
    "of",
  ),
  sallyport_shadow_refusals_total: counter("Times a budget in shadow mode was empty, and would have refused.", "scope"),
  sallyport_edge_connections: gauge("Connections open to an edge on its own port, as of the last look."),
  sallyport_connections_cut_total: counter(
    "Connections that were cut because there were too many, by the bound that they were over: network or total.",
    "bound",
  ),
  sallyport_tls_certificate_expiry_seconds: gauge(
    "When the first certificate of a TLS file expires, Unix time: of `tls.certificate_file` (certificate) or `tls.client_ca_file` (client_ca).",
    "file",
  ),
  sallyport_clock_jumps_total: counter("Times the wall clock was set, against the monotonic clock.", "direction"),
  sallyport_config_reloads_total: counter("Times the configuration file was read anew, by outcome.", "outcome"),
  sallyport_redis_up: {
    ...gauge("1 while Redis is in reach and does what requests need, else 0. With `stores.kind = redis` alone."),
    isOptional: true,
  },
  sallyport_redis_errors_total: counter(
    "Commands that Redis refused, by its error code, or did not answer in time (timeout).",
    "error",
  ),
  sallyport_log_lines_dropped_total: counter("Log lines that were lost because they could not be written."),
  sallyport_build_info: gauge("1, labelled with the versions that run.", "version", "bun"),
  process_resident_memory_bytes: gauge("Resident memory of the process."),
  process_cpu_seconds_total: counter("CPU time that the process spent, user and system."),
  process_start_time_seconds: gauge("When the process started, Unix time."),
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

type NamesOf<Type extends MetricDeclaration["type"]> = {
  [Name in keyof typeof METRICS]: (typeof METRICS)[Name]["type"] extends Type ? Name : never;
}[keyof typeof METRICS];

export type MetricName = keyof typeof METRICS;
export type CounterName = NamesOf<"counter">;
/** A summary's quantiles are set as gauges are, from what is there at the scrape. */
export type GaugeName = NamesOf<"gauge" | "summary">;
export type HistogramName = NamesOf<"histogram">;

function counter(help: string, ...labels: string[]) {
  return { type: "counter", help, labels } as const;
}

function gauge(help: string, ...labels: string[]) {
  return { type: "gauge", help, labels } as const;
}

/** Quantiles alone: OpenMetrics 1.0, "Summary", leaves count and sum to whoever has them. No other type may have this label. */
function summary(help: string) {
  return { type: "summary", help, labels: ["quantile"] } as const;
}

function histogram(help: string, buckets: readonly number[], ...labels: string[]) {
  return { type: "histogram", help, labels, buckets } as const;
}
