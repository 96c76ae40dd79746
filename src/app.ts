import { hostname } from "node:os";
import project from "../package.json" with { type: "json" };
import { PublicAuth } from "./backend/public-auth.ts";
import { PushFeed } from "./backend/push-feed.ts";
import { openPushLink } from "./backend/push-transport.ts";
import { RestBackend } from "./backend/rest-client.ts";
import { RouteTable } from "./backend/route-table.ts";
import { BackendSessionSource } from "./backend/session-lookup.ts";
import type { Config } from "./config/schema.ts";
import { loadSeeds } from "./config/seeds.ts";
import { type Clock, systemClock } from "./core/clock.ts";
import type { TlsIdentity } from "./core/listen.ts";
import type { Budget, Log, PushFeedSink } from "./core/ports.ts";
import { refuse } from "./core/refusal.ts";
import { RevocationLog } from "./core/revocation-log.ts";
import { isStrictPublicKey, verifyingKey } from "./crypto/ed25519.ts";
import { KeyRing } from "./crypto/key-ring.ts";
import { callLog } from "./http/call-log.ts";
import { Cors } from "./http/cors.ts";
import { openEdge } from "./http/edge.ts";
import { gatewayService } from "./http/gateway-service.ts";
import { openGrpc } from "./http/grpc.ts";
import { openOps } from "./http/ops.ts";
import { PeerResolver } from "./http/peer-address.ts";
import type { PublicRoute } from "./http/public-auth.ts";
import { checkConfirmCode, checkSendCode } from "./http/public-schema.ts";
import { readTlsFiles, watchTlsFiles } from "./http/tls-files.ts";
import { Hub } from "./hub/hub.ts";
import { createMetrics, type GatewayMetrics } from "./observe/metrics.ts";
import { traceparents } from "./observe/trace.ts";
import { brotli, Compressions, gzip, zstd } from "./rpc/compression.ts";
import type { ProtocolName } from "./rpc/protocol.ts";
import { RpcServer } from "./rpc/server.ts";
import { openStores, type Stores } from "./stores/open.ts";

/** A running gateway. */
export interface Gateway {
  /** `http://host:port` of the edge. */
  readonly edgeUrl: string;
  /** Of the gRPC listener. */
  readonly grpcUrl: string;
  readonly adminUrl: string;
  /** Resolves to `true` once everything is stopped in order; `false` where the deadline cut what was still under way. */
  stop(): Promise<boolean>;
}

export interface GatewayOptions {
  readonly config: Config;
  readonly log: Log;
  readonly metrics?: GatewayMetrics;
  readonly clock?: Clock;
  /** Other stores than the configuration's. */
  readonly openStores?: typeof openStores;
}

const PROTOCOLS: readonly ProtocolName[] = ["connect", "grpc-web", "grpc"];
const HEARTBEAT_INTERVAL_MS = 25_000;
const QUEUE_BYTES_MAX = 1024 * 1024;
const COMPRESS_BYTES_MIN = 1024;

