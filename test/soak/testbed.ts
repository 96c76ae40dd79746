import { selfSigned } from "../support/certificates.ts";
import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { type Child, startChild } from "./child.ts";
import type { BackendAnswers } from "./children/backend.ts";
import type { ClientsAnswers } from "./children/clients.ts";
import type { GatewayAnswers } from "./children/gateway.ts";
import { type OpenFiles, openFiles } from "./files.ts";
import type { Namespaces } from "./namespaces.ts";

/** How the gateway listens. */
export interface Setting {
  readonly name: string;
  readonly onePort: boolean;
  readonly tls: boolean;
}

export const SETTINGS: readonly Setting[] = [
  { name: "two ports", onePort: false, tls: false },
  { name: "two ports, TLS", onePort: false, tls: true },
  { name: "one port", onePort: true, tls: false },
  { name: "one port, TLS", onePort: true, tls: true },
];

/** A gateway, its backend and clients, each in its own process, so that the gateway's resources are measured alone. */
export interface Testbed {
  readonly gateway: Child<GatewayAnswers>;
  readonly clients: Child<ClientsAnswers>;
  /** Clients that can be cut off; `undefined` without namespaces. */
  readonly outside: Child<ClientsAnswers> | undefined;
  openFiles(): OpenFiles;
  close(): Promise<void>;
}

/**
 * Dead clients are detected and reservations expire within seconds. The tables have room for what arrives in that time instead of the default
 * million entries: a table is allocated whole, and resident memory grows until each of its pages has been written to.
 */
const SHORT_TIMEOUTS = {
  "streams.heartbeat_ms": "1000",
  "connections.user_timeout_ms": "2000",
  "connections.ping_ms": "2000",
  "freshness.window_ms": "5000",
  "freshness.margin_ms": "1000",
  "replay.entries_max": "100000",
  "buckets.entries_max": "10000",
};

/** `overrides` replace the soak's settings of the gateway. */
export async function openTestbed(
  { onePort, tls }: Setting,
  namespaces: Namespaces | undefined,
  overrides: Readonly<Record<string, string>> = {},
): Promise<Testbed> {
  await using undo = new AsyncDisposableStack();
  const start = async <T>(name: string, parameters: object, prefix = namespaces?.inside) => {
    const child = await startChild<T>(name, parameters, { prefix });
    undo.defer(() => child.stop());
    return child;
  };
  const certificate = tls ? await selfSigned("soak") : undefined;
  const identity = certificate && {
    "tls.certificate_file": certificate.certificateFile,
    "tls.key_file": certificate.keyFile,
  };
  const backend = await start<BackendAnswers>("backend", { publicKey: DEVICE_PUBLIC_KEY });
  const { backendUrl, pushUrl } = await backend.ask("addresses");
  const settings = { ...SHORT_TIMEOUTS, "edge.grpc": onePort ? "same-port" : "own-port", ...identity, ...overrides };
  const listen = namespaces === undefined ? "127.0.0.1" : "0.0.0.0";
  const gateway = await start<GatewayAnswers>("gateway", { backendUrl, pushUrl, listen, settings });
  const ports = await gateway.ask("ports");
  const clients = await start<ClientsAnswers>("clients", { host: "127.0.0.1", ports, tls });
  const outside =
    namespaces && (await start<ClientsAnswers>("clients", { host: namespaces.address, ports, tls }, namespaces.outside));
  const running = undo.move();
  const known = { clients: Object.values(ports), backend: [backendUrl, pushUrl].map((url) => Number(new URL(url).port)) };
  return {
    gateway,
    clients,
    outside,
    openFiles: () => openFiles(gateway.pid, known),
    close: () => running.disposeAsync(),
  };
}
