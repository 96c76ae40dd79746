import { parseTimeout } from "@connectrpc/connect/protocol-grpc";
import { TIMER_MS_MAX } from "./limits.ts";

/** The `grpc-timeout` of gRPC and gRPC-Web, in milliseconds. Throws ConnectError `invalid_argument` on one that is none. */
export function grpcTimeoutMs(value: string | null): number | undefined {
  const { timeoutMs, error } = parseTimeout(value, Number.MAX_SAFE_INTEGER);
  if (error !== undefined) throw error;
  return timeoutMs === undefined ? undefined : Math.min(timeoutMs, TIMER_MS_MAX);
}
