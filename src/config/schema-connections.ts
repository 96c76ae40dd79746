import { WORKERS_MAX } from "../core/limits.ts";
import { setting } from "./setting.ts";
import { int, intOrAuto } from "./values.ts";

const count = int("connections", 1, 10_000_000);
const ms = (least: number) => int("ms", least, 3_600_000);

const LINUX_ONLY = "Exception: with `edge.grpc = own-port`, the edge enforces the maximum only on Linux.";
const GRPC_ONLY = "The setting applies only to the listener that serves gRPC (see `edge.grpc`).";

/** The settings that limit client connections. */
export const CONNECTION_SETTINGS = {
  "workers.count": setting(
    intOrAuto("processes", 1, WORKERS_MAX),
    1,
    "Number of worker processes that accept connections and run requests. With 1, the gateway is one process. With a larger number, the gateway is a supervisor process and this number of workers. All workers share the same ports. `auto`: one worker for each processor that the gateway may use, and at least one worker. The CPU affinity of the process and the CPU quotas of its cgroups limit the number of processors. A quota of 2.5 processors counts as 2 processors. In `sallyport serve`, the default is `auto`. On systems other than Linux, the gateway is always one process.",
  ),
  "connections.total_max": setting(
    count,
    100_000,
    `Maximum number of open connections to each public listener. The connections of all workers count together. At the maximum, the listener closes new connections. With \`edge.grpc = own-port\`, the edge works differently. On Linux, the edge accepts a connection above the maximum. The edge then closes the newest connections of the client addresses with the most connections. On systems other than Linux, the edge has no maximum. \`RLIMIT_NOFILE\` also limits the number of connections. A connection uses one file descriptor, and up to 512 file descriptors are reserved for other uses. With \`edge.grpc = same-port\`, an HTTP/1.1 connection uses three file descriptors.`,
  ),
  "connections.per_network_max": setting(
    count,
    2000,
    `Maximum number of open connections from one client address to each public listener. The connections of all workers count together. An IPv6 /64 network counts as one address. At the maximum, the listener closes new connections from the address. ${LINUX_ONLY} If a trusted proxy sends a PROXY header, the connection counts for the client address in the header. If a trusted proxy sends no PROXY header, the connection is not limited. Raise the maximum if many devices share an address.`,
  ),
  "connections.opening_ms": setting(
    ms(100),
    10_000,
    `Timeout for the start of a new connection, in ms. Within the timeout, the client must complete the TLS handshake, if TLS is on, and send its first bytes. Otherwise, the gateway closes the connection. The first bytes show the protocol of the connection. Exception: with TLS, \`edge.grpc = same-port\` and \`trusted_proxies\`, the timeout starts again when the TLS handshake begins. ${GRPC_ONLY} With \`edge.grpc = own-port\`, the edge closes a new connection if no complete request head arrives within 12 s.`,
  ),
  "connections.requests_max": setting(
    int("calls", 1, 1_000_000_000),
    100_000,
    `Maximum number of calls on one HTTP/2 connection. At the maximum, the gateway sends GOAWAY, and the client opens a new connection. Lower the maximum to spread long-lived clients over several gateways. ${GRPC_ONLY}`,
  ),
  "connections.body_ms": setting(
    ms(100),
    30_000,
    "Timeout for the arrival of a request body, in ms. If the body is incomplete after the timeout, the request is refused. Raise the timeout if clients send large requests over slow networks. The setting applies to every public listener.",
  ),
  "connections.stall_ms": setting(
    ms(100),
    30_000,
    `Interval of the check for stalled HTTP/2 streams, in ms. A stream is stalled if data waits for the client, but the client reads nothing between two checks. The gateway resets a stalled stream. ${GRPC_ONLY} With \`edge.grpc = own-port\`, the edge closes a connection if it has no event streams and transfers no data for 150 s.`,
  ),
  "connections.user_timeout_ms": setting(
    ms(1000),
    30_000,
    "Timeout for the acknowledgement of sent data, in ms (`TCP_USER_TIMEOUT`, Linux only). If a client does not acknowledge data within the timeout, the connection is closed. If a client disappears from the network, it does not acknowledge the next heartbeat. Its event streams then end within `streams.heartbeat_ms + connections.user_timeout_ms`. The setting applies to every public listener.",
  ),
  "connections.ping_ms": setting(
    ms(100),
    30_000,
    `Interval of HTTP/2 PINGs to clients, in ms. If a client does not answer a PING within one interval, the connection is closed. ${GRPC_ONLY}`,
  ),
  "connections.idle_ms": setting(
    ms(100),
    300_000,
    `Idle timeout of an HTTP/2 connection, in ms. If a connection has no calls for this time, the gateway closes the connection. ${GRPC_ONLY}`,
  ),
} as const;
