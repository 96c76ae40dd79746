import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  type HealthCheckResponse_ServingStatus,
  Health as HealthService,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../../src/gen/grpc/health/v1/health_pb.ts";
import { Health } from "../../../../src/rpc/services/health.ts";
import { H2_VARIANTS, openRpcListeners, type RpcListeners, TEXT_VARIANT } from "../../../support/rpc-listeners.ts";
import { until } from "../../../support/until.ts";

const GATEWAY = "sallyport.v1.Gateway";
const WATCHERS_MAX = 3;
const VARIANTS = [...H2_VARIANTS, TEXT_VARIANT];

let health: Health;
let listeners: RpcListeners;

beforeEach(async () => {
  health = new Health({ watchersMax: WATCHERS_MAX });
  health.set("", true);
  health.set(GATEWAY, true);
  listeners = await openRpcListeners(health.methods());
});

afterEach(() => listeners.close());

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "ok",
    (error) => Code[ConnectError.from(error).code] ?? "",
  );
}

/** A Watch stream: the statuses that it received, and the code with which it ended. */
class Watch {
  readonly received: HealthCheckResponse_ServingStatus[] = [];
  ended: string | undefined;
  readonly #cancel = new AbortController();

  constructor(client: HealthClient, service: string) {
    this.#run(client, service);
  }

  static async open(client: HealthClient, service: string): Promise<Watch> {
    const watch = new Watch(client, service);
    await watch.untilReceived(1);
    return watch;
  }

  untilReceived(times: number): Promise<void> {
    return until(() => this.received.length >= times, `status number ${times}`);
  }

  untilEnded(): Promise<void> {
    return until(() => this.ended !== undefined, "the watch to end");
  }

  cancel(): void {
    this.#cancel.abort();
  }

  async #run(client: HealthClient, service: string): Promise<void> {
    const stream = async () => {
      for await (const { status } of client.watch({ service }, { signal: this.#cancel.signal })) this.received.push(status);
    };
    this.ended = await codeOf(stream());
  }
}

type HealthClient = ReturnType<typeof clientOf>;

function clientOf(at = 0) {
  const variant = VARIANTS[at];
  if (variant === undefined) throw new RangeError("no such variant");
  return createClient(HealthService, variant.open(listeners));
}

describe.each(VARIANTS.map(({ name }, at) => [name, at] as const))("%s", (_, at) => {
  test("a probe learns how the server and each of its services are", async () => {
    health.set(GATEWAY, false);
    const client = clientOf(at);
    expect((await client.check({})).status).toBe(Status.SERVING);
    expect((await client.check({ service: GATEWAY })).status).toBe(Status.NOT_SERVING);
    expect(await codeOf(client.check({ service: "nobody.v1.Knows" }))).toBe("NotFound");
    const { statuses } = await client.list({});
    expect(Object.entries(statuses).map(([service, { status }]) => [service, status])).toEqual([
      ["", Status.SERVING],
      [GATEWAY, Status.NOT_SERVING],
    ]);
  });

  test("a watcher receives each change, and `unavailable` at shutdown", async () => {
    const watch = await Watch.open(clientOf(at), GATEWAY);
    health.set(GATEWAY, false);
    health.set("", false);
    health.set(GATEWAY, true);
    await watch.untilReceived(3);
    health.shutDown();
    await watch.untilEnded();
    expect(watch.received).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
    expect(watch.ended).toBe("Unavailable");
  });

  test("a watcher of an unknown service receives its status when it becomes known", async () => {
    const watch = await Watch.open(clientOf(at), "late.v1.Comer");
    health.set("late.v1.Comer", true);
    await watch.untilReceived(2);
    expect(watch.received).toEqual([Status.SERVICE_UNKNOWN, Status.SERVING]);
    expect(watch.ended).toBeUndefined();
    watch.cancel();
    await watch.untilEnded();
  });
});

test("setting the same status again sends nothing to watchers", async () => {
  const watch = await Watch.open(clientOf(), GATEWAY);
  health.set(GATEWAY, true);
  health.set(GATEWAY, false);
  await watch.untilReceived(2);
  expect(watch.received).toEqual([Status.SERVING, Status.NOT_SERVING]);
  watch.cancel();
});

test("after shutdown every service stays NOT_SERVING, and a new watch ends immediately", async () => {
  health.shutDown();
  health.set(GATEWAY, true);
  expect((await clientOf().check({ service: GATEWAY })).status).toBe(Status.NOT_SERVING);
  const watch = await Watch.open(clientOf(), GATEWAY);
  await watch.untilEnded();
  expect(watch).toMatchObject({ received: [Status.NOT_SERVING], ended: "Unavailable" });
});

test("watchers are bounded: a network that holds all places is refused another one", async () => {
  const watches: Watch[] = [];
  for (let at = 0; at < WATCHERS_MAX; at++) watches.push(await Watch.open(clientOf(), GATEWAY));
  const late = new Watch(clientOf(), GATEWAY);
  await late.untilEnded();
  expect(late).toMatchObject({ received: [], ended: "ResourceExhausted" });
  expect(watches.map(({ ended }) => ended)).toEqual([undefined, undefined, undefined]);
  for (const watch of watches) watch.cancel();
});

test("a canceled watch frees its place", async () => {
  const first = await Watch.open(clientOf(), GATEWAY);
  const second = await Watch.open(clientOf(), GATEWAY);
  second.cancel();
  await until(() => listeners.done.length === 1, "the server to notice");
  const others = [await Watch.open(clientOf(), GATEWAY), await Watch.open(clientOf(), GATEWAY)];
  expect([first, ...others].map(({ ended }) => ended)).toEqual([undefined, undefined, undefined]);
  for (const watch of [first, ...others]) watch.cancel();
});

test("a watch with an overlong service name is refused", async () => {
  const watch = new Watch(clientOf(), "x".repeat(10_000));
  await watch.untilEnded();
  expect(watch).toMatchObject({ received: [], ended: "InvalidArgument" });
});

test("List fails if there are more services than the protocol allows", async () => {
  for (let at = 0; at < 100; at++) health.set(`service${at}`, true);
  expect(await codeOf(clientOf().list({}))).toBe("ResourceExhausted");
});
