import { FRESHNESS_MARGIN_MS_MIN } from "../core/limits.ts";
import { list } from "./decoder.ts";
import { origin } from "./origin.ts";
import { routes, TIMEOUT_MS_MAX } from "./routes.ts";
import { BUDGET_SETTINGS } from "./schema-budgets.ts";
import { CONNECTION_SETTINGS } from "./schema-connections.ts";
import { STORE_SETTINGS } from "./schema-stores.ts";
import { STREAM_SETTINGS } from "./schema-streams.ts";
import { type Setting, secret, setting, unset } from "./setting.ts";
import { boolean, choice, cidr, filePath, hostName, httpUrl, int, listen, text } from "./values.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const ENTRIES_MAX = 16_777_216;

const entries = int("entries", 1, ENTRIES_MAX);
const delay = int("ms", 1, 600_000);
const seed = text("base64 of the 32 bytes of a seed, as `sallyport keygen` prints it", /^[A-Za-z0-9+/_-]{43}=?$/);
const header = text("visible ASCII characters", /^[\x21-\x7e]{1,4096}$/);
const name = text("1 to 128 of A-Z, a-z, 0-9, '.', '_', '-'", /^[A-Za-z0-9._-]{1,128}$/);

/**
 * All settings. A key has the same name in files (a dot opens a table), after `--set`, in messages and in the code. Its environment
 * variable is `SALLYPORT_` plus the key in upper case, with dots as underscores.
 */
