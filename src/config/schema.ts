import { FRESHNESS_MARGIN_MS_MIN } from "../core/limits.ts";
import { list } from "./decoder.ts";
import { origin } from "./origin.ts";
import { routes, TIMEOUT_MS_MAX } from "./routes.ts";
import { BUDGET_SETTINGS } from "./schema-budgets.ts";
import { CONNECTION_SETTINGS } from "./schema-connections.ts";
import { KEY_SETTINGS } from "./schema-keys.ts";
import { STORE_SETTINGS } from "./schema-stores.ts";
import { STREAM_SETTINGS } from "./schema-streams.ts";
import { type Setting, secret, setting, unset } from "./setting.ts";
import { boolean, choice, cidr, filePath, hostName, httpUrl, int, listen, text } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const ENTRIES_MAX = 16_777_216;

const entries = int("entries", 1, ENTRIES_MAX);
const delay = int("ms", 1, 600_000);
const header = text("visible ASCII characters", /^[\x21-\x7e]{1,4096}$/);
const name = text("1 to 128 of A-Z, a-z, 0-9, '.', '_', '-'", /^[A-Za-z0-9._-]{1,128}$/);

/**
 * All settings by key. A key has the same spelling in files, flags, messages and code. In a file, `a.b` is the key `b` in the
 * table `a`. The environment variable is `SALLYPORT_` plus the key in upper case, with underscores instead of dots.
 */
