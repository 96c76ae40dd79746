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
    `Maximum number of open connections to each public listener. The connections of all workers count together. At the maximum, the listener closes new connections. With \`edge.grpc = own-port\`, the edge works differently. On Linux, the edge accepts a connection above the maximum, and then closes the newest connections of the client addresses with the most connections. On other systems than Linux, the edge has no maximum. A connection uses one file descriptor. With \`edge.grpc = same-port\`, an HTTP/1.1 connection uses three file descriptors. A low \`RLIMIT_NOFILE\` lowers the maximum, because the gateway reserves up to 512 file descriptors for other uses.`,
  ),
  "connections.per_network_max": setting(
    count,
    2000,
    `Maximum number of open connections from one client address to each public listener. The connections of all workers count together. An IPv6 /64 network counts as one address. At the maximum, the listener closes new connections from the address. ${LINUX_ONLY} A connection from a trusted proxy without a PROXY header is not limited. A connection from a trusted proxy with a PROXY header counts for the client address in the header. Raise the maximum if many devices share an address.`,
  ),
  "connections.opening_ms": setting(
    ms(100),
    10_000,
    `Timeout for the TLS handshake and the first bytes of a new connection together, in ms. The first bytes show the protocol of the connection. If they do not arrive within the timeout, the connection is closed. If TLS is on, \`edge.grpc\` is \`same-port\` and \`trusted_proxies\` is set, the timeout starts again when the TLS handshake begins. ${GRPC_ONLY} With \`edge.grpc = own-port\`, the edge instead closes a new connection that does not send a complete request head within 12 s.`,
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
    `Interval of the check for stalled HTTP/2 streams, in ms. A stream is stalled if data waits for the client, but the client reads nothing between two checks. The gateway resets a stalled stream. ${GRPC_ONLY} With \`edge.grpc = own-port\`, the edge instead closes a connection without event streams if no data is transferred for 150 s.`,
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
