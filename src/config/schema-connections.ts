import { setting } from "./setting.ts";
import { int } from "./values.ts";

const count = int("connections", 1, 10_000_000);
const ms = (least: number) => int("ms", least, 3_600_000);

/** The rows of the configuration's table that are about connections. */
export const CONNECTION_SETTINGS = {
  "connections.total_max": setting(
    count,
    100_000,
    "Connections open at once on each public listener. Fewer fit on all of them where the process may open few files: a connection takes one, over HTTP/1.1 on the one port (`edge.grpc = same-port`) three, and 512 (half of few) are kept for the rest. On the edge's own port those over the bounds are cut within a moment (Linux): the newest of networks that hold more than a 64th of all, then the newest.",
  ),
  "connections.per_network_max": setting(
    count,
    2000,
    "Those from one peer address (IPv6: from one /64); trusted proxies are exempt, and whom they name in a PROXY header is not. Raise it where many devices share an address.",
  ),
  "connections.opening_ms": setting(
    ms(100),
    10_000,
    "How long a new connection on the gRPC listener or the one port may take to say what it is, in ms; TLS has the same once more. The edge on its own port waits 12 s for a first request.",
  ),
  "connections.requests_max": setting(
    int("calls", 1, 1_000_000_000),
    100_000,
    "Calls on one connection over HTTP/2 there; then its client is told to open another. Lower it to spread long-lived clients over several gateways.",
  ),
  "connections.body_ms": setting(
    ms(100),
    30_000,
    "How long a request may take to arrive whole, in ms. Raise it for large requests over slow networks.",
  ),
  "connections.stall_ms": setting(
    ms(100),
    30_000,
    "How long a client over HTTP/2 there may take nothing of what waits for it, in ms; within twice that its stream is reset. The edge on its own port waits 150 s.",
  ),
  "connections.user_timeout_ms": setting(
    ms(1000),
    30_000,
    "How long a client may acknowledge or take nothing of what waits for it, in ms, on every public listener; then the system cuts its connection (`TCP_USER_TIMEOUT`; Linux). So a stream whose client vanished ends within this and `streams.heartbeat_ms`.",
  ),
  "connections.ping_ms": setting(
    ms(100),
    30_000,
    "How often clients over HTTP/2 there are asked whether they are there, in ms; one that has not answered by the next time is cut.",
  ),
  "connections.idle_ms": setting(ms(100), 300_000, "How long a connection over HTTP/2 there is kept without a call, in ms."),
} as const;