export const SCHEMA = {
  "edge.listen": setting(
    listen,
    "127.0.0.1:8080",
    "Address and port of the edge, the public listener. The default accepts only local connections. `0.0.0.0:8080` or `[::]:8080` listens on all interfaces.",
  ),
  "edge.grpc": setting(
    choice("own-port", "same-port"),
    "own-port",
    "Port that serves gRPC. `own-port`: gRPC has its own port, `grpc.listen`. `same-port`: `edge.listen` serves all protocols, and HTTP/1.1 connections are forwarded over loopback.",
  ),
  "grpc.listen": setting(
    listen,
    "127.0.0.1:8081",
    "Address and port of the gRPC listener. It serves gRPC, Connect and gRPC-Web over HTTP/2. It is not opened if `edge.grpc` is `same-port`.",
  ),
  "tls.certificate_file": unset(
    filePath,
    "PEM file of the certificate chain for the edge and gRPC listeners. TLS is enabled if this setting and `tls.key_file` are set. The gateway loads a renewed file without a restart.",
  ),
  "tls.key_file": unset(filePath, "PEM file of the private key that belongs to `tls.certificate_file`."),
  "tls.client_ca_file": unset(
    filePath,
    "PEM file of the certificate authorities that sign client certificates. If it is set, every client must present a certificate of one of these authorities (mTLS).",
  ),
  "tls.reload_ms": setting(
    int("ms", 100, 86_400_000),
    10_000,
    "Interval at which the gateway checks the TLS files for changes, in ms.",
  ),
  "cors.origins": setting(
    list(origin, { plural: "origins", itemsMax: 256 }),
    [],
    "Origins of web pages that may call the edge, such as `https://app.example`, `capacitor://localhost` or `app://-`. The gateway compares the `Origin` header exactly; patterns are not supported. `*` allows all origins. This is safe, because requests are signed and the gateway uses no cookies.",
  ),
  "cors.max_age_seconds": setting(
    int("seconds", 0, 86_400),
    7200,
    "Time for which a browser may cache the response to a CORS preflight (`Access-Control-Max-Age`), in seconds.",
  ),
  "reflection.enabled": setting(
    boolean,
    false,
    "Enables gRPC server reflection, which tools such as grpcurl need. It shows only the public contract. In `sallyport dev`, the default is `true`.",
  ),
  "admin.listen": setting(
    listen,
    "127.0.0.1:8082",
    "Address and port of the admin listener (health, metrics, streams). It has no authentication: do not expose it to untrusted networks.",
  ),
  "admin.hosts": setting(
    list(hostName, { plural: "host names", itemsMax: 256 }),
    [],
    "Host names that the admin listener accepts in the `Host` header. IP addresses and `localhost` are always accepted. Other names are refused, to prevent DNS rebinding by web pages. Add a name if Prometheus or a health probe uses it. In `dev`, the embedded backend accepts the same names.",
  ),
  trusted_proxies: setting(
    list(cidr, { plural: "addresses and CIDR ranges", itemsMax: 256 }),
    [],
    "Addresses or CIDR ranges of proxies whose forwarding headers are trusted. Set the addresses of your load balancer. Otherwise, all clients share the budgets of its address.",
  ),
  trusted_proxies_header: setting(
    choice("x-forwarded-for", "forwarded"),
    "x-forwarded-for",
    "Header in which trusted proxies name the client's address: `x-forwarded-for` or `forwarded` (RFC 7239). Choose the header that your proxy overwrites or appends to. The gateway ignores the other header, because a client can forge it if the proxy passes it on unchanged.",
  ),

  "backend.url": unset(
    httpUrl,
    "Base URL of the backend's REST interface. `serve` requires it. `dev` and `demo` set it to the embedded backend.",
  ),
  "backend.timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    5000,
    "Timeout of the backend call for a command, in ms. The `timeout_ms` of a route overrides it.",
  ),
  "backend.session_timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    2000,
    "Timeout of a session look-up, in ms. Keep it short, because a request waits for the look-up if its session is not cached.",
  ),
  "backend.response_bytes_max": setting(
    int("bytes", KiB, 64 * MiB),
    MiB,
    "Maximum size of a backend response, in bytes. A larger response is refused. Raise it if your backend returns larger responses.",
  ),
  "backend.token": secret(
    header,
    "Bearer token with which the gateway authenticates to the backend (`Authorization` header). If it is unset, the header is not sent.",
  ),

  "push.url": unset(
    httpUrl,
    "Base URL of the backend's `sallyport.v1.Push` service. `serve` requires it. `dev` and `demo` set it to the embedded backend.",
  ),
  "push.protocol": setting(
    choice("grpc", "connect", "grpc-web"),
    "grpc",
    "Protocol of the push feed: `grpc`, `connect` or `grpc-web`. Change it if a proxy between gateway and backend does not support gRPC.",
  ),
  "push.gateway_id": unset(
    name,
    "Name under which this gateway subscribes to the push feed. If it is unset, the host name is used. Set it if the host name changes at every start.",
  ),
  "push.backoff_min_ms": setting(
    delay,
    100,
    "Maximum of the first reconnect delay of the push feed, in ms. Each delay is random. Its maximum doubles with each attempt, up to `push.backoff_max_ms`.",
  ),
  "push.backoff_max_ms": setting(
    delay,
    5000,
    "Maximum reconnect delay of the push feed, in ms. Raise it if many gateways reconnect to one backend.",
  ),
  "push.grace_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "Time for which cached sessions stay valid while the push feed is down, in ms. In this time, the gateway misses revocations, because they arrive on the push feed. A shorter time causes more session look-ups.",
  ),

  "push.ping_ms": setting(
    int("ms", 10, 3_600_000),
    310_000,
    "Idle time of the push feed's connection before an HTTP/2 PING is sent, in ms. After data arrives, the first two PINGs are sent after at most 10 s each. If a PING is not answered within 5 s, the gateway reconnects. Lower it only if the server accepts more frequent PINGs: by default, a gRPC server accepts one every 5 minutes, and closes the connection (`too_many_pings`) if more arrive.",
  ),
  "push.silence_ms": setting(
    int("ms", 0, 3_600_000),
    0,
    "The gateway reconnects if no message arrives on the push feed for this time, in ms. 0 disables it. Set it if a proxy answers HTTP/2 PINGs instead of the backend. It must be at least twice the backend's keepalive interval.",
  ),

  ...STREAM_SETTINGS,

  routes: setting(
    routes,
    [],
    "Route table: the message types of commands and the backend calls that serve them. A route has `message_type`, `method` and `path`. The path starts with `/api/v1/user/`. Its `{placeholders}` take their values from the payload. Optional: `timeout_ms`, and a budget for each user, `budget = { rate, burst, shadow }`. In TOML, write `[[routes]]`. In an environment variable, write JSON.",
  ),

  ...KEY_SETTINGS,

  "limits.payload_bytes_max": setting(
    int("bytes", KiB, 16 * MiB),
    256 * KiB,
    "Maximum size of a request's `payload_bytes`, in bytes.",
  ),
  "limits.request_bytes_max": setting(
    int("bytes", 8 * KiB, 32 * MiB),
    512 * KiB,
    "Maximum size of a request body, in bytes, before and after decompression. It must be at least (4/3 × `limits.payload_bytes_max`) + 4096, because JSON contains the envelope, and the payload in base64.",
  ),

  ...CONNECTION_SETTINGS,

  "freshness.window_ms": setting(
    int("ms", 1000, 3_600_000),
    60_000,
    "Freshness window: the maximum difference between a request's timestamp and the gateway's clock, in ms, in both directions. Raise it if devices have inaccurate clocks. Then also raise `replay.entries_max`.",
  ),
  "freshness.margin_ms": setting(
    int("ms", FRESHNESS_MARGIN_MS_MIN, 600_000),
    5000,
    "Time for which a request id stays reserved after the end of the freshness window, in ms. It must exceed the clock difference between gateways, and any backward step of a gateway's clock. The gateway logs clock steps of 500 ms or more.",
  ),
  "replay.entries_max": setting(
    entries,
    1_000_000,
    "Maximum reserved request ids. If the maximum is reached, requests are refused. Set it above the number of requests that arrive within this time: (2 × `freshness.window_ms`) + `freshness.margin_ms`.",
  ),
  "buckets.entries_max": setting(
    entries,
    1_000_000,
    "Maximum token buckets in each of two tables. One table is for verified requests, the other for failed requests and public REST calls. A bucket is removed when it has all its tokens again. If a table has no free place, requests that need a new bucket are refused. Raise it with the number of concurrent clients.",
  ),

  ...STORE_SETTINGS,

  "session_cache.ttl_ms": setting(
    int("ms", 0, 3_600_000),
    30_000,
    "Time for which a session is cached, in ms; 0 disables the cache. A revocation applies to a cached session immediately. If a revocation is lost, its sessions stay valid for up to this time.",
  ),
  "session_cache.unknown_ttl_ms": setting(
    int("ms", 0, 3_600_000),
    2000,
    "Time for which the gateway caches that a session id is unknown, in ms. Keep it short, so that a new session can be used soon after login.",
  ),
  "session_cache.entries_max": setting(
    entries,
    100_000,
    "Maximum cached sessions. Set it above the number of sessions that are active at the same time.",
  ),

  ...BUDGET_SETTINGS,

  "shutdown.deadline_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "Maximum duration of a shutdown, in ms. After this time, calls that are still in progress are aborted. Set it below the kill timeout of your process supervisor.",
  ),
  "log.level": setting(
    choice("debug", "info", "warn", "error"),
    "info",
    "Minimum level of logged lines. The levels, from the lowest: `debug`, `info`, `warn`, `error`.",
  ),
  "log.format": setting(
    choice("json", "pretty"),
    "json",
    "Format of the log. `json`: one JSON object per line. `pretty`: text for a terminal.",
  ),

  "dev.backend_listen": setting(
    listen,
    "127.0.0.1:8083",
    "Address and port of the embedded backend's REST interface. Only `dev` and `demo` use it.",
  ),
  "dev.push_listen": setting(
    listen,
    "127.0.0.1:8084",
    "Address and port of the embedded backend's push service. Only `dev` and `demo` use it.",
  ),
  "dev.database": setting(
    text('":memory:" or a file path', /^\P{Cc}{1,4096}$/u),
    ":memory:",
    "SQLite database of the embedded backend: a file or `:memory:`. A file keeps users and sessions across restarts. Only `dev` and `demo` use it.",
  ),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export type ConfigKey = keyof typeof SCHEMA;

/** A checked configuration, with the value or the default of every key of the schema. */
export type Config = {
  readonly [K in ConfigKey]: (typeof SCHEMA)[K] extends Setting<infer T> ? T : never;
};

// The cast is safe: every key of `SCHEMA` is a `ConfigKey`.
export const CONFIG_KEYS = Object.keys(SCHEMA) as readonly ConfigKey[];

export function isConfigKey(key: string): key is ConfigKey {
  return Object.hasOwn(SCHEMA, key);
}

/** Returns the name of the environment variable of a key. */
export function variableOf(key: ConfigKey): string {
  return `SALLYPORT_${key.toUpperCase().replaceAll(".", "_")}`;
}
