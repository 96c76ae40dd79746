import type { Config } from "../config/schema.ts";
import { formatAddress, isLoopback, type ListenAddress } from "../core/listen.ts";
import type { Log } from "../core/telemetry.ts";

type Exposure = Pick<Config, "edge.listen" | "edge.grpc" | "trusted_proxies">;

/**
 * Whether other machines can open any number of connections to the edge. With `edge.grpc = own-port`, `Bun.serve` accepts the
 * connections, and only the connection sweep limits them. If the sweep is not available (`isSwept` is false), a proxy in front of
 * the gateway must limit them.
 */
export function isUnlimitedEdge(config: Exposure, isSwept: boolean): boolean {
  const isExposed = !isLoopback(config["edge.listen"].host) && config.trusted_proxies.length === 0;
  return isExposed && !isSwept && config["edge.grpc"] !== "same-port";
}

/**
 * Logs a warning if a listener without authentication is not on loopback. `what` is the setting with the address of the listener.
 */
export function warnOfOpenListener(what: string, bound: ListenAddress, log: Log): void {
  if (isLoopback(bound.host)) return;
  log.warn("unauthenticated listener not on loopback", { setting: what, bound: formatAddress(bound) });
}
