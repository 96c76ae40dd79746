import { FRESHNESS_MARGIN_MS_MIN } from "../core/limits.ts";
import { list } from "./decoder.ts";
import { origin } from "./origin.ts";
import { BUDGET_SETTINGS } from "./schema-budgets.ts";
import { CONNECTION_SETTINGS } from "./schema-connections.ts";
import { KEY_SETTINGS } from "./schema-keys.ts";
import { PUSH_SETTINGS } from "./schema-push.ts";
import { PUBLIC_SETTINGS, ROUTE_SETTINGS } from "./schema-routes.ts";
import { STORE_SETTINGS } from "./schema-stores.ts";
import { STREAM_SETTINGS } from "./schema-streams.ts";
import { UPSTREAM_SETTINGS } from "./schema-upstreams.ts";
import { type Setting, setting, unset } from "./setting.ts";
import { boolean, choice, cidr, filePath, hostName, httpUrl, int, listen, text } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const ENTRIES_MAX = 16_777_216;

const entries = int("entries", 1, ENTRIES_MAX);
const delay = int("ms", 1, 600_000);
const name = text("1 to 128 of A-Z, a-z, 0-9, '.', '_', '-'", /^[A-Za-z0-9._-]{1,128}$/);

/**
 * All settings by key. A key has the same spelling in files, flags, messages and code. In a file, `a.b` is the key `b` in the
 * table `a`. The environment variable is `SALLYPORT_` plus the key in upper case, with underscores instead of dots.
 */
