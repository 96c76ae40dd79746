import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { until } from "../../support/until.ts";
import { VARIANTS, type Variant } from "../../support/variants.ts";
import { openWorld, type World } from "../../support/world.ts";

/** Streams without a session. Many streams of one client must not end the streams of others, or block new ones. */

const WATCHERS_MAX = 1000;
const REFLECTION_STREAMS_MAX = 100;
/** Below the concurrent streams that one HTTP/2 connection may have. */
const STREAMS_PER_CONNECTION = 90;

let world: World;
beforeAll(async () => {
  world = await openWorld({ trusted_proxies: ["127.0.0.0/8"], "reflection.enabled": true });
});
afterAll(() => world.close());

/** One open stream. */
class Stream {
  messages = 0;
  /** The Connect code that ended it, or "ok". `undefined` while it is open. */
  ended: string | undefined;
  readonly #abort = new AbortController();

  constructor(open: (signal: AbortSignal) => AsyncIterable<unknown>) {
    const read = async () => {
      for await (const _ of open(this.#abort.signal)) this.messages++;
    };
    read().then(
      () => {
        this.ended = "ok";
      },
      (error) => {
        this.ended = Code[ConnectError.from(error).code];
      },
    );
  }

  get isOpen(): boolean {
    return this.messages > 0 && this.ended === undefined;
  }

  async settled(): Promise<this> {
    await until(() => this.messages > 0 || this.ended !== undefined, "a message or the end of the stream");
    return this;
  }

  leave(): void {
    this.#abort.abort();
  }
}

type Open = (transport: Transport, from: string) => Stream;

const watch: Open = (transport, from) =>
  new Stream((signal) =>
    createClient(Health, transport).watch({ service: "" }, { signal, headers: { "x-forwarded-for": from } }),
  );

const reflect: Open = (transport, from) =>
  new Stream((signal) => {
    async function* requests() {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    }
    return createClient(ServerReflection, transport).serverReflectionInfo(requests(), {
      signal,
      headers: { "x-forwarded-for": from },
    });
  });

async function crowd(open: Open, variant: Variant, size: number, from: (at: number) => string): Promise<Stream[]> {
  const streams: Stream[] = [];
  let transport = world.transport(variant);
  for (let at = 0; at < size; at++) {
    if (at % STREAMS_PER_CONNECTION === 0) transport = world.transport(variant);
    streams.push(open(transport, from(at)));
    if (at % STREAMS_PER_CONNECTION === STREAMS_PER_CONNECTION - 1) await Promise.all(streams.map((each) => each.settled()));
  }
  return Promise.all(streams.map((each) => each.settled()));
}

const OVER_HTTP2 = VARIANTS.filter(({ name }) => /^(Connect proto|gRPC-Web JSON) over HTTP\/2$|^gRPC proto$/.test(name));
const [variant = expect.unreachable()] = OVER_HTTP2;

const SERVICES = [
  ["health watches", watch, WATCHERS_MAX],
  ["reflection streams", reflect, REFLECTION_STREAMS_MAX],
] as const;

const NETWORKS = [
  ["one IPv4 address", () => "203.0.113.7"],
  ["the addresses of one IPv6 /64", (at: number) => `2001:db8:7:7::${(at + 1).toString(16)}`],
] as const;

describe.each(SERVICES)("%s", (_, open, placesMax) => {
  test.each(NETWORKS)(
    "from %s do not end or block the streams of others; the newest of them are ended for new streams of others",
    async (_, from) => {
      const early = await open(world.transport(variant), "198.51.100.1").settled();
      const attack = await crowd(open, variant, placesMax + 50, from);
      const late = await Promise.all(
        ["198.51.100.1", "198.51.100.2", "2001:db8:7:8::1"].map((each) => open(world.transport(variant), each).settled()),
      );
      expect([early, ...late].map(({ isOpen }) => isOpen)).toEqual([true, true, true, true]);
      await until(() => attack.filter(({ isOpen }) => isOpen).length === placesMax - 4, "room for the later streams");
      // The oldest streams of the crowd stay open: within one network, the newest is ended first.
      expect(attack.slice(0, placesMax - 4).every(({ isOpen }) => isOpen)).toBe(true);
      expect(new Set(attack.slice(placesMax - 4).map(({ ended }) => ended))).toEqual(new Set(["ResourceExhausted"]));
      for (const stream of [early, ...late, ...attack]) stream.leave();
      await until(async () => {
        const probe = await crowd(open, variant, 2, () => "203.0.113.7");
        for (const each of probe) each.leave();
        return probe.every(({ messages }) => messages > 0);
      }, "the places to be free");
    },
  );
});

test.each(OVER_HTTP2)(
  "over $name only the network that holds all places is refused",
  async (each) => {
    const attack = await crowd(watch, each, WATCHERS_MAX, () => "203.0.113.9");
    const refused = await watch(world.transport(each), "203.0.113.9").settled();
    expect(refused.ended).toBe("ResourceExhausted");
    const honest = await watch(world.transport(each), "198.51.100.9").settled();
    expect(honest.isOpen).toBe(true);
    const check = await createClient(Health, world.transport(each)).check({ service: "" });
    expect(check.status).toBe(Status.SERVING);
    for (const stream of [honest, ...attack]) stream.leave();
  },
  60_000,
);
