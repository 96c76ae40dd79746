import type { GatewayConfig } from "../config/rules.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { HttpEndpoint } from "../core/http-endpoint.ts";
import type { Prepared } from "../core/reload.ts";
import type { Revocations } from "../core/revocations.ts";
import type { Log } from "../core/telemetry.ts";
import type { KeyRing } from "../crypto/key-ring.ts";
import type { EventStreams } from "../hub/event-streams.ts";
import type { GatewayMetrics } from "../observe/metrics.ts";
import { gatewayService } from "../service/gateway-service.ts";
import { publicEndpoints } from "../service/public/endpoints.ts";
import { PublicRoutes } from "../service/public/public-routes.ts";
import type { Stores } from "../stores/open.ts";
import { Cors, type CorsOptions } from "../transport/bun/cors.ts";
import { PeerResolver } from "../transport/peer/peer-address.ts";
import type { CheckedTls } from "../transport/tls/tls-files.ts";
import { openAdmission } from "./admission.ts";
import type { openBackend } from "./backend.ts";
import { openPublicListeners, type PublicListeners } from "./listeners.ts";
import { publicTable } from "./options.ts";
import type { Readiness } from "./readiness.ts";
import { createRpcServer } from "./rpc-server.ts";
import { standardServices } from "./standard-services.ts";

interface RequestPathParts {
  readonly stores: Stores;
  readonly backend: ReturnType<typeof openBackend>;
  readonly streams: EventStreams;
  readonly revocations: Revocations;
  readonly keys: KeyRing;
  readonly readiness: Readiness;
  /** Returns true if new calls are refused because the gateway stops. */
  readonly isStopping: () => boolean;
  /** Further HTTP endpoints of the edge, such as the playground. */
  readonly endpoints: readonly HttpEndpoint[];
  /** See `openPublicListeners`. */
  readonly checkedTls?: CheckedTls | undefined;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
}

/** The parts through which each request passes: public listeners, RPC layer, pipeline, backend. */
export interface RequestPath extends Pick<PublicListeners, "edgeUrl" | "grpcUrl" | "bound" | "sharePorts" | "retire"> {
  /** See `ReloadPart.prepare`. Throws `TlsFilesError` if a TLS file cannot be used. */
  prepare(next: Config): Prepared;
  /** Refuses new calls, and stops accepting connections. Resolves when all running calls are answered. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the public listeners, with their RPC server and pipeline. Throws `ListenError`. */
export async function openRequestPath(config: GatewayConfig, parts: RequestPathParts): Promise<RequestPath> {
  const { stores, backend, streams, revocations, keys, readiness, isStopping, log, metrics, clock } = parts;
  await using undo = new AsyncDisposableStack();
  const standard = standardServices(config, readiness);
  undo.defer(() => standard.shutDown());
  const admission = openAdmission(config, { stores, clock, log, metrics });
  const { lastingCalls } = admission.pipeline;
  undo.defer(() => lastingCalls.abort());
  const pipeline = { ...admission.pipeline, backend: backend.commands, revocations, signer: keys };
  const gateway = gatewayService({ pipeline, streams, heartbeatMs: config["streams.heartbeat_ms"], isStopping });
  const methods = [...gateway, ...standard.methods];
  const shuttingDown = () => streams.shuttingDown();
  const publicRoutes = new PublicRoutes(publicTable(config), {
    ...{ ...admission.publicCalls, backend: backend.publicAuth, isStopping, shuttingDown, log, metrics, clock },
  });
  const rpc = createRpcServer(config, { methods, guard: admission.guard, clock, log, metrics });
  const peers = peerResolver(config);
  const cors = new Cors(corsOptions(config));
  const listeners = await openPublicListeners(config, {
    rpc,
    requestBytesMax: config["limits.request_bytes_max"],
    peers,
    publicRoutes,
    endpoints: publicEndpoints({
      ...{ charges: admission.publicCalls, keys, more: parts.endpoints, log, metrics, clock },
    }),
    counts: stores.heldConnections,
    checkedTls: parts.checkedTls,
    cors,
    ...{ log, metrics, clock },
  });
  undo.defer(() => listeners.close());
  const open = undo.move();
  const { edgeUrl, grpcUrl, bound } = listeners;
  return {
    ...{ edgeUrl, grpcUrl, bound },
    sharePorts: () => listeners.sharePorts(),
    retire: () => listeners.retire(),
    prepare(next) {
      const table = publicTable(next);
      const nextPeers = peerResolver(next);
      const adoptBudgets = admission.prepare(next);
      const tls = listeners.prepareTls(next);
      return {
        commit() {
          adoptBudgets();
          tls.commit();
          publicRoutes.adopt(table);
          peers.adopt(nextPeers);
          cors.adopt(corsOptions(next));
          rpc.adopt({ requestBytesMax: next["limits.request_bytes_max"] });
          pipeline.payloadBytesMax = next["limits.payload_bytes_max"];
        },
        changedFiles: tls.changedFiles ?? [],
      };
    },
    async drain() {
      standard.shutDown();
      await listeners.drain();
      await lastingCalls.drain();
    },
    close: () => open.disposeAsync(),
  };
}

function peerResolver(config: Config): PeerResolver {
  return new PeerResolver(config.trusted_proxies, config.trusted_proxies_header);
}

function corsOptions(config: Config): CorsOptions {
  return { origins: config["cors.origins"], maxAgeSeconds: config["cors.max_age_seconds"] };
}