/**
 * Puts the gateway together and starts it: keys, stores, backend and push feed, hub, listeners. Throws `ConfigError` or
 * `ListenError`, with nothing left running.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, log, clock = systemClock } = options;
  const metrics = options.metrics ?? createMetrics({ version: project.version, clock });
  const lifecycle = { stopping: false };
  const keys = openKeyRing(config);
  const revocations = new RevocationLog();
  await using undo = new AsyncDisposableStack();

  const backend = openBackend(config, metrics, clock);
  undo.defer(() => backend.close());
  const feedState = { trusted: () => true };
  const stores = (options.openStores ?? openStores)(config, {
    source: backend.sessions,
    revocations,
    clock,
    trusted: () => feedState.trusted(),
  });
  const hub = new Hub({
    signer: keys,
    clock,
    metrics,
    revocations,
    newEventId: () => Bun.randomUUIDv7(),
    queueBytesMax: QUEUE_BYTES_MAX,
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
  });
  const feed = openFeed(config, { hub, stores, revocations, log, metrics, clock });
  undo.defer(() => feed.stop());
  feedState.trusted = () => isTrusted(feed, config["push.grace_ms"], clock);

  const isStopping = () => lifecycle.stopping;
  const pipeline = { ...pipelineOptions(config), ...stores, backend: backend.commands, clock };
  const rpc = new RpcServer(gatewayService({ pipeline, hub, signer: keys, clock, isStopping }), {
    requestBytesMax: config["limits.request_bytes_max"],
    tooLarge: (limitBytes) => refuse("REQUEST_TOO_LARGE", { metadata: { limit_bytes: String(limitBytes) } }),
    compressions: new Compressions([gzip, brotli, zstd]),
    compressBytesMin: COMPRESS_BYTES_MIN,
    clock,
    onDone: callLog(log, metrics, clock),
  });
  const tls = openTls(config, log);
  undo.defer(() => tls?.stop());
  const common = { tls: tls?.identity, rpc, peers: new PeerResolver(config.trusted_proxies), log };
  const edge = openEdge({
    ...common,
    listen: config["edge.listen"],
    requestBytesMax: config["limits.request_bytes_max"],
    publicRoutes: publicRoutes(config),
    publicAuth: { backend: backend.publicAuth, buckets: stores.buckets, clock, isStopping },
    jwks: keys.jwks,
    cors: new Cors({ origins: config["cors.origins"], maxAgeSeconds: config["cors.max_age_seconds"] }),
    metrics,
    clock,
  });
  undo.defer(() => edge.close());
  const grpc = await openGrpc({ ...common, listen: config["grpc.listen"] });
  undo.defer(() => grpc.close());
  tls?.onRenewed((identity) => {
    for (const listener of [edge, grpc]) listener.renewTls(identity);
  });
  const admin = openOps({
    listen: config["admin.listen"],
    notReady: () => notReady(lifecycle.stopping, feedState.trusted()),
    renderMetrics: () => metrics.render(),
  });
  undo.defer(() => admin.close());
  metrics.beforeRender(() => {
    stores.sample(metrics);
    const streams = hub.streamsByProtocol();
    for (const protocol of PROTOCOLS) metrics.gauge("sallyport_streams", streams.get(protocol) ?? 0, { protocol });
  });
  feed.start();

  const running = undo.move();
  log.info("gateway: up", { edge: edge.url, grpc: grpc.url, admin: admin.url, key_id: keys.keyId });
  const stopInOrder = async () => {
    lifecycle.stopping = true;
    hub.shutDown();
    const inTime = await within(config["shutdown.deadline_ms"], Promise.all([edge.drain(), grpc.drain()]));
    await running.disposeAsync();
    log.info("gateway: stopped", { in_time: inTime });
    return inTime;
  };
  let stopped: Promise<boolean> | undefined;
  return {
    edgeUrl: edge.url,
    grpcUrl: grpc.url,
    adminUrl: admin.url,
    stop() {
      stopped ??= stopInOrder();
      return stopped;
    },
  };
}

function openKeyRing(config: Config): KeyRing {
  const { current, next, previous } = loadSeeds(config);
  // `serve` insists on a key; for `dev` and `demo` one that lives as long as the process will do.
  return new KeyRing({ current: current ?? crypto.getRandomValues(new Uint8Array(32)), next, previous });
}

/** The TLS identity of the files, watched for renewals; `undefined` where TLS is not configured. */
function openTls(config: Config, log: Log) {
  const certificate = config["tls.certificate_file"];
  const key = config["tls.key_file"];
  if (certificate === undefined || key === undefined) return undefined;
  const paths = { certificate, key, clientCa: config["tls.client_ca_file"] };
  const identity = readTlsFiles(paths);
  let onRenewed: (identity: TlsIdentity) => void = () => {};
  const watch = watchTlsFiles(paths, identity, {
    intervalMs: config["tls.reload_ms"],
    log,
    onRenewed: (renewed) => onRenewed(renewed),
  });
  const setOnRenewed = (listener: (identity: TlsIdentity) => void) => {
    onRenewed = listener;
  };
  return { identity, onRenewed: setOnRenewed, stop: watch.stop };
}

