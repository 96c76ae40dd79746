export interface MetricDeclaration {
  readonly type: "counter" | "gauge" | "histogram" | "summary";
  readonly help: string;
  /** The label names, in the order in which they are exposed. Each label must have few values. */
  readonly labels: readonly string[];
  /** The upper bounds of a histogram's buckets, ascending, without +Inf. */
  readonly buckets?: readonly number[];
  /** If true, a metric without labels is hidden until it has a value. Set this for metrics that only some gateways measure. */
  readonly isOptional?: boolean;
}

/**
 * Histogram buckets for durations, in seconds. They range from answers without a backend call (below 1 ms) to the longest
 * timeout (120 s).
 */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];

/** All metrics of the gateway, by name. A help text starts with what is counted or measured. */
export const METRICS = {
  sallyport_requests_total: counter(
    "Finished calls, by outcome. For public routes, `rpc` is the name of the row.",
    "rpc",
    "protocol",
    "code",
    "reason",
  ),
  sallyport_request_seconds: histogram(
    "Duration of a call, from the request headers to the end of the response. For a subscription, it is the duration of the stream. For FetchEvents, it does not include the time for which the call waits for an event.",
    SECONDS,
    "rpc",
  ),
  sallyport_refusals_total: counter("Refused requests, by reason.", "reason"),
  sallyport_streams: gauge(
    "Open event streams and waiting calls of FetchEvents, by protocol: `connect`, `grpc-web`, `grpc-web-text` or `grpc`.",
    "protocol",
  ),
  sallyport_streams_ended_total: counter(
    "Event streams that ended, by reason. `client` means that the client closed the stream.",
    "reason",
  ),
  sallyport_outbox_bytes: summary(
    "Bytes that wait to be written to a stream, as quantiles over all open streams. Quantile 1 is the stream with the most bytes.",
  ),
  sallyport_resumes_total: counter(
    "Subscriptions that requested to resume, by outcome. `whole`: all missed events were sent. `resync`: events may be missing, and the client must fetch its state again.",
    "outcome",
  ),
  sallyport_history_events: gauge("Events in the replay buffers."),
  sallyport_history_bytes: gauge("Approximate size of the replay buffers."),
  sallyport_events_total: counter("Messages received on the push feed, by kind.", "kind"),
  sallyport_event_deliveries_total: counter("Events written to streams. An event counts once for each stream."),
  sallyport_event_delivery_seconds: histogram(
    "Time from the receipt of an event to its write to a stream. All immediate writes of an event are one observation. Each write that waited in an outbox is one observation.",
    SECONDS,
  ),
  sallyport_events_dropped_total: counter("Events from the push feed that were not delivered, by reason.", "reason"),
  sallyport_push_feed_up: gauge("1 while the push feed is connected, otherwise 0."),
  sallyport_push_feed_reconnects_total: counter("Attempts to reconnect the push feed."),
  sallyport_push_feed_gaps_total: counter(
    "Gaps in the push feed, in which events may be lost. A gap is a time without a connection, or an event that could not be processed.",
  ),
  sallyport_backend_seconds: histogram(
    "Duration of a backend call, until the end of the response body.",
    SECONDS,
    "route",
    "outcome",
  ),
  sallyport_upstream_requests_total: counter(
    "Finished attempts of backend calls, by upstream, kind of call and outcome. `ok` includes business errors. `not_connected`: nothing was sent.",
    "upstream",
    "calls",
    "outcome",
  ),
  sallyport_upstream_retries_total: counter(
    "Repeats of backend calls at another address. `not_sent`: nothing was sent before. `sent`: the backend may have got the call before. `over_budget`: a repeat that the retry budget refused.",
    "upstream",
    "calls",
    "kind",
  ),
  sallyport_upstream_ejections_total: counter("Ejections of addresses of the backend.", "upstream", "calls"),
  sallyport_upstream_active: gauge("Running backend calls, by upstream and kind of call.", "upstream", "calls"),
  sallyport_upstream_pending: gauge("Backend calls that wait for a free place, by kind of call.", "calls"),
  sallyport_upstream_addresses: gauge(
    "Addresses of the backend, by state. `usable`: neither `ejected` nor `unhealthy`. Each worker counts separately; for `calls = sessions`, the supervisor does too.",
    "upstream",
    "calls",
    "state",
  ),
  sallyport_session_lookups_total: counter("Session look-ups, by outcome.", "outcome"),
  sallyport_session_cache_entries: gauge("Sessions in the session cache."),
  sallyport_replay_entries: gauge("Reserved request ids. If the number reaches `replay.entries_max`, requests are refused."),
  sallyport_answers_total: counter(
    "Requests with an idempotency_key on routes that keep answers, by outcome. `reused` also counts requests on other routes. `kept`: the backend's answer was kept. `not_kept`: the answer could not be stored. `released`: the call ended without a definite answer, or with status 408, 425 or 429. `replayed`: the request got a kept answer. `waited`: the request waited and got the answer of another request. `reused`: refused, because the key belongs to another command.",
    "outcome",
  ),
  sallyport_answers_evicted_total: counter(
    "Kept answers that were evicted before their time, because `answers.entries_max`, `answers.bytes_max` or the share of a session was reached.",
  ),
  sallyport_answer_entries: gauge(
    "Kept answers. With `stores.kind = redis`, the number when this gateway last kept an answer.",
  ),
  sallyport_answer_bytes: gauge(
    "Size of the kept answers, as counted for `answers.bytes_max`. With `stores.kind = redis`, the size when this gateway last kept an answer.",
  ),
  sallyport_bucket_entries: gauge(
    "Token buckets in use. `verified`: for verified requests. `unverified`: for failed requests and public REST calls. If one of the two numbers reaches `buckets.entries_max`, requests that need a new bucket are refused.",
    "of",
  ),
  sallyport_shadow_refusals_total: counter("Requests that a budget in shadow mode would have refused.", "scope"),
  sallyport_event_loop_delay_seconds: gauge(
    "Longest delay of the event loop in the last 10 to 20 s, in seconds. With workers, the longest of all processes.",
  ),
  sallyport_connections: gauge(
    "Open client connections, by listener. `edge`: `edge.listen`. `grpc`: `grpc.listen`.",
    "listener",
  ),
  sallyport_edge_connections: gauge(
    "Open connections of the edge, if it has its own port (`edge.grpc = own-port`). They are counted every 50 ms.",
  ),
  sallyport_connections_cut_total: counter(
    "Connections closed because a limit was exceeded. `network`: `connections.per_network_max`. `total`: `connections.total_max`, or too few file descriptors.",
    "bound",
  ),
  sallyport_tls_certificate_expiry_seconds: gauge(
    "Unix time of the earliest expiry of a certificate in a TLS file. `certificate`: `tls.certificate_file`. `client_ca`: `tls.client_ca_file`.",
    "file",
  ),
  sallyport_clock_jumps_total: counter(
    "Steps of the wall clock, by direction. They are detected by comparison with the monotonic clock.",
    "direction",
  ),
  sallyport_config_reloads_total: counter("Configuration reloads, by outcome.", "outcome"),
  sallyport_config_generation: gauge("Number of configurations that this gateway has used, the first one included."),
  sallyport_config_hash: gauge(
    "A hash of the current configuration without its secrets. The same number means the same configuration.",
  ),
  sallyport_config_applied_seconds: gauge("Unix time at which the current configuration was applied."),
  sallyport_redis_up: {
    ...gauge(
      "1 while Redis is reachable and executes the commands that requests need, otherwise 0. Exposed only with `stores.kind = redis`.",
    ),
    isOptional: true,
  },
  sallyport_redis_errors_total: counter(
    "Redis commands that failed, by error code. `timeout`: Redis did not answer in time.",
    "error",
  ),
  sallyport_log_lines_dropped_total: counter("Log lines that could not be written."),
  sallyport_build_info: gauge("Always 1. The labels are the versions of Sallyport and Bun.", "version", "bun"),
  sallyport_worker_up: gauge("Whether a worker process runs and answers: 1 or 0. Only with `workers.count` above 1.", "worker"),
  sallyport_worker_event_loop_delay_seconds: gauge(
    "Longest delay of a worker's event loop in the last 10 to 20 s, in seconds. At 1, requests wait a second before the worker handles them.",
    "worker",
  ),
  sallyport_worker_connections: gauge("Open client connections of a worker process.", "worker"),
  sallyport_worker_streams: gauge("Open event streams of a worker process.", "worker"),
  sallyport_worker_cpu_seconds: gauge("CPU time that a worker process has used since its start, in seconds.", "worker"),
  sallyport_worker_resident_bytes: gauge("Resident memory of a worker process, in bytes.", "worker"),
  sallyport_worker_restarts_total: counter("Worker processes that ended by themselves and were started again."),
  sallyport_upgrades_total: counter(
    "Upgrades of the gateway. `done`: this process took over from another one. `failed`: a new process did not become ready.",
    "outcome",
  ),
  process_resident_memory_bytes: gauge("Resident memory of the process."),
  process_cpu_seconds_total: counter("User and system CPU time of the process."),
  process_start_time_seconds: gauge("Unix time at which the process started."),
} as const satisfies Readonly<Record<string, MetricDeclaration>>;

type NamesOf<Type extends MetricDeclaration["type"]> = {
  [Name in keyof typeof METRICS]: (typeof METRICS)[Name]["type"] extends Type ? Name : never;
}[keyof typeof METRICS];

export type MetricName = keyof typeof METRICS;
export type CounterName = NamesOf<"counter">;
/** The names of gauges and summaries. The quantiles of a summary are set like gauges, at each scrape. */
export type GaugeName = NamesOf<"gauge" | "summary">;
export type HistogramName = NamesOf<"histogram">;

function counter(help: string, ...labels: string[]) {
  return { type: "counter", help, labels } as const;
}

function gauge(help: string, ...labels: string[]) {
  return { type: "gauge", help, labels } as const;
}

/**
 * Declares a summary without count and sum (OpenMetrics 1.0, "Summary": both are optional). Only a summary may have a
 * `quantile` label.
 */
function summary(help: string) {
  return { type: "summary", help, labels: ["quantile"] } as const;
}

function histogram(help: string, buckets: readonly number[], ...labels: string[]) {
  return { type: "histogram", help, labels, buckets } as const;
}
