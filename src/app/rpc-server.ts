import type { Config } from "../config/schema.ts";
import type { Peer } from "../core/admission.ts";
import type { Clock } from "../core/clock.ts";
import { refuse } from "../core/refusal.ts";
import type { Log, Metrics } from "../core/telemetry.ts";
import { brotli, Compressions, gzip, zstd } from "../rpc/compression.ts";
import type { PeerGuard } from "../rpc/peer-guard.ts";
import { RpcServer } from "../rpc/server.ts";
import type { AnyMethod } from "../rpc/service.ts";
import { callLog } from "../service/call-log.ts";
import { toConnectError } from "../service/rpc-errors.ts";

interface RpcServerParts {
  readonly methods: readonly AnyMethod<Peer>[];
  readonly guard: PeerGuard<Peer>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Minimum size of a response that is compressed, in bytes. Smaller responses are sent uncompressed. */
const COMPRESS_BYTES_MIN = 1024;

/** Creates the RPC server. Sets its options that depend on the gateway, such as the maximum request size and the call log. */
export function createRpcServer(config: Config, { methods, guard, clock, log, metrics }: RpcServerParts): RpcServer<Peer> {
  return new RpcServer(methods, {
    requestBytesMax: config["limits.request_bytes_max"],
    tooLarge: (limitBytes) => refuse("REQUEST_TOO_LARGE", { metadata: { limit_bytes: String(limitBytes) } }),
    compressions: new Compressions([gzip, brotli, zstd]),
    compressBytesMin: COMPRESS_BYTES_MIN,
    guard,
    toConnectError,
    clock,
    onDone: callLog(log, metrics, clock),
  });
}
