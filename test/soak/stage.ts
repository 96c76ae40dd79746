import { selfSigned } from "../support/certificates.ts";
import { DEVICE_PUBLIC_KEY } from "../support/load-device.ts";
import { type Child, startChild } from "./child.ts";
import type { BackendAnswers } from "./children/backend.ts";
import type { ClientsAnswers } from "./children/clients.ts";
import type { GatewayAnswers } from "./children/gateway.ts";
import { type OpenFiles, openFiles } from "./files.ts";
import type { Namespaces } from "./namespaces.ts";

/** How the gateway is put up. */
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

/** A gateway in a process of its own, its backend in another, clients in others: what is left is left by the gateway. */
export interface Stage {
  readonly gateway: Child<GatewayAnswers>;
  readonly clients: Child<ClientsAnswers>;
  /** Clients that can be cut off; where there are namespaces. */
  readonly outside: Child<ClientsAnswers> | undefined;
  openFiles(): OpenFiles;
  close(): Promise<void>;
}

/**
 * Quick to miss a client, and to forget a request id. The tables hold what comes in that time and not the default's million: they are
 * set aside whole, and until every page of them has been written to, resident memory grows with each random key.
 */
const QUICK = {
  "streams.heartbeat_ms": "1000",
  "connections.user_timeout_ms": "2000",
  "connections.ping_ms": "2000",
  "freshness.window_ms": "5000",
  "freshness.margin_ms": "1000",
  "replay.entries_max": "100000",
  "buckets.entries_max": "10000",
};

/** `overrides`: settings of the gateway's that are not to be the soak's. */
export async function openStage(
  { onePort, tls }: Setting,
  namespaces: Namespaces | undefined,
  overrides: Readonly<Record<string, string>> = {},
): Promise<Stage> {
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
  const settings = { ...QUICK, "edge.grpc": onePort ? "same-port" : "own-port", ...identity, ...overrides };
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
