import { setting } from "./setting.ts";
import { int } from "./values.ts";

const count = int("connections", 1, 10_000_000);
const ms = (least: number) => int("ms", least, 3_600_000);

/** The settings that limit client connections. */
export const CONNECTION_SETTINGS = {
  "connections.total_max": setting(
    count,
    100_000,
    "Maximum open connections of each public listener. At the maximum, a listener closes new connections. Exception with `edge.grpc = own-port`: the edge enforces the maximum only on Linux, and closes the newest connections of the largest networks. A low `RLIMIT_NOFILE` lowers the maximum, because the gateway reserves up to 512 file descriptors. A connection uses one file descriptor. With `edge.grpc = same-port`, an HTTP/1.1 connection uses three.",
  ),
  "connections.per_network_max": setting(
    count,
    2000,
    "Maximum open connections from one peer address (IPv6: one /64) on each public listener. Connections from trusted proxies do not count for the proxy. With a PROXY header, they count for the client address in the header. Raise it if many devices share an address.",
  ),
  "connections.opening_ms": setting(
    ms(100),
    10_000,
    "Timeout in which the first bytes of a new connection must identify the protocol, in ms. With TLS, the handshake has its own timeout of the same length. Applies to the gRPC listener and to `edge.grpc = same-port`. With `edge.grpc = own-port`, the edge has a fixed timeout of 12 s.",
  ),
  "connections.requests_max": setting(
    int("calls", 1, 1_000_000_000),
    100_000,
    "Maximum calls on one HTTP/2 connection. After the last call, the gateway sends GOAWAY, and the client opens a new connection. Lower it to spread long-lived clients over several gateways. Applies to the gRPC listener and to `edge.grpc = same-port`.",
  ),
  "connections.body_ms": setting(
    ms(100),
    30_000,
    "Timeout for receiving a request body, in ms. Raise it if clients send large requests over slow networks.",
  ),
  "connections.stall_ms": setting(
    ms(100),
    30_000,
    "Interval of the check for stalled HTTP/2 streams, in ms. A stream is reset if data waits to be sent, but the client reads nothing between two checks. Applies to the gRPC listener and to `edge.grpc = same-port`. With `edge.grpc = own-port`, the edge has a fixed timeout of 150 s.",
  ),
  "connections.user_timeout_ms": setting(
    ms(1000),
    30_000,
    "Timeout for the acknowledgement of sent data, in ms (`TCP_USER_TIMEOUT`, Linux only). A connection whose data stays unacknowledged for this time is closed. If a client disappears from the network, its streams end within `connections.user_timeout_ms` + `streams.heartbeat_ms`. Applies to every public listener.",
  ),
  "connections.ping_ms": setting(
    ms(100),
    30_000,
    "Interval of HTTP/2 PINGs to clients, in ms. A connection is closed if its client does not answer a PING before the next one is due. Applies to the gRPC listener and to `edge.grpc = same-port`.",
  ),
  "connections.idle_ms": setting(
    ms(100),
    300_000,
    "Idle timeout of an HTTP/2 connection, in ms. A connection without calls for this time is closed. Applies to the gRPC listener and to `edge.grpc = same-port`.",
  ),
} as const;