/** The three ways in which the gateway calls the backend, each with its own connections. */
function openBackend(config: Config, metrics: GatewayMetrics, clock: Clock) {
  const common = { url: config["backend.url"], token: config["backend.token"], metrics };
  const timeoutMs = config["backend.timeout_ms"];
  const responseBytesMax = config["backend.response_bytes_max"];
  const traceparent = traceparents();
  const routes = new RouteTable(config.routes);
  const commands = new RestBackend({ ...common, routes, timeoutMs, responseBytesMax, traceparent, clock });
  const sessions = new BackendSessionSource({
    ...common,
    timeoutMs: config["backend.session_timeout_ms"],
    toKey: verifyingKey,
  });
  const publicAuth = new PublicAuth({ ...common, timeoutMs, responseBytesMax, traceparent });
  const close = () => {
    for (const each of [commands, sessions, publicAuth]) each.close();
  };
  return { commands, sessions, publicAuth, close };
}

interface FeedParts {
  readonly hub: Hub;
  readonly stores: Stores;
  readonly revocations: RevocationLog;
  readonly log: Log;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
}

function openFeed(config: Config, { hub, stores, revocations, log, metrics, clock }: FeedParts): PushFeed {
  const sink: PushFeedSink = {
    event: (event) => hub.publish(event),
    // The log first: whoever is between a look-up and what follows it asks there.
    revoke: (revocation) => {
      revocations.append(revocation);
      stores.sessions.revoke(revocation);
      hub.revoke(revocation);
    },
    gap: () => stores.sessions.clear(),
  };
  const { "push.url": url, "push.protocol": protocol, "backend.token": token } = config;
  return new PushFeed({
    link: openPushLink({ url, protocol, token }),
    gatewayId: config["push.gateway_id"] ?? hostname(),
    sink,
    backoffMinMs: config["push.backoff_min_ms"],
    backoffMaxMs: config["push.backoff_max_ms"],
    clock,
    random: Math.random,
    log,
    metrics,
  });
}

/** Whether revocations arrive: the feed is up, or has been down for no longer than its grace. */
function isTrusted(feed: PushFeed, graceMs: number, clock: Clock): boolean {
  const state = feed.state();
  return state.up || clock.now() - state.downSinceMs <= graceMs;
}

function notReady(stopping: boolean, feedTrusted: boolean): string[] {
  return [...(stopping ? ["shutting down"] : []), ...(feedTrusted ? [] : ["the push feed is down"])];
}

function pipelineOptions(config: Config) {
  return {
    payloadBytesMax: config["limits.payload_bytes_max"],
    freshness: { windowMs: config["freshness.window_ms"], marginMs: config["freshness.margin_ms"] },
    budgets: {
      ip: budget(config, "ip"),
      session: budget(config, "session"),
      user: budget(config, "user"),
      failures: budget(config, "failures"),
    },
  };
}

function publicRoutes(config: Config): PublicRoute[] {
  const classBudget = budget(config, "public_auth");
  return [
    {
      path: "/api/v1/public/auth/send-email-code",
      check: checkSendCode,
      classBudget,
      identityBudget: budget(config, "send_code"),
    },
    {
      path: "/api/v1/public/auth/confirm-email-code",
      check: (json) => checkConfirmCode(json, isStrictPublicKey),
      classBudget,
      identityBudget: budget(config, "confirm_code"),
    },
  ];
}

type BudgetName = "ip" | "session" | "user" | "failures" | "public_auth" | "send_code" | "confirm_code";

function budget(config: Config, name: BudgetName): Budget {
  return { ratePerSecond: config[`budgets.${name}.rate`], burst: config[`budgets.${name}.burst`] };
}

/** Whether the work was done within `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  work.then(
    () => resolve(true),
    () => resolve(false),
  );
  const inTime = await promise;
  clearTimeout(timer);
  return inTime;
}
