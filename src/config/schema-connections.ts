import { setting } from "./setting.ts";
import { int } from "./values.ts";

const count = int("connections", 1, 10_000_000);
const ms = (least: number) => int("ms", least, 3_600_000);

/** The settings of connections. */
export const CONNECTION_SETTINGS = {
  "connections.total_max": setting(
    count,
    100_000,
    "Maximum open connections of each public listener. If exceeded, the newest connections of networks that hold more than 1/64 of the maximum are closed first, then the newest of all. Also limited by `RLIMIT_NOFILE`: 512 descriptors (at most half) are reserved; a connection uses one, or three for HTTP/1.1 with `edge.grpc = same-port`. The edge on its own port enforces it only on Linux, a moment after accept.",
  ),
  "connections.per_network_max": setting(
    count,
    2000,
    "Maximum open connections from one peer address (IPv6: one /64), on each public listener. Trusted proxies are exempt, but the client addresses in their PROXY headers are not. Raise it if many devices share an address.",
  ),
  "connections.opening_ms": setting(
    ms(100),
    10_000,
    "Time in which a new connection must send its first protocol bytes, in ms; a TLS handshake may take as long again. Applies to the gRPC listener and to `edge.grpc = same-port`. The edge on its own port has a fixed timeout of 12 s.",
  ),
  "connections.requests_max": setting(
    int("calls", 1, 1_000_000_000),
    100_000,
    "Maximum calls on one HTTP/2 connection; then the gateway sends GOAWAY, and the client reconnects. Applies to the gRPC listener and to `edge.grpc = same-port`. Lower it to rebalance long-lived clients over several gateways.",
  ),
  "connections.body_ms": setting(
    ms(100),
    30_000,
    "Timeout for receiving a request body, in ms. Raise it for large requests over slow networks.",
  ),
  "connections.stall_ms": setting(
    ms(100),
    30_000,
    "Resets an HTTP/2 stream if the client reads nothing of the waiting data for this time, in ms; it may take up to twice as long. Applies to the gRPC listener and to `edge.grpc = same-port`. The edge on its own port uses a fixed 150 s.",
  ),
  "connections.user_timeout_ms": setting(
    ms(1000),
    30_000,
    "Closes a connection whose sent data stays unacknowledged for this long, in ms (`TCP_USER_TIMEOUT`, Linux). Applies to every public listener. A stream whose client vanished therefore ends within this time plus `streams.heartbeat_ms`.",
  ),
  "connections.ping_ms": setting(
    ms(100),
    30_000,
    "Interval of HTTP/2 PINGs to clients, in ms. A connection that does not answer before the next PING is closed. Applies to the gRPC listener and to `edge.grpc = same-port`.",
  ),
  "connections.idle_ms": setting(
    ms(100),
    300_000,
    "Closes an HTTP/2 connection that has no calls for this time, in ms. Applies to the gRPC listener and to `edge.grpc = same-port`.",
  ),
} as const;
