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

const HTTPS = "If the setting is used, at least one URL of the backend must start with `https://`.";
const KINDS = "The maximum applies separately to commands, to session look-ups, to logins, and to other public calls.";
const SHARED = "Each worker gets an equal part of the maximum.";
const RENEWED = "The gateway loads a renewed file without a restart.";

/** The settings of the calls to the backend's REST interface. */
export const UPSTREAM_SETTINGS = {
  "backend.url": unset(
    httpUrl,
    "Base URL of the backend's REST interface. `sallyport serve` requires `backend.url` or `upstreams`. If the URL contains a host name, the gateway distributes calls over all addresses of the name. `sallyport dev` and `sallyport demo` always use the embedded backend.",
  ),
  upstreams: setting(
    upstreams,
    [],
    "Base URLs of the backend's REST interface, instead of `backend.url`. Each upstream has a `name`, a `url` and optionally a `weight`. Logs and metrics contain the name. The weight is a number from 0 to 1000000, by default 1. Each upstream gets calls in proportion to its weight. For example, a canary of weight 1 beside an upstream of weight 99 gets 1 % of the calls. Exception: of two upstreams with the same weight, the less busy upstream gets more calls. An upstream of weight 0 gets no calls. In TOML, write `[[upstreams]]`. In an environment variable, write JSON.",
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
    "Timeout of the connection test of a backend address, in ms. The test opens and closes a TCP connection. If the test fails or reaches the timeout, the call goes to another address, unless `backend.retries_max` is 0. The gateway tests an address before a call if the address has not answered within the last `backend.connect_timeout_ms`. If calls can go to only one address, there is no test.",
  ),
  "backend.response_timeout_ms": unset(
    int("ms", 1, TIMEOUT_MS_MAX),
    "Timeout of one attempt of a backend call, in ms. After the timeout, the call is repeated at another address if `backend.retries_max` allows a repeat. If no value is set, only the timeout of the whole call applies. The value should be below `backend.timeout_ms`, but above the time of the slowest normal answer.",
  ),
  "backend.response_bytes_max": setting(
    int("bytes", KiB, 64 * MiB),
    MiB,
    "Maximum size of the backend's response to a command or a public route, in bytes. If the response to a command is larger, the command is refused with `BACKEND_BAD_RESPONSE`. A row of `routes` or `public_routes` can have a lower `response_bytes_max`.",
  ),
  "backend.token": secret(
    bearerToken,
    "Bearer token that the gateway sends to the backend in the `Authorization` header. If neither `backend.token` nor `backend.token_file` is set, the gateway does not send the header.",
  ),
  "backend.token_file": unset(
    filePath,
    `File that holds the bearer token for the backend, instead of \`backend.token\`. ${RENEWED} The push feed uses a renewed token after its next reconnect.`,
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
    "Maximum number of repeats of a failed backend call. Each repeat goes to another address. `0`: no call is repeated. If nothing was sent to the backend, a call of any method is repeated, up to 3 times even if `backend.retries_max` is 1 or 2. If the backend may have received the call, only a GET, PUT or DELETE call is repeated. Exception: if a command has an `idempotency_key` and its route has `keep_answer_ms`, a call of any method is repeated. A row of `routes` can have a different `retries_max`.",
  ),
  "backend.retry_budget_percent": setting(
    percent,
    20,
    "Maximum share of backend calls that are repeated, in percent of all calls (retry budget). The retry budget limits only repeats of calls that the backend may already have received. If the retry budget is used up, these calls fail without a repeat. `0`: these calls are never repeated. Each worker has four retry budgets: for commands, for session look-ups, for logins, and for other public calls.",
  ),
  "backend.requests_max": setting(
    int("calls", 1, 1_000_000),
    1024,
    `Maximum number of concurrent calls to one address of the backend (\`max_requests\` in Envoy). ${KINDS} At the maximum, further calls wait. ${SHARED} Each worker also has fixed limits for its concurrent calls to all addresses together: 176 commands, 48 session look-ups, 16 logins and 8 other public calls. The setting cannot raise the fixed limits.`,
  ),
  "backend.pending_max": setting(
    int("calls", 0, 1_000_000),
    1024,
    `Maximum number of backend calls that wait (\`max_pending_requests\` in Envoy). A call waits while too many other calls are running (see \`backend.requests_max\`). ${KINDS} At the maximum, further calls fail immediately. If the call was for a command, the command is refused with \`BACKEND_UNAVAILABLE\`. ${SHARED}`,
  ),
  "backend.panic_percent": setting(
    percent,
    50,
    "Minimum share of usable addresses, in percent of all addresses of the backend. An address is unusable if the address is ejected or fails its health checks. If the share is below the minimum, calls go to all addresses, so that the few usable addresses are not overloaded. `0`: calls never go to unusable addresses. Envoy calls this minimum the panic threshold.",
  ),
  "backend.slow_start_ms": setting(
    int("ms", 0, HOUR_MS),
    0,
    "Duration of the slow start of an address, in ms. A slow start begins when an address is added or becomes usable again. During the slow start, the number of calls to the address grows from 10 % to 100 % of the normal number. `0`: there is no slow start. Set a duration if your backend is slow after its start.",
  ),
  "backend.outlier.consecutive_5xx": setting(
    failures,
    5,
    "Number of failures in a row after which an address of the backend is ejected. A failure is a 5xx answer, an invalid answer, a failed connection or a timeout. `0`: only `backend.outlier.consecutive_gateway_failure` applies.",
  ),
  "backend.outlier.consecutive_gateway_failure": setting(
    failures,
    5,
    "Number of gateway failures in a row after which an address of the backend is ejected. A gateway failure is a 502, 503 or 504 answer, a failed connection or a timeout. `0`: only `backend.outlier.consecutive_5xx` applies. Set a number below `backend.outlier.consecutive_5xx` to eject unreachable addresses sooner.",
  ),
  "backend.outlier.interval_ms": setting(
    int("ms", 10, HOUR_MS),
    10_000,
    "Interval of the checks for ended ejections, in ms. When the time of an ejection is over, the next check lets the address get calls again.",
  ),
  "backend.outlier.base_ejection_time_ms": setting(
    int("ms", 1, HOUR_MS),
    30_000,
    "Duration of the first ejection of an address, in ms. The duration of each ejection is this value times a factor. The factor is 1 for the first ejection, and increases by 1 with each further ejection of the address. The factor decreases by 1 for each `backend.outlier.interval_ms` in which the address is not ejected.",
  ),
  "backend.outlier.max_ejection_time_ms": setting(
    int("ms", 1, 24 * HOUR_MS),
    300_000,
    "Maximum duration of one ejection of an address, in ms.",
  ),
  "backend.outlier.max_ejection_percent": setting(
    percent,
    10,
    "Limit for the share of ejected addresses, in percent of all addresses. While the share is at or above the limit, no further address is ejected. `0`: no address is ejected. If the backend has only one address, this address is never ejected. If the backend has several addresses, any limit above 0 allows one ejection. If the backend has few addresses, raise the limit, for example to 50.",
  ),
  "backend.health.path": unset(
    text("a path such as /healthz", /^\/[\x21-\x22\x24-\x7e]{0,1023}$/),
    "Path of the health checks of the backend, such as `/healthz`. The gateway sends a GET request to each address. A health check succeeds only if the answer has status 200. If no path is set, there are no health checks.",
  ),
  "backend.health.interval_ms": setting(
    int("ms", 100, HOUR_MS),
    5000,
    "Interval of the health checks of each backend address, in ms.",
  ),
  "backend.health.timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    1000,
    "Timeout of one health check of a backend address, in ms. A health check fails if no answer arrives within the timeout.",
  ),
  "backend.health.healthy_threshold": setting(
    checks,
    2,
    "Number of successful health checks in a row after which an unhealthy backend address gets calls again.",
  ),
  "backend.health.unhealthy_threshold": setting(
    checks,
    3,
    "Number of failed health checks in a row after which a backend address is unhealthy and gets no calls.",
  ),
  "backend.dns_servers": setting(
    dnsServers,
    [],
    "DNS servers that resolve the host names in the URLs of the backend, such as `10.0.0.10:53`. The gateway resolves a name again when the TTL of the DNS answer ends. A TTL below 1 s counts as 1 s, and a TTL above 5 min counts as 5 min. If the list is empty, the gateway uses the resolver of the system, which does not return TTLs. The gateway then resolves each name at the interval `backend.dns_refresh_ms`.",
  ),
  "backend.dns_refresh_ms": setting(
    int("ms", 1000, HOUR_MS),
    5000,
    "Interval at which the gateway resolves the host names in the URLs of the backend, in ms. The interval applies if the TTL of a name is unknown, for example because `backend.dns_servers` is empty. After a failed connection, the gateway resolves the name again within 1 s.",
  ),
} as const;
