import type { Config } from "../config/schema.ts";
import { formatAddress, isLoopback, type ListenAddress } from "../core/listen.ts";
import type { Log } from "../core/ports.ts";

type Exposure = Pick<Config, "edge.listen" | "edge.grpc" | "trusted_proxies">;

/**
 * What to tell an operator whose edge everybody may connect to; `undefined` where there is nothing. On its own port the runtime accepts
 * the edge's connections: where the system does not let the gateway bound them afterwards (`isBounded`), nobody does but a proxy in front.
 */
export function exposureOf(config: Exposure, isBounded: boolean): string | undefined {
  const isExposed = !isLoopback(config["edge.listen"].host) && config.trusted_proxies.length === 0;
  if (isBounded || !isExposed || config["edge.grpc"] === "same-port") return undefined;
  return "edge: no bound on connections, since none is known of a proxy in front (trusted_proxies); edge.grpc = same-port has bounds of its own";
}

/** Warns of a listener without authentication that other machines reach. `what`: its setting. */
export function warnOfOpenListener(what: string, bound: ListenAddress, log: Log): void {
  if (isLoopback(bound.host)) return;
  log.warn("listener without authentication is not on loopback", { setting: what, bound: formatAddress(bound) });
}