export const SCHEMA = {
  "edge.listen": setting(
    listen,
    "127.0.0.1:8080",
    "Address and port of the public listener. The default is loopback; use `0.0.0.0:8080` or `[::]:8080` for all interfaces.",
  ),
  "edge.grpc": setting(
    choice("own-port", "same-port"),
    "own-port",
    "Port that serves gRPC. `own-port`: gRPC is served at `grpc.listen`. `same-port`: `edge.listen` serves all protocols, and HTTP/1.1 requests take an extra loopback hop.",
  ),
  "grpc.listen": setting(
    listen,
    "127.0.0.1:8081",
    "Address and port of the gRPC listener. It serves gRPC, Connect and gRPC-Web over HTTP/2. Unused if `edge.grpc` is `same-port`.",
  ),
  "tls.certificate_file": unset(
    filePath,
    "PEM certificate chain of the edge and gRPC listeners. Together with `tls.key_file` it enables TLS. A renewed file is loaded without a restart.",
  ),
  "tls.key_file": unset(filePath, "PEM private key of the certificate in `tls.certificate_file`."),
  "tls.client_ca_file": unset(
    filePath,
    "PEM certificates of the authorities that sign client certificates. If set, clients must present such a certificate (mTLS).",
  ),
  "tls.reload_ms": setting(
    int("ms", 100, 86_400_000),
    10_000,
    "Interval at which the TLS files are checked for changes, in ms.",
  ),
  "cors.origins": setting(
    list(origin, { plural: "origins", itemsMax: 256 }),
    [],
    "Origins whose web pages may call the edge from a browser. An origin is compared exactly as the browser or app shell sends it, such as `https://app.example`, `capacitor://localhost` or `app://-`; patterns are not supported. `*` allows every page. That is safe because requests are signed and no cookies are used.",
  ),
  "cors.max_age_seconds": setting(
    int("seconds", 0, 86_400),
    7200,
    "Time for which a browser may cache the response to a CORS preflight (`Access-Control-Max-Age`), in seconds.",
  ),
  "reflection.enabled": setting(
    boolean,
    false,
    "Serves gRPC server reflection, which tools such as grpcurl use. It exposes only the public contract. `dev` enables it.",
  ),
  "admin.listen": setting(
    listen,
    "127.0.0.1:8082",
    "Address and port of the admin listener (health, metrics, streams). It has no authentication: do not expose it to untrusted networks.",
  ),
  "admin.hosts": setting(
    list(hostName, { plural: "host names", itemsMax: 256 }),
    [],
    "Host names accepted in the `Host` header by the admin listener and, in `dev`, by the embedded backend. IP addresses and `localhost` are always accepted. Other names are refused, which prevents DNS rebinding from web pages. Add your name if you scrape or probe by name.",
  ),
  trusted_proxies: setting(
    list(cidr, { plural: "addresses and CIDR ranges", itemsMax: 256 }),
    [],
    "Addresses or CIDR ranges of proxies whose forwarding headers are trusted. Set it to the addresses of your load balancer; otherwise all clients share the load balancer's budgets.",
  ),
  trusted_proxies_header: setting(
    choice("x-forwarded-for", "forwarded"),
    "x-forwarded-for",
    "Forwarding header that trusted proxies set: `x-forwarded-for`, or `forwarded` (RFC 7239). Choose the header that your proxy overwrites or appends to. The other header is ignored, because a proxy may pass it on unchanged from the client.",
  ),

  "backend.url": unset(
    httpUrl,
    "Base URL of the backend's REST interface. `serve` requires it; `dev` and `demo` set it themselves.",
  ),
  "backend.timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    5000,
    "Timeout of a command's backend call, in ms. A route's `timeout_ms` overrides it.",
  ),
  "backend.session_timeout_ms": setting(
    int("ms", 1, TIMEOUT_MS_MAX),
    2000,
    "Timeout of a session look-up, in ms. Every request whose session is not cached waits for a look-up, so keep it short.",
  ),
  "backend.response_bytes_max": setting(
    int("bytes", KiB, 64 * MiB),
    MiB,
    "Maximum size of a backend response, in bytes. Larger responses are refused. Raise it if your routes return more.",
  ),
  "backend.token": secret(
    header,
    "Bearer token sent to the backend in the `Authorization` header, so that the backend can authenticate the gateway. If unset, the header is not sent.",
  ),

  "push.url": unset(
    httpUrl,
    "Base URL of the backend's `sallyport.v1.Push` service. `serve` requires it; `dev` and `demo` set it themselves.",
  ),
  "push.protocol": setting(
    choice("grpc", "connect", "grpc-web"),
    "grpc",
    "Protocol of the push feed: `grpc`, `connect` or `grpc-web`. Change it if a proxy between gateway and backend does not support gRPC.",
  ),
  "push.gateway_id": unset(
    name,
    "Name under which this gateway subscribes to the push feed. If unset, the host name is used. Set it if the host name changes with every start.",
  ),
  "push.backoff_min_ms": setting(
    delay,
    100,
    "Upper bound of the first reconnect delay of the push feed, in ms. Delays are random, and the bound doubles with each attempt up to `push.backoff_max_ms`.",
  ),
  "push.backoff_max_ms": setting(
    delay,
    5000,
    "Maximum reconnect delay of the push feed, in ms. Raise it to reduce the load of many gateways on one backend.",
  ),
  "push.grace_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "Time for which cached sessions are still served while the push feed is down, in ms. The push feed delivers revocations, so a lower value limits missed revocations but causes more look-ups.",
  ),

  "push.ping_ms": setting(
    int("ms", 10, 3_600_000),
    310_000,
    "Idle time on the push feed's connection before the gateway sends an HTTP/2 PING, in ms. The first two PINGs after activity are sent within 10 s. If a PING is not answered within 5 s, the gateway reconnects. By default, gRPC servers allow one PING every 5 minutes and close the connection with `too_many_pings` otherwise; lower this setting only together with the server's minimum.",
  ),
  "push.silence_ms": setting(
    int("ms", 0, 3_600_000),
    0,
    "Reconnects if the push feed delivers nothing for this time, in ms; 0 disables it. Set it to at least twice the backend's keepalive interval if a proxy answers HTTP/2 PINGs in place of the backend.",
  ),

  ...STREAM_SETTINGS,

  routes: setting(
    routes,
    [],
    "Route table. Each entry has `message_type`, `method` and `path` (under `/api/v1/user/`, with `{placeholders}` filled from the payload). Optional: `timeout_ms`, and `budget = { rate, burst }` for each user (`shadow = true` for shadow mode). In TOML, write `[[routes]]`; in a variable, JSON.",
  ),

  "keys.current": secret(
    seed,
    "Ed25519 seed of the key that signs responses and events, as base64 of 32 bytes. Generate it with `sallyport keygen`.",
  ),
  "keys.next": secret(
    seed,
    "Seed of the next signing key. Its public key is published in advance, so that clients know it before it is used.",
  ),
  "keys.previous": secret(
    seed,
    "Seed of the previous signing key. Its public key stays published, so that clients can verify older signatures.",
  ),
  "keys.current_file": unset(
    filePath,
    "File that contains the current seed, as an alternative to `keys.current`. Use it for mounted secrets.",
  ),
  "keys.next_file": unset(filePath, "File that contains the next seed, as an alternative to `keys.next`."),
  "keys.previous_file": unset(filePath, "File that contains the previous seed, as an alternative to `keys.previous`."),

  "limits.payload_bytes_max": setting(
    int("bytes", KiB, 16 * MiB),
    256 * KiB,
    "Maximum size of a request's `payload_bytes`, in bytes.",
  ),
  "limits.request_bytes_max": setting(
    int("bytes", 8 * KiB, 32 * MiB),
    512 * KiB,
    "Maximum size of a request body, in bytes, both before and after decompression. Must be at least 4/3 of `limits.payload_bytes_max` (base64 in JSON) plus 4096 for the envelope.",
  ),

  ...CONNECTION_SETTINGS,

  "freshness.window_ms": setting(
    int("ms", 1000, 3_600_000),
    60_000,
    "Maximum difference between a request's timestamp and the gateway's clock, in either direction, in ms. Raise it for devices with inaccurate clocks, together with `replay.entries_max`.",
  ),
  "freshness.margin_ms": setting(
    int("ms", FRESHNESS_MARGIN_MS_MIN, 600_000),
    5000,
    "Time for which a request id stays reserved beyond the freshness window, in ms. Must exceed the clock difference between gateways and any backward step of a clock; steps of 500 ms or more are logged.",
  ),
  "replay.entries_max": setting(
    entries,
    1_000_000,
    "Maximum reserved request ids. If the table is full, requests are refused. Choose more than the number of requests in two freshness windows plus the margin.",
  ),
  "buckets.entries_max": setting(
    entries,
    1_000_000,
    "Maximum token buckets of verified peers, and separately of all others. A bucket that is full again is removed. Raise it with the number of concurrent clients.",
  ),

  ...STORE_SETTINGS,

  "session_cache.ttl_ms": setting(
    int("ms", 0, 3_600_000),
    30_000,
    "Time for which a session is cached, in ms; 0 disables the cache. A revocation removes the session immediately; the TTL limits the effect of a lost revocation.",
  ),
  "session_cache.unknown_ttl_ms": setting(
    int("ms", 0, 3_600_000),
    2000,
    "Time for which an unknown session id is cached as unknown, in ms. Keep it short, so that a session can be used right after its login.",
  ),
  "session_cache.entries_max": setting(
    entries,
    100_000,
    "Maximum cached sessions. Raise it above the number of sessions that are active at the same time.",
  ),

  ...BUDGET_SETTINGS,

  "shutdown.deadline_ms": setting(
    int("ms", 0, 600_000),
    10_000,
    "Maximum duration of a stop, in ms. Then calls in progress are aborted. Set it below the kill timeout of your process supervisor.",
  ),
  "log.level": setting(
    choice("debug", "info", "warn", "error"),
    "info",
    "Lowest level that is logged: `debug`, `info`, `warn` or `error`.",
  ),
  "log.format": setting(
    choice("json", "pretty"),
    "json",
    "`json` writes one JSON object per line. `pretty` writes text for a terminal.",
  ),

  "dev.backend_listen": setting(
    listen,
    "127.0.0.1:8083",
    "Address and port of the embedded backend's REST interface (`dev` and `demo` only).",
  ),
  "dev.push_listen": setting(
    listen,
    "127.0.0.1:8084",
    "Address and port of the embedded backend's push service (`dev` and `demo` only).",
  ),
  "dev.database": setting(
    text('":memory:" or a file path', /^\P{Cc}{1,4096}$/u),
    ":memory:",
    "SQLite database of the embedded backend: a file or `:memory:` (`dev` and `demo` only). A file keeps users and sessions across restarts.",
  ),
} as const satisfies Readonly<Record<string, Setting<unknown>>>;

export type ConfigKey = keyof typeof SCHEMA;

/** A resolved and checked configuration: a flat object with every key of the schema. */
export type Config = {
  readonly [K in ConfigKey]: (typeof SCHEMA)[K] extends Setting<infer T> ? T : never;
};

// The cast is safe: `SCHEMA` is a constant without other keys, but `Object.keys` returns `string[]`.
export const CONFIG_KEYS = Object.keys(SCHEMA) as readonly ConfigKey[];

export function isConfigKey(key: string): key is ConfigKey {
  return Object.hasOwn(SCHEMA, key);
}

/** The environment variable of a key. */
export function variableOf(key: ConfigKey): string {
  return `SALLYPORT_${key.toUpperCase().replaceAll(".", "_")}`;
}
