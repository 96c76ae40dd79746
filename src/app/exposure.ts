import type { Config } from "../config/schema.ts";
import { formatAddress, isLoopback, type ListenAddress } from "../core/listen.ts";
import type { Log } from "../core/telemetry.ts";

type Exposure = Pick<Config, "edge.listen" | "edge.grpc" | "trusted_proxies">;

/**
 * Returns true if other machines can open any number of connections to the edge.
 *
 * With `edge.grpc = own-port`, `Bun.serve` accepts the connections and has no connection limit. The gateway closes excess connections
 * afterwards (load shedding). If it cannot do that (`isSwept` is false), a proxy in front of the gateway must limit the connections.
 */
export function isUnlimitedEdge(config: Exposure, isSwept: boolean): boolean {
  const isExposed = !isLoopback(config["edge.listen"].host) && config.trusted_proxies.length === 0;
  return isExposed && !isSwept && config["edge.grpc"] !== "same-port";
}

/**
 * Logs a warning if a listener that requires no authentication is reachable from other machines. `what` is the name of the
 * setting that contains the listener's address.
 */
export function warnOfOpenListener(what: string, bound: ListenAddress, log: Log): void {
  if (isLoopback(bound.host)) return;
  log.warn("unauthenticated listener not on loopback", { setting: what, bound: formatAddress(bound) });
}
