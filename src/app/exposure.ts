import type { Config } from "../config/schema.ts";
import { formatAddress, isLoopback, type ListenAddress } from "../core/listen.ts";
import type { Log } from "../core/telemetry.ts";

type Exposure = Pick<Config, "edge.listen" | "edge.grpc" | "trusted_proxies">;

/**
 * Returns true if other machines can open any number of connections to the edge. All of these conditions must hold:
 *
 * - The edge does not listen on loopback.
 * - `trusted_proxies` is empty. If it is not empty, the proxies are expected to limit the connections.
 * - `edge.grpc = own-port`. `Bun.serve` then accepts the connections, and it has no connection limit.
 * - `isSwept` is false. The gateway then cannot close the connections that exceed a limit.
 */
export function isUnlimitedEdge(config: Exposure, isSwept: boolean): boolean {
  const isExposed = !isLoopback(config["edge.listen"].host) && config.trusted_proxies.length === 0;
  return isExposed && !isSwept && config["edge.grpc"] !== "same-port";
}

/**
 * Returns the settings whose listeners have no authentication, but can be reached from other machines. Only `admin.listen` can be
 * such a setting.
 */
export function openListeners(config: Pick<Config, "admin.listen">): readonly "admin.listen"[] {
  return isLoopback(config["admin.listen"].host) ? [] : ["admin.listen"];
}

/**
 * Logs a warning if other machines can reach a listener that has no authentication. `what` is the name of the setting that
 * contains the listener's address.
 */
export function warnOfOpenListener(what: string, bound: ListenAddress, log: Log): void {
  if (isLoopback(bound.host)) return;
  log.warn("unauthenticated listener outside loopback", { setting: what, address: formatAddress(bound) });
}
