import { randomInt } from "node:crypto";
import { type Clock, systemClock } from "../core/clock.ts";
import { formatAddress, isLoopback, type ListenAddress, localUrl } from "../core/listen.ts";
import { PageGuard } from "../core/page-guard.ts";
import type { Log } from "../core/ports.ts";
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
import { serveRest } from "./rest.ts";
import { sessionApi } from "./session-api.ts";
import { userApi } from "./user-api.ts";
import { Users } from "./users.ts";

export interface DevBackendOptions {
  readonly restListen: ListenAddress;
  readonly pushListen: ListenAddress;
  /** Names under which the REST API may be asked, besides literal addresses and `localhost`. */
  readonly hosts?: readonly string[];
  /** A file, or ":memory:". */
  readonly database: string;
  readonly log: Log;
  readonly clock?: Clock;
  /** Where login codes come from; a secure source unless told otherwise. */
  readonly random?: RandomInt;
  readonly limits?: Partial<DevLimits>;
}

/** A backend to run the gateway against: accounts, a chat, and a push feed. */
export interface DevBackend {
  readonly restUrl: string;
  readonly pushUrl: string;
  /** Kills the push feed alone, cutting its streams; what is pushed meanwhile waits in the log. */
  stopPush(): Promise<void>;
  /** Brings the push feed back on the same port. */
  startPush(): Promise<void>;
  stop(): Promise<void>;
}

/** Rejects with `ListenError` where a port cannot be had, or with SQLite's error where the database cannot be opened. */
export async function startDevBackend(options: DevBackendOptions): Promise<DevBackend> {
  const limits = { ...DEV_LIMITS, ...options.limits };
  await using undo = new AsyncDisposableStack();
  const database = openDatabase(options.database);
  undo.defer(() => database.close());
  const parts = assemble(database, options, limits);
  const push = await startPushFeed(options.pushListen, parts.pushLog, limits);
  undo.defer(() => push.stop());
  const pages = new PageGuard([...(options.hosts ?? []), options.restListen.host]);
  const rest = serveRest(options.restListen, { endpoints: endpointsOf(parts), pages, log: options.log });
  undo.defer(() => rest.stop(true));
  const open = [options.restListen, options.pushListen].filter(({ host }) => !isLoopback(host)).map(formatAddress);
  if (open.length > 0)
    options.log.warn("embedded backend without authentication is not on loopback", { bound: open.join(", ") });
  const running = undo.move();
  return {
    restUrl: localUrl({ host: options.restListen.host, port: rest.port ?? options.restListen.port }),
    pushUrl: localUrl({ host: options.pushListen.host, port: push.port }),
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
  return { ...authApi(parts), ...sessionApi(parts.sessions), ...userApi(parts), ...devApi(parts) };
}

/** A push listener that can be stopped and started, and keeps its port. */
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