export const SCHEMA = {
  "edge.listen": setting(
    listen,
    "127.0.0.1:8080",
    "Address and port of the edge, the public listener. The default accepts only local connections. `0.0.0.0:8080` or `[::]:8080` accepts connections on all network interfaces.",
  ),
  "edge.grpc": setting(
    choice("own-port", "same-port"),
    "own-port",
    "Port that serves gRPC. `own-port`: the port of `grpc.listen` serves gRPC. `same-port`: the port of `edge.listen` serves gRPC, Connect, gRPC-Web and public REST calls. With `same-port`, each HTTP/1.1 connection needs three file descriptors instead of one, because the gateway forwards the connection over loopback. In `sallyport dev`, the default is `same-port`.",
  ),
  "grpc.listen": setting(
    listen,
    "127.0.0.1:8081",
    "Address and port of the gRPC listener. The listener accepts only HTTP/2, and serves gRPC, Connect and gRPC-Web. With `edge.grpc = same-port`, the listener is not opened.",
  ),
  "tls.certificate_file": unset(
    filePath,
    "PEM file of the certificate chain for the edge and the gRPC listener. TLS is on if `tls.certificate_file` and `tls.key_file` are set. The gateway loads a renewed file without a restart.",
  ),
  "tls.key_file": unset(
    filePath,
    "PEM file of the private key for the certificate in `tls.certificate_file`. The gateway loads a renewed file without a restart.",
  ),
  "tls.client_ca_file": unset(
    filePath,
    "PEM file of the certificate authorities that sign client certificates. If the file is set, every client must present a certificate from one of these authorities (mTLS). The gateway loads a renewed file without a restart.",
  ),
  "tls.reload_ms": setting(
    int("ms", 100, 86_400_000),
    10_000,
    "Interval of the checks for changed files, in ms. The gateway checks the files of `tls.certificate_file`, `tls.key_file`, `tls.client_ca_file`, `backend.ca_file`, `backend.certificate_file`, `backend.key_file` and `backend.token_file`. The gateway loads a changed file without a restart. If a changed file is not valid, the gateway logs an error and continues to use the old content, also in workers that start later.",
  ),
  "cors.origins": setting(
    list(origin, { plural: "origins", itemsMax: 256 }),
    [],
    "Origins of web pages that may call the edge, such as `https://app.example`, `capacitor://localhost` or `app://-`. The `Origin` header of a request must be equal to an origin in the list. Patterns are not supported. `*` allows all origins. `*` is safe, because requests are signed and the gateway uses no cookies. If the list is empty, only the pages that the edge itself serves can call the edge.",
  ),
  "cors.max_age_seconds": setting(
    int("seconds", 0, 86_400),
    7200,
    "Time for which a browser may cache the response to a CORS preflight, in seconds (`Access-Control-Max-Age`).",
  ),
  "reflection.enabled": setting(
    boolean,
    false,
    "Whether the gateway serves gRPC server reflection. Tools such as grpcurl need reflection. Reflection shows only the public API of the gateway. In `sallyport dev`, the default is `true`.",
  ),
  "playground.enabled": setting(
    boolean,
    false,
    "Whether the edge serves the playground, which is a test page at `/`. A developer can log in and send commands on the page. For each command, the page shows the result of each check. In `sallyport dev`, the default is `true`. The page of `sallyport dev` can also show login codes, push events, revoke sessions and restart the gateway.",
  ),
  "admin.listen": setting(
    listen,
    "127.0.0.1:8082",
    "Address and port of the admin listener. The listener serves health checks, metrics and the list of open streams. It also accepts revocations. The listener has no authentication. Do not expose the listener to untrusted networks.",
  ),
  "admin.hosts": setting(
    list(hostName, { plural: "host names", itemsMax: 256 }),
    [],
    "Host names that the admin listener accepts in the `Host` header. IP addresses and `localhost` are always accepted. Requests with other host names are refused, to block DNS rebinding attacks by web pages. If Prometheus or a health probe uses a host name, add this name to the list. In `sallyport dev` and `sallyport demo`, the embedded backend accepts the same host names.",
  ),
  trusted_proxies: setting(
    list(cidr, { plural: "addresses and CIDR ranges", itemsMax: 256 }),
    [],
    "Addresses or CIDR ranges of the proxies whose forwarding headers are trusted. The gateway reads the client address from the forwarding headers. Set the addresses of your load balancer. All clients behind an unlisted proxy share the budgets of the proxy's address.",
  ),
  trusted_proxies_header: setting(
    choice("x-forwarded-for", "forwarded"),
    "x-forwarded-for",
    "Header in which trusted proxies write the client address: `x-forwarded-for` or `forwarded` (RFC 7239). Choose the header that your proxy overwrites or appends to. The gateway ignores the other header, because a client may have written it.",
  ),

  ...UPSTREAM_SETTINGS,

  "push.url": unset(
    httpUrl,
    "Base URL of the backend's push service, `sallyport.v1.Push`. `sallyport serve` requires a value if `push.source = feed`. `sallyport dev` and `sallyport demo` always use the embedded backend.",
  ),
  "push.protocol": setting(
    choice("grpc", "connect", "grpc-web"),
    "grpc",
    "Protocol of the push feed: `grpc`, `connect` or `grpc-web`. Use `connect` or `grpc-web` if a proxy between gateway and backend does not support gRPC.",
  ),
  "push.gateway_id": unset(
    name,
    "Name that the gateway sends to the backend when the push feed connects. If no name is set, the gateway sends the host name. Set a name if the host name changes at every start.",
  ),
  "push.backoff_min_ms": setting(
    delay,
    100,
    "Upper limit of the first reconnect delay of the push feed, in ms. Each delay is random, from 0 up to an upper limit. The upper limit doubles with each attempt, up to `push.backoff_max_ms`.",
  ),
  "push.backoff_max_ms": setting(
    delay,
    5000,
    "Maximum reconnect delay of the push feed, in ms. Each delay is random, from 0 up to an upper limit. For the first attempt, the upper limit is `push.backoff_min_ms`. The upper limit doubles with each attempt, up to `push.backoff_max_ms`. Raise the value if many gateways reconnect to one backend.",
  ),
  "push.grace_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "Time for which cached sessions stay valid after the push feed goes down, in ms. While the push feed is down, the gateway receives no revocations. After `push.grace_ms`, every request needs a session look-up until the push feed is up again. With a shorter time, revoked sessions are refused sooner, but the backend gets more session look-ups.",
  ),
  "push.ping_ms": setting(
    int("ms", 10, 3_600_000),
    310_000,
    "Interval of HTTP/2 PINGs while no data arrives on the push feed, in ms. If the backend does not answer a PING within 5 s, the gateway reconnects. After each arrival of data, the gateway sends the first two PINGs at intervals of at most 10 s. A gRPC server accepts these two PINGs. By default, it closes the connection with `too_many_pings` if further PINGs arrive at intervals below 5 minutes. Lower the value only if your backend accepts more frequent PINGs.",
  ),
  "push.silence_ms": setting(
    int("ms", 0, 3_600_000),
    0,
    "Maximum time without a message on the push feed, in ms. After this time, the gateway reconnects. `0`: there is no maximum. Set a maximum if a proxy between gateway and backend answers HTTP/2 PINGs itself, because PINGs then do not test the backend. Set the maximum to at least twice the interval at which the backend sends keepalive messages.",
  ),

  ...PUSH_SETTINGS,
  ...STREAM_SETTINGS,

  ...ROUTE_SETTINGS,

  ...PUBLIC_SETTINGS,

  ...KEY_SETTINGS,

  "limits.payload_bytes_max": setting(
    int("bytes", KiB, 16 * MiB),
    256 * KiB,
    "Maximum size of the field `payload_bytes` of a request, in bytes. A request with a larger payload is refused with `REQUEST_TOO_LARGE`.",
  ),
  "limits.request_bytes_max": setting(
    int("bytes", 8 * KiB, 32 * MiB),
    512 * KiB,
    "Maximum size of a request body, in bytes. The maximum applies before and after decompression. The value must be at least `(4/3 × limits.payload_bytes_max) + 4096`. The factor 4/3 is for payloads in JSON, because JSON carries them in base64. The 4096 bytes are for the envelope.",
  ),

  ...CONNECTION_SETTINGS,

  "freshness.window_ms": setting(
    int("ms", 1000, 3_600_000),
    60_000,
    "Maximum difference between the timestamp of a request and the gateway's clock, in ms (freshness window). The timestamp may be earlier or later than the clock. Raise the value if devices have inaccurate clocks. If you raise the value, also raise `replay.entries_max`.",
  ),
  "freshness.margin_ms": setting(
    int("ms", FRESHNESS_MARGIN_MS_MIN, 600_000),
    5000,
    "Time for which a request id stays reserved after the end of the freshness window, in ms. A reserved request id cannot be used again. The value must be larger than the clock difference between gateways. The value must also be larger than any backward step of a gateway's clock. If a clock steps by 500 ms or more, the gateway logs `wall clock step`.",
  ),
  "replay.entries_max": setting(
    entries,
    1_000_000,
    "Maximum number of reserved request ids in the memory of the gateway. At the maximum, new requests are refused until a reserved request id expires. Set the maximum above the number of requests that arrive within `(2 × freshness.window_ms) + freshness.margin_ms`. With `stores.kind = redis`, the setting has no effect.",
  ),
  "buckets.entries_max": setting(
    entries,
    1_000_000,
    "Maximum number of token buckets in each of two tables. One table is for verified requests. The other table is for failed requests and public REST calls. The gateway removes a bucket when the bucket is full of tokens again. If a table has no free place, requests that need a new bucket are refused. Raise the maximum if many clients are active at the same time.",
  ),

  ...STORE_SETTINGS,

  "session_cache.ttl_ms": setting(
    int("ms", 0, 3_600_000),
    30_000,
    "Time for which the gateway caches a session, in ms. `0`: sessions are not cached. A revocation ends a cached session immediately. If a revocation does not arrive, the revoked session stays valid for up to `session_cache.ttl_ms`.",
  ),
  "session_cache.unknown_ttl_ms": setting(
    int("ms", 0, 3_600_000),
    2000,
    "Time for which the gateway remembers that a session id is unknown to the backend, in ms. `0`: unknown session ids are not remembered. Keep the time short, so that a new session works soon after login.",
  ),
  "session_cache.entries_max": setting(
    entries,
    100_000,
    "Maximum number of cached sessions. At the maximum, a new session replaces an older session in the cache. Set the maximum above the number of sessions that are active at the same time.",
  ),

  ...BUDGET_SETTINGS,

  "reload.watch_ms": setting(
    int("ms", 0, 3_600_000),
    0,
    "Interval of the checks for changed files, in ms. The gateway checks the configuration file, the schemas of routes, and the files of signing keys. If a file has changed and then stays the same for one interval, the gateway reloads the configuration. `0`: the gateway reloads only after SIGHUP or `POST /reload`. TLS files and `backend.token_file` need no reload. The gateway checks them at the interval `tls.reload_ms`. Only `sallyport serve` uses the setting.",
  ),
  "shutdown.drain_ms": setting(
    int("ms", 0, 600_000),
    0,
    "Duration of the first phase of a shutdown, in ms. In this phase, `/readyz` answers 503 and everything else still works. Set the duration above the interval at which your load balancer checks `/readyz`. In `sallyport serve`, the default is 5000.",
  ),
  "shutdown.spread_ms": setting(
    int("ms", 0, 600_000),
    0,
    "Duration of the second phase of a shutdown, in ms. In this phase, the event streams end one after the other, so that the clients do not all reconnect at the same moment. Commands still work. In `sallyport serve`, the default is 3000.",
  ),
  "shutdown.deadline_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "Maximum duration of the last phase of a shutdown, in ms. The phase follows `shutdown.drain_ms` and `shutdown.spread_ms`. In this phase, new calls are refused, and running calls are answered. At the end, calls that still run are aborted. The sum of `shutdown.drain_ms`, `shutdown.spread_ms` and `shutdown.deadline_ms` must be less than the kill timeout of your process supervisor.",
  ),
  "upgrade.timeout_ms": setting(
    int("ms", 1000, 3_600_000),
    60_000,
    "Maximum time until the new process of an upgrade is ready, in ms. The new process must first connect to the backend and fill its replay buffers. If the new process is not ready in time, the old process ends the new process and continues to serve. Linux only.",
  ),
  "log.level": setting(
    choice("debug", "info", "warn", "error"),
    "info",
    "Minimum level of the lines in the log. The levels are `debug` (lowest), `info`, `warn` and `error` (highest).",
  ),
  "log.format": setting(
    choice("json", "pretty"),
    "json",
    "Format of the log. `json`: one JSON object per line. `pretty`: text for a terminal. In `sallyport dev`, the default is `pretty`.",
  ),

  "dev.backend_listen": setting(
    listen,
    "127.0.0.1:8083",
    "Address and port of the embedded backend's REST interface. Only `sallyport dev` and `sallyport demo` use the setting.",
  ),
  "dev.push_listen": setting(
    listen,
    "127.0.0.1:8084",
    "Address and port of the embedded backend's push service. Only `sallyport dev` and `sallyport demo` use the setting.",
  ),
  "dev.database": setting(
    text('":memory:" or a file path', /^\P{Cc}{1,4096}$/u),
    ":memory:",
    "SQLite database of the embedded backend: a file path or `:memory:`. A file keeps users and sessions across restarts. Only `sallyport dev` and `sallyport demo` use the setting.",
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
