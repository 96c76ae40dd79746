import { sessionPath } from "./path-pattern.ts";
import { TIMEOUT_MS_MAX } from "./routes.ts";
import { secret, setting, unset } from "./setting.ts";
import { dnsServers, upstreams } from "./upstreams.ts";
import { filePath, httpUrl, int, text } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const HOUR_MS = 3_600_000;

const bearerToken = text(
  "a token of visible ASCII characters, without the word Bearer and without spaces",
  /^[\x21-\x7e]{1,4096}$/,
);
const failures = int("failures", 0, 1_000_000);
const percent = int("%", 0, 100);
const checks = int("checks", 1, 1000);

const HTTPS = "The setting requires that at least one URL of the backend starts with `https://`.";
const KINDS = "The four kinds are commands, session look-ups, logins and other public calls.";
const SHARED = "Each worker gets an equal part of the maximum.";
const RENEWED = "The gateway loads a renewed file without a restart.";

/** The settings of the calls to the backend's REST interface. */
export const UPSTREAM_SETTINGS = {
  "backend.url": unset(
    httpUrl,
    "Base URL of the backend's REST interface. `sallyport serve` requires `backend.url` or `upstreams`. If the host is a name, the gateway uses all addresses of the name. `sallyport dev` and `sallyport demo` always use the embedded backend.",
  ),
  upstreams: setting(
    upstreams,
    [],
    "Base URLs of the backend's REST interface, instead of `backend.url`. An upstream has `name`, `url` and optionally `weight` (0 to 1000000, default 1). Logs and metrics contain the name. Upstreams get calls in proportion to their weights. For example, a canary of weight 1 beside an upstream of weight 99 gets 1 % of the calls. Between upstreams of equal weight, the less busy upstream gets more calls. An upstream of weight 0 gets no calls. In TOML, write `[[upstreams]]`. In an environment variable, write JSON.",
  ),
  "backend.timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    5000,
    "Timeout of a backend call for a command or a public route, in ms. The timeout includes all attempts of the call. A row of `routes` or `public_routes` can have a different `timeout_ms`.",
  ),
  "backend.session_timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    2000,
    "Timeout of a session look-up at the backend, in ms. A request waits for the look-up if the session is not cached. After the timeout, the request is refused with `SESSION_LOOKUP_UNAVAILABLE`.",
  ),
  "backend.session_path": setting(
    sessionPath,
    "/api/v1/internal/sessions/{device_session_id}",
    "Path of the session look-up at the backend. The gateway replaces `{device_session_id}` by the id of the session. `{device_session_id}` must be a whole segment of the path.",
  ),
  "backend.connect_timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    1000,
    "Timeout for opening a TCP connection to the backend, in ms. The timeout applies only if the backend has several addresses. If an address has not answered for `backend.connect_timeout_ms`, the gateway tests the address before the next call. The test opens and closes a TCP connection. If the test fails, the call goes to another address.",
  ),
  "backend.response_timeout_ms": unset(
    int("ms", 1, TIMEOUT_MS_MAX),
    "Timeout of one attempt of a backend call, in ms. After the timeout, the call is repeated at another address if `backend.retries_max` allows a repeat. If no value is set, an attempt has no timeout of its own, and only the timeout of the whole call applies. Set a value above the time of the slowest normal answer and below `backend.timeout_ms`.",
  ),
  "backend.response_bytes_max": setting(
    int("bytes", KiB, 64 * MiB),
    MiB,
    "Maximum size of a backend response, in bytes. A larger response is refused with `BACKEND_BAD_RESPONSE`.",
  ),
  "backend.token": secret(
    bearerToken,
    "Bearer token that the gateway sends to the backend in the `Authorization` header. If neither `backend.token` nor `backend.token_file` is set, the gateway does not send the header.",
  ),
  "backend.token_file": unset(
    filePath,
    `File that holds the bearer token for the backend, instead of \`backend.token\`. ${RENEWED} The push feed sends a renewed token when it connects the next time.`,
  ),
  "backend.ca_file": unset(
    filePath,
    `PEM file of the certificate authorities that sign the backend's certificate. ${HTTPS} If no file is set, the gateway trusts the certificate authorities of the system. ${RENEWED}`,
  ),
  "backend.certificate_file": unset(
    filePath,
    `PEM file of the client certificate chain that the gateway presents to the backend (mTLS). ${HTTPS} ${RENEWED}`,
  ),
  "backend.key_file": unset(
    filePath,
    `PEM file of the private key for the certificate in \`backend.certificate_file\`. ${RENEWED}`,
  ),
  "backend.retries_max": setting(
    int("repeats", 0, 10),
    1,
    "Maximum number of times that a failed backend call is repeated, each time at another address. If the backend may have received the call, only two kinds of calls are repeated. These are GET, PUT and DELETE calls, and commands with an `idempotency_key` on routes with `keep_answer_ms`. If nothing of the call was sent, any call is repeated, and the maximum is at least 3. `0`: no call is repeated. A row of `routes` can have a different `retries_max`.",
  ),
  "backend.retry_budget_percent": setting(
    percent,
    20,
    "Retry budget: the maximum share of backend calls that may be repeated, in percent of all calls. The repeat of a call does not count if nothing of the call was sent before. If the retry budget is used up, a failed call that was sent is not repeated. Each worker has its own retry budgets for commands, session look-ups, logins and other public calls.",
  ),
  "backend.requests_max": setting(
    int("calls", 1, 1_000_000),
    1024,
    `Maximum number of concurrent calls of one kind to one address of the backend. ${KINDS} Further calls wait. ${SHARED} A process never runs more than 176 commands, 48 session look-ups, 16 logins and 8 other public calls at the same time. A higher maximum does not raise these limits. In Envoy, the limit is \`max_requests\`.`,
  ),
  "backend.pending_max": setting(
    int("calls", 0, 1_000_000),
    1024,
    `Maximum number of calls of one kind that wait until a running call ends. ${KINDS} Above the maximum, further calls fail immediately. A command is then refused with \`BACKEND_UNAVAILABLE\`. ${SHARED} In Envoy, the limit is \`max_pending_requests\`.`,
  ),
  "backend.panic_percent": setting(
    percent,
    50,
    "Minimum share of usable addresses, in percent of all addresses of the backend. An address is unusable if the address is ejected or fails its health checks. Below the minimum, calls go to all addresses, because the usable addresses alone could be overloaded. `0`: calls never go to unusable addresses. In Envoy, the minimum is the panic threshold.",
  ),
  "backend.slow_start_ms": setting(
    int("ms", 0, HOUR_MS),
    0,
    "Time for which an address gets fewer calls after the address is added or becomes usable again, in ms. During this time, the number of calls grows from 10 % to 100 % of the normal number. `0`: an address gets the normal number of calls at once. Set a time if your backend is slow after its start.",
  ),
  "backend.outlier.consecutive_5xx": setting(
    failures,
    5,
    "Number of failures in a row after which an address of the backend is ejected. A failure is a 5xx answer, an invalid answer, a failed connection or a timeout. `0`: the setting ejects no address.",
  ),
  "backend.outlier.consecutive_gateway_failure": setting(
    failures,
    5,
    "Number of gateway failures in a row after which an address of the backend is ejected. A gateway failure is a 502, 503 or 504 answer, a failed connection or a timeout. `0`: the setting ejects no address. Set a number below `backend.outlier.consecutive_5xx` to eject unreachable addresses sooner.",
  ),
  "backend.outlier.interval_ms": setting(
    int("ms", 10, HOUR_MS),
    10_000,
    "Interval at which the gateway checks the ejected addresses, in ms. If the duration of an ejection is over, the address gets calls again.",
  ),
  "backend.outlier.base_ejection_time_ms": setting(
    int("ms", 1, HOUR_MS),
    30_000,
    "Duration of the first ejection of an address, in ms. The second ejection in a row lasts twice as long, and the third lasts three times as long. For each `backend.outlier.interval_ms` without an ejection, this factor decreases by 1.",
  ),
  "backend.outlier.max_ejection_time_ms": setting(
    int("ms", 1, 24 * HOUR_MS),
    300_000,
    "Maximum duration of the ejection of an address, in ms.",
  ),
  "backend.outlier.max_ejection_percent": setting(
    percent,
    10,
    "Share of ejected addresses at which no further address is ejected, in percent of all addresses. The gateway compares the share before each ejection, so any value above 0 allows one ejected address. `0`: no address is ejected. If the backend has only one address, this address is never ejected. If the backend has few addresses, raise the share, for example to 50.",
  ),
  "backend.health.path": unset(
    text("a path such as /healthz", /^\/[\x21-\x22\x24-\x7e]{0,1023}$/),
    "Path of the active health checks, such as `/healthz`. The gateway sends a GET to each address. Only the status 200 means healthy. If no path is set, there are no health checks.",
  ),
  "backend.health.interval_ms": setting(int("ms", 100, HOUR_MS), 5000, "Time between two health checks of an address, in ms."),
  "backend.health.timeout_ms": setting(int("ms", 1, TIMEOUT_MS_MAX), 1000, "Timeout of a health check, in ms."),
  "backend.health.healthy_threshold": setting(
    checks,
    2,
    "Number of successful health checks in a row after which an unhealthy address gets calls again.",
  ),
  "backend.health.unhealthy_threshold": setting(
    checks,
    3,
    "Number of failed health checks in a row after which an address gets no calls.",
  ),
  "backend.dns_servers": setting(
    dnsServers,
    [],
    "DNS servers that resolve the host names in the URLs of the backend, such as `10.0.0.10:53`. The gateway resolves a name again when its TTL ends. A TTL below 1 s counts as 1 s, and a TTL above 5 min counts as 5 min. If the list is empty, the gateway uses the resolver of the system. This resolver hides the TTL, so the gateway resolves names at the interval `backend.dns_refresh_ms`.",
  ),
  "backend.dns_refresh_ms": setting(
    int("ms", 1000, HOUR_MS),
    5000,
    "Interval at which the gateway resolves a host name in the URLs of the backend if the TTL is unknown, in ms. After a failed connection, the gateway resolves the name again within 1 s.",
  ),
} as const;
