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

const HTTPS = "At least one URL of the backend must start with `https://`.";
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
    "Base URLs of the backend's REST interface, instead of `backend.url`. An upstream has `name`, `url` and optionally `weight` (0 to 1000000, default 1). The name is used in logs and metrics. Upstreams of equal weight share the calls by load. An upstream of another weight, such as a canary, gets exactly its share. `weight = 0`: no calls. In TOML, write `[[upstreams]]`. In an environment variable, write JSON.",
  ),
  "backend.timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    5000,
    "Timeout of a backend call for a command, in ms. The timeout includes all attempts. A route in `routes` can have a different `timeout_ms`.",
  ),
  "backend.session_timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    2000,
    "Timeout of a session look-up at the backend, in ms. A request waits for the look-up if the session is not cached. Keep the timeout short, so that requests do not wait long.",
  ),
  "backend.session_path": setting(
    sessionPath,
    "/api/v1/internal/sessions/{device_session_id}",
    "Path of the session look-up at the backend. The gateway replaces `{device_session_id}` by the id of the session. `{device_session_id}` is a whole segment of the path.",
  ),
  "backend.connect_timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    1000,
    "Timeout of a TCP connection to the backend, in ms. If the backend has several addresses, the gateway tests each address that has not answered for this time. The test opens a TCP connection and closes it. If the test fails, the call goes to another address.",
  ),
  "backend.response_timeout_ms": unset(
    int("ms", 1, TIMEOUT_MS_MAX),
    "Timeout of one attempt of a backend call, in ms. After the timeout, the call is repeated at another address, if it may be sent twice. If no timeout is set, an attempt may take as long as the call. Set the timeout above the slowest normal answer and below `backend.timeout_ms`.",
  ),
  "backend.response_bytes_max": setting(
    int("bytes", KiB, 64 * MiB),
    MiB,
    "Maximum size of a backend response, in bytes. A larger response is refused with `BACKEND_BAD_RESPONSE`. Raise the maximum if your backend returns larger responses.",
  ),
  "backend.token": secret(
    bearerToken,
    "Bearer token that the gateway sends to the backend in the `Authorization` header. If neither `backend.token` nor `backend.token_file` is set, the gateway does not send the header.",
  ),
  "backend.token_file": unset(
    filePath,
    `File that holds the bearer token for the backend, instead of \`backend.token\`. ${RENEWED} The push feed sends the token of its last connection.`,
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
    "Maximum number of repeats of a backend call at other addresses. Only calls that may be sent twice are repeated: GET, PUT and DELETE, and commands with an `idempotency_key` on routes with `keep_answer_ms`. A call of which nothing was sent is repeated up to three times. `0`: no call is repeated.",
  ),
  "backend.retry_budget_percent": setting(
    percent,
    20,
    "Maximum share of repeated backend calls, in percent of all calls. Repeats of calls of which nothing was sent do not count. When the budget is used up, a failed call is not repeated. Each worker has its own budget.",
  ),
  "backend.requests_max": setting(
    int("calls", 1, 1_000_000),
    1024,
    "Maximum number of concurrent calls to one address of the backend, for each of commands, session look-ups, logins and other public calls. Further calls wait. Envoy calls the limit `max_requests`. Workers divide the maximum. In any case, a process runs at most 176 commands, 48 session look-ups, 16 logins and 8 other public calls at a time.",
  ),
  "backend.pending_max": setting(
    int("calls", 0, 1_000_000),
    1024,
    "Maximum number of calls that wait for a free place, for each of commands, session look-ups, logins and other public calls. Above the maximum, a call is refused immediately with `BACKEND_UNAVAILABLE`. Envoy calls the limit `max_pending_requests`. Workers divide the maximum.",
  ),
  "backend.panic_percent": setting(
    percent,
    50,
    "Share of usable addresses below which the gateway uses all addresses, in percent. An address is not usable if it is ejected or if its health checks fail. Envoy calls the share panic threshold. `0`: calls never go to addresses that are not usable.",
  ),
  "backend.slow_start_ms": setting(
    int("ms", 0, HOUR_MS),
    0,
    "Time over which the share of a new or returned address grows from 10 % to 100 %, in ms. `0`: an address gets its whole share at once. Set a time if your backend is slow after its start.",
  ),
  "backend.outlier.consecutive_5xx": setting(
    failures,
    5,
    "Number of failures in a row after which an address is ejected. Failures are answers with 5xx, answers that are not valid, no connection and no answer in time. `0`: off.",
  ),
  "backend.outlier.consecutive_gateway_failure": setting(
    failures,
    5,
    "Number of gateway failures in a row after which an address is ejected. Gateway failures are answers with 502, 503 or 504, no connection and no answer in time. `0`: off. Set a number below `backend.outlier.consecutive_5xx` to eject unreachable addresses sooner.",
  ),
  "backend.outlier.interval_ms": setting(
    int("ms", 10, HOUR_MS),
    10_000,
    "Interval at which the gateway returns ejected addresses whose time has ended, in ms.",
  ),
  "backend.outlier.base_ejection_time_ms": setting(
    int("ms", 1, HOUR_MS),
    30_000,
    "Duration of the first ejection of an address, in ms. Each further ejection in a row lasts longer by the same time.",
  ),
  "backend.outlier.max_ejection_time_ms": setting(
    int("ms", 1, 24 * HOUR_MS),
    300_000,
    "Maximum duration of an ejection, in ms.",
  ),
  "backend.outlier.max_ejection_percent": setting(
    percent,
    10,
    "Share of ejected addresses from which on no further address is ejected, in percent. So with any share above 0, one address can be ejected. The only address is never ejected. With few addresses, raise the share, for example to 50. `0`: off.",
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
    "DNS servers that the gateway asks for the names in the backend's URLs, such as `10.0.0.10:53`. The gateway looks a name up again when its TTL ends, after 1 s to 5 min. If the list is empty, the gateway asks the system's resolver every `backend.dns_refresh_ms`, because this resolver hides the TTL.",
  ),
  "backend.dns_refresh_ms": setting(
    int("ms", 1000, HOUR_MS),
    5000,
    "Time between two look-ups of a name in the backend's URLs if no TTL is known, in ms. After a failed connection, the name is looked up within a second.",
  ),
} as const;
