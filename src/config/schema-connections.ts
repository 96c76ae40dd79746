import { setting } from "./setting.ts";
import { int } from "./values.ts";

const count = int("connections", 1, 10_000_000);
const ms = (least: number) => int("ms", least, 3_600_000);

/** The settings that limit client connections. */
export const CONNECTION_SETTINGS = {
  "connections.total_max": setting(
    count,
    100_000,
    "Maximum open connections of each public listener. A listener that reaches it closes new connections. With `edge.grpc = own-port`, the edge enforces the maximum only on Linux, and closes the newest connections of the largest networks first. A low `RLIMIT_NOFILE` lowers the maximum: the gateway reserves up to 512 file descriptors for itself. A connection uses one file descriptor; an HTTP/1.1 connection with `edge.grpc = same-port` uses three.",
  ),
  "connections.per_network_max": setting(
    count,
    2000,
    "Maximum open connections from one peer address (IPv6: one /64) on each public listener. A connection from a trusted proxy does not count for the proxy. If it has a PROXY header, it counts for the client address in the header. Raise it if many devices share an address.",
  ),
  "connections.opening_ms": setting(
    ms(100),
    10_000,
    "Timeout for the first bytes of a new connection, in ms. If these bytes do not identify the protocol in time, the connection is closed. With TLS, the handshake has its own timeout of the same length. Applies to the gRPC listener and to `edge.grpc = same-port`. The edge on its own port has a fixed timeout of 12 s.",
  ),
  "connections.requests_max": setting(
    int("calls", 1, 1_000_000_000),
    100_000,
    "Maximum calls on one HTTP/2 connection. After the last one, the gateway sends GOAWAY, and the client opens a new connection. Lower it to spread long-lived clients over several gateways. Applies to the gRPC listener and to `edge.grpc = same-port`.",
  ),
  "connections.body_ms": setting(
    ms(100),
    30_000,
    "Timeout for receiving a request body, in ms. Raise it if clients send large requests over slow networks.",
  ),
  "connections.stall_ms": setting(
    ms(100),
    30_000,
    "Interval of the check for stalled HTTP/2 streams, in ms. A stream is reset if data waits for its client and the client reads nothing between two checks. Applies to the gRPC listener, and to the edge with `edge.grpc = same-port`. With `edge.grpc = own-port`, the edge has a fixed timeout of 150 s.",
  ),
  "connections.user_timeout_ms": setting(
    ms(1000),
    30_000,
    "Timeout for the acknowledgement of sent data, in ms (`TCP_USER_TIMEOUT`, Linux only). A connection whose data stays unacknowledged for this time is closed. If a client disappears from the network, its streams end within this time plus `streams.heartbeat_ms`. Applies to every public listener.",
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
