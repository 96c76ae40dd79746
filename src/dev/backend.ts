import { randomInt } from "node:crypto";
import { type Clock, systemClock } from "../core/clock.ts";
import { formatAddress, isLoopback, type ListenAddress, localUrl } from "../core/listen.ts";
import { PageGuard } from "../core/page-guard.ts";
import type { Log } from "../core/telemetry.ts";
import type { Endpoints } from "./api.ts";
import { authApi } from "./auth-api.ts";
import { Challenges, type RandomInt } from "./challenges.ts";
import { Chat } from "./chat.ts";
import { openDatabase } from "./database.ts";
import { devApi } from "./dev-api.ts";
import { DeviceSessions } from "./device-sessions.ts";
import { DEV_LIMITS, type DevLimits } from "./limits.ts";
import { openPushListener } from "./push-listener.ts";
import { PushLog } from "./push-log.ts";
import { PushService } from "./push-service.ts";
import { serveRest } from "./rest-server.ts";
import { sessionApi } from "./session-api.ts";
import { userApi } from "./user-api.ts";
import { Users } from "./users.ts";

export interface DevBackendOptions {
  readonly restListen: ListenAddress;
  readonly pushListen: ListenAddress;
  /** Names that the REST API accepts in the `Host` header, in addition to IP addresses and `localhost`. */
  readonly hosts?: readonly string[];
  /** The path of an SQLite file, or ":memory:". */
  readonly database: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** Generates the login codes. Default: `randomInt` of `node:crypto`. */
  readonly random?: RandomInt;
  readonly limits?: Partial<DevLimits>;
}

/** A running embedded backend: login, profiles, a chat, and a push feed. */
export interface DevBackend {
  readonly restUrl: string;
  readonly pushUrl: string;
  /** The endpoints of the development API, such as `/dev/outbox`. The REST interface serves them too. */
  readonly devEndpoints: Endpoints;
  /** Closes the push listener and its streams. New events are stored, and are sent after `startPush`. */
  stopPush(): Promise<void>;
  /** Opens the push listener again on the same port. */
  startPush(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the embedded backend. Rejects with `ListenError`, or with the error of `openDatabase`. */
export async function startDevBackend(options: DevBackendOptions): Promise<DevBackend> {
  const limits = { ...DEV_LIMITS, ...options.limits };
  await using undo = new AsyncDisposableStack();
  const database = openDatabase(options.database);
  undo.defer(() => database.close());
  const parts = assemble(database, options, limits);
  const push = await startPushFeed(options.pushListen, parts.pushLog, limits);
  undo.defer(() => push.stop());
  const pages = new PageGuard([...(options.hosts ?? []), options.restListen.host]);
  const devEndpoints = devApi(parts);
  const endpoints = { ...endpointsOf(parts), ...devEndpoints };
  const rest = serveRest(options.restListen, { endpoints, pages, log: options.log });
  undo.defer(() => rest.stop(true));
  const exposed = [options.restListen, options.pushListen].filter(({ host }) => !isLoopback(host)).map(formatAddress);
  if (exposed.length > 0)
    options.log.warn("embedded backend exposed without authentication", { addresses: exposed.join(", ") });
  const running = undo.move();
  return {
    restUrl: localUrl({ host: options.restListen.host, port: rest.port ?? options.restListen.port }),
    pushUrl: localUrl({ host: options.pushListen.host, port: push.port }),
    devEndpoints,
    stopPush: () => push.stop(),
    startPush: () => push.start(),
    stop: () => running.disposeAsync(),
  };
}

type Parts = ReturnType<typeof assemble>;

function assemble(database: ReturnType<typeof openDatabase>, options: DevBackendOptions, limits: DevLimits) {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? ((below: number) => randomInt(below));
  const users = new Users(database, clock, limits.usersMax);
  const pushLog = new PushLog(database, clock, limits);
  return {
    clock,
    users,
    pushLog,
    sessions: new DeviceSessions(database, clock, limits.sessionsMax),
    challenges: new Challenges(database, clock, random, limits),
    chat: new Chat(database, clock, limits, users, pushLog),
  };
}

function endpointsOf(parts: Parts) {
  return { ...authApi(parts), ...sessionApi(parts.sessions), ...userApi(parts) };
}

/** Opens a push listener that can be stopped, and started again on the same port. */
async function startPushFeed(listen: ListenAddress, pushLog: PushLog, limits: DevLimits) {
  const service = new PushService(pushLog, limits);
  const open = (port: number) => openPushListener({ host: listen.host, port }, service.routes, limits.pushStreamsMax);
  let listener: Awaited<ReturnType<typeof open>> | undefined = await open(listen.port);
  const { port } = listener;
  return {
    port,
    async start() {
      listener ??= await open(port);
    },
    async stop() {
      const stopping = listener;
      listener = undefined;
      await stopping?.close();
    },
  };
}
