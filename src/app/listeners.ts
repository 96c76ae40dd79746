import type { Config } from "../config/schema.ts";
import { messageOf } from "../core/cause.ts";
import type { Clock } from "../core/clock.ts";
import { formatAddress, type TlsIdentity } from "../core/listen.ts";
import type { Prepared } from "../core/reload.ts";
import type { Log } from "../core/telemetry.ts";
import { type EdgeParts, openEdge } from "../transport/bun/edge.ts";
import { openGrpcListener } from "../transport/h2/grpc-listener.ts";
import { BodyTimers } from "../transport/limits/body-timers.ts";
import type { ConnectionLimits } from "../transport/limits/connection-limits.ts";
import { type SweepParts, sweepConnections } from "../transport/limits/connection-sweep.ts";
import { FdBudget } from "../transport/limits/fd-budget.ts";
import { ShedReport } from "../transport/limits/shed-report.ts";
import { setUserTimeout } from "../transport/linux/user-timeout.ts";
import type { Listener, RenewableListener } from "../transport/listener.ts";
import { openMuxListener } from "../transport/mux/mux-listener.ts";
import type { TlsExpiryParts } from "../transport/tls/tls-expiry.ts";
import { type CheckedTls, changedTlsFiles, readTlsFiles, watchTlsFiles } from "../transport/tls/tls-files.ts";
import { isUnlimitedEdge } from "./exposure.ts";
import { filesForConnections } from "./open-files.ts";

/** The public listeners: either one mux listener, or the edge and the gRPC listener. */
export interface PublicListeners {
  readonly edgeUrl: string;
  readonly grpcUrl: string;
  /** The addresses that the listeners are bound to, such as `http://0.0.0.0:8080`. The gateway logs them at the start. */
  readonly bound: { readonly edge: string; readonly grpc: string };
  /** Stops accepting connections. Resolves when all running calls are answered. */
  drain(): Promise<void>;
  /** Closes the ports and leaves all connections open; see `Listener.retire`. */
  retire(): void;
  /** Lets other processes of this gateway listen on the same ports. Throws if the system does not support this. */
  sharePorts(): void;
  /** Reads the TLS files. Throws `TlsFilesError` if they cannot be used. */
  prepareTls(next: Config): Prepared;
  close(): Promise<void>;
}

interface ListenerParts extends Omit<EdgeParts, "listen" | "tls" | "limits">, TlsExpiryParts, Pick<ConnectionLimits, "counts"> {
  /** The first TLS identity. If it is missing, it is read from the files that `tls.*` names. */
  readonly checkedTls?: CheckedTls | undefined;
}

/**
 * Opens the public listeners and watches their TLS files for changes. If one listener cannot be opened, closes the listeners
 * that are already open and throws `ListenError`.
 */
export async function openPublicListeners(config: Config, parts: ListenerParts): Promise<PublicListeners> {
  await using undo = new AsyncDisposableStack();
  const checked = parts.checkedTls ?? readIdentity(config, parts.clock);
  const tls = checked?.identity;
  const report = new ShedReport(parts);
  undo.defer(() => report.stop());
  const limits = {
    ...limitsOf(config),
    fds: new FdBudget(filesForConnections(parts.log)),
    counts: parts.counts,
    onShed: report.shed,
    onCount: (listener: string, open: number) => parts.metrics.gauge("sallyport_connections", open, { listener }),
  };
  const edgeParts = { ...parts, listen: config["edge.listen"], tls, limits };
  const onePort = config["edge.grpc"] === "same-port";
  const edge = onePort ? await openMuxListener(edgeParts) : openEdge(edgeParts);
  undo.defer(() => edge.close());
  const sweep = onePort ? undefined : limitEdge(edge, edgeParts);
  undo.defer(() => sweep?.stop());
  if (isUnlimitedEdge(config, sweep !== undefined)) {
    const advice = "set edge.grpc = same-port, or limit connections in a proxy and set trusted_proxies";
    parts.log.warn("edge connections unlimited", { advice });
  }
  const grpc = onePort ? edge : await openGrpcListener({ ...edgeParts, listen: config["grpc.listen"] });
  if (!onePort) undo.defer(() => grpc.close());
  const listeners = new Set([edge, grpc]);
  limitUnacknowledged(listeners, config, parts.log);
  const watch = checked && watchIdentity(config, checked, listeners, parts);
  undo.defer(() => watch?.stop());
  const open = undo.move();
  return {
    edgeUrl: edge.url,
    grpcUrl: grpc.url,
    bound: { edge: boundUrl(edge), grpc: boundUrl(grpc) },
    sharePorts() {
      for (const listener of listeners) listener.sharePort();
    },
    retire() {
      for (const listener of listeners) listener.retire();
    },
    drain: async () => {
      limits.bodyTimers.drain();
      await Promise.all([...listeners].map((listener) => listener.drain()));
    },
    prepareTls(next) {
      const paths = tlsPaths(next);
      const renewed = watch && readIdentity(next, parts.clock);
      return {
        commit: () => paths && renewed && watch?.adopt(paths, renewed, next["tls.reload_ms"]),
        changedFiles: changedTlsFiles(watch?.served, renewed?.identity),
      };
    },
    close: () => open.disposeAsync(),
  };
}

