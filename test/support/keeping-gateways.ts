import type { Transport } from "@connectrpc/connect";
import type { Gateway } from "../../src/app/gateway.ts";
import type { Config } from "../../src/config/schema.ts";
import { openFleet } from "./fleet.ts";
import { TestRedis } from "./redis.ts";
import type { Variant } from "./variants.ts";
import { openWorld, type World } from "./world.ts";

/** A path of the backend that counts how often it executes each command. */
export const COUNT_PATH = "/api/v1/user/test/count";
/** A message type that COUNT_PATH serves. Its answers are kept for ten minutes. */
export const COUNT = "test.count";

/** How long the answers of `test.brief` are kept. */
export const BRIEF_MS = 1000;

export const KEEPING_ROUTES: Config["routes"] = [
  { message_type: COUNT, method: "POST", path: COUNT_PATH, keep_answer_ms: 600_000 },
  { message_type: "test.other", method: "POST", path: COUNT_PATH, keep_answer_ms: 600_000 },
  { message_type: "test.brief", method: "POST", path: COUNT_PATH, keep_answer_ms: BRIEF_MS },
  { message_type: "test.slow", method: "POST", path: COUNT_PATH, keep_answer_ms: 600_000, timeout_ms: 1000 },
  { message_type: "test.plain", method: "POST", path: COUNT_PATH },
  { message_type: "test.get", method: "GET", path: `${COUNT_PATH}/{id}`, keep_answer_ms: 600_000 },
];

export type StoreKind = "memory" | "Redis";

/** Gateways that keep answers: one with its stores in memory, or two with one Redis. */
export interface KeepingGateways {
  readonly world: World;
  readonly gateways: readonly Gateway[];
  /** Only with Redis. */
  readonly redis: TestRedis | undefined;
  /** The commands that the backend has executed, as it saw their headers. */
  readonly executed: readonly Headers[];
  /** Replaces the backend's answer to each execution. `at` is the number of executions before. */
  answer(respond: (at: number, request: Request) => Response | Promise<Response>): void;
  /** A transport to one of the gateways, in turn. */
  transport(variant: Variant, gateway?: number): Transport;
  logged(): string;
  close(): Promise<void>;
}

export async function openKeeping(kind: StoreKind, overrides: Partial<Config> = {}): Promise<KeepingGateways> {
  const settings = { routes: KEEPING_ROUTES, ...overrides };
  const redis = kind === "Redis" ? await TestRedis.start() : undefined;
  const fleet = redis && (await openFleet(redis, settings));
  const world = fleet?.world ?? (await openWorld(settings));
  const gateways = fleet?.gateways ?? [world.gateway];
  const executed: Headers[] = [];
  let respond: Parameters<KeepingGateways["answer"]>[0] = (at) => Response.json({ execution: at });
  world.faults.on(COUNT_PATH, (request) => respond(executed.push(new Headers(request.headers)) - 1, request));
  return {
    ...{ world, gateways, redis, executed },
    answer: (next) => {
      respond = next;
    },
    transport({ listener, open }, at = 0) {
      const gateway = gateways[at % gateways.length] ?? world.gateway;
      return open(listener === "edge" ? gateway.edgeUrl : gateway.grpcUrl);
    },
    logged: () => fleet?.logged() ?? world.logged(),
    async close() {
      await (fleet ?? world).close();
      await redis?.close();
    },
  };
}
