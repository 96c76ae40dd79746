import { type Client, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Gateway } from "../../src/app/gateway.ts";
import { reasonOf } from "../../src/client/errors.ts";
import type { Config } from "../../src/config/schema.ts";
import { Gateway as GatewayService } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import type { TestRedis } from "./redis.ts";
import { startTestGateway, TEST_WORKERS } from "./test-gateway.ts";
import { until } from "./until.ts";
import { metric, openWorld, type World } from "./world.ts";

type GatewayClient = Client<typeof GatewayService>;
type SignedRequest = Parameters<GatewayClient["executeCommand"]>[0];

/** Two gateways with one backend and one Redis, as on two hosts. */
export interface Fleet {
  /** The first gateway and the backend. */
  readonly world: World;
  readonly gateways: readonly [Gateway, Gateway];
  /** Sends a request to gateway 0 or 1. Resolves to the result code, or to the reason of the refusal. */
  send(gateway: number, request: SignedRequest): Promise<string>;
  /** Number of processes of both gateways. Each has its own connection to Redis. */
  readonly processes: number;
  /** The log lines of both gateways. */
  logged(): string;
  close(): Promise<void>;
}

const CLIENTS_PER_WORKER = 4;

/** `stores.redis.durable` is on unless overridden, so that a new Redis starts without quarantine. */
export async function openFleet(
  redis: Pick<TestRedis, "url">,
  overrides: Partial<Config> = {},
  workers: number = TEST_WORKERS,
): Promise<Fleet> {
  const stores = { "stores.kind": "redis", "stores.redis.url": redis.url, "stores.redis.durable": true } as const;
  const world = await openWorld({ ...stores, ...overrides }, { workers });
  const started = await startTestGateway(world.config, { workers });
  const second = started.gateway;
  await until(async () => (await metric(second, "sallyport_push_feed_up")) === 1, "the second gateway's push feed to be up");
  const gateways = [world.gateway, second] as const;
  // Each client has its own connection, so that all workers get requests.
  const ofGateway = workers === 1 ? 1 : CLIENTS_PER_WORKER * workers;
  const clients = Array.from({ length: ofGateway }, () => gateways.map(({ edgeUrl }) => clientOf(edgeUrl))).flat();
  let calls = 0;
  return {
    world,
    gateways,
    processes: workers === 1 ? 2 : 2 * (workers + 1),
    async send(gateway, request) {
      const client = clients[((2 * calls++) % clients.length) + (gateway % 2)];
      if (client === undefined) throw new Error("no such gateway");
      try {
        const { envelope } = await client.executeCommand(request);
        return envelope?.resultCode ?? "";
      } catch (error) {
        return reasonOf(error) ?? String(error);
      }
    },
    logged: () => world.logged() + started.logged(),
    async close() {
      await started.stop();
      await world.close();
    },
  };
}

/** A client of one gateway. */
export function clientOf(baseUrl: string): GatewayClient {
  return createClient(GatewayService, createConnectTransport({ baseUrl, httpVersion: "2" }));
}