/** Returns the bound address of a listener as a URL. */
export function boundUrl({ url, bound }: Listener): string {
  return `${new URL(url).protocol}//${formatAddress(bound)}`;
}

export function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port === "" ? (DEFAULT_PORTS[protocol] ?? 0) : Number(port);
}

/** The ports that `URL` omits because they are the default of the scheme (WHATWG URL, "special scheme"). */
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

function limitsOf(config: Config): Omit<ConnectionLimits, "counts" | "fds" | "onShed" | "onCount"> {
  return {
    totalMax: config["connections.total_max"],
    perNetworkMax: config["connections.per_network_max"],
    firstBytesTimeoutMs: config["connections.opening_ms"],
    requestsMax: config["connections.requests_max"],
    bodyTimers: new BodyTimers(config["connections.body_ms"]),
    stallTimeoutMs: config["connections.stall_ms"],
    pingIntervalMs: config["connections.ping_ms"],
    idleTimeoutMs: config["connections.idle_ms"],
  };
}

/**
 * Limits the number of connections to an edge that has its own port. Returns `undefined` and logs a warning if the limit cannot
 * be enforced. The edge then accepts any number of connections.
 */
function limitEdge({ bound }: RenewableListener, parts: SweepParts & { readonly log: Log }): { stop(): void } | undefined {
  try {
    return sweepConnections(bound, parts);
  } catch (error) {
    parts.log.warn("edge connection limits not enforced", { cause: messageOf(error) });
    return undefined;
  }
}

/** Returns the paths of the TLS files. Returns `undefined` if TLS is off. */
function tlsPaths(config: Config) {
  const certificate = config["tls.certificate_file"];
  const key = config["tls.key_file"];
  if (certificate === undefined || key === undefined) return undefined;
  return { certificate, key, clientCa: config["tls.client_ca_file"] };
}

/** Reads the TLS files. Returns `undefined` if TLS is off. Throws `TlsFilesError`. */
export function readIdentity(config: Config, clock: Clock): CheckedTls | undefined {
  const paths = tlsPaths(config);
  return paths && readTlsFiles(paths, clock.now());
}

function watchIdentity(
  config: Config,
  current: CheckedTls,
  listeners: ReadonlySet<RenewableListener>,
  { clock, log, metrics }: TlsExpiryParts,
) {
  const paths = tlsPaths(config);
  const onRenewed = (renewed: TlsIdentity) => {
    for (const listener of listeners) listener.renewTls(renewed);
  };
  return paths && watchTlsFiles(paths, current, { intervalMs: config["tls.reload_ms"], clock, log, metrics, onRenewed });
}

/**
 * Sets the socket option `TCP_USER_TIMEOUT` on every listener. The kernel then closes a connection whose client stops
 * acknowledging data. If the option cannot be set, logs a warning.
 */
function limitUnacknowledged(listeners: ReadonlySet<RenewableListener>, config: Config, log: Log): void {
  try {
    for (const { bound } of listeners) setUserTimeout(bound, config["connections.user_timeout_ms"]);
  } catch (error) {
    log.warn("TCP_USER_TIMEOUT unavailable", { setting: "connections.user_timeout_ms", cause: messageOf(error) });
  }
}
