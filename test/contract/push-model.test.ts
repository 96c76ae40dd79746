import { afterAll, beforeAll, describe, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { PushDelivery } from "../../src/backend/feed/push-delivery.ts";
import { PushFeed } from "../../src/backend/feed/push-feed.ts";
import { PushState } from "../../src/backend/feed/push-state.ts";
import type { PushLink } from "../../src/backend/feed/push-transport.ts";
import { HttpSource } from "../../src/backend/publish/http-source.ts";
import { StreamPublisher } from "../../src/backend/redis/stream-publisher.ts";
import { StreamSource } from "../../src/backend/redis/stream-source.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { ClientEvent, PushFeedSink } from "../../src/core/events.ts";
import type { PushSource } from "../../src/core/push-source.ts";
import { PushEventSchema } from "../../src/gen/sallyport/v1/push_pb.ts";
import type { Hub } from "../../src/hub/hub.ts";
import { NO_REDIS, TestRedis } from "../support/redis.ts";
import { SILENT_LOG } from "../support/silent-log.ts";
import { until } from "../support/until.ts";
import { clientEvent } from "../unit/backend/support/push-server.ts";
import { RecordingMetrics } from "../unit/backend/support/recorders.ts";
import { steps } from "../unit/hub/support/hub-steps.ts";
import { type ModelFeed, ModelRun, seedOf } from "../unit/hub/support/model-run.ts";

/** The model test of the hub (test/unit/hub/model.test.ts), with events that reach the hub by each push source. */

const telemetry = { log: SILENT_LOG, metrics: new RecordingMetrics() };
const QUICK = { backoffMinMs: 5, backoffMaxMs: 20, random: Math.random };
const INVALID = { eventType: "invalid", eventId: "", payloadBytes: new Uint8Array() };

/** A sink in front of the hub, which counts what it has passed on. */
class CountingSink implements PushFeedSink {
  readonly #hub: Hub;
  #count = 0;
  #waiting: { readonly count: number; readonly resolve: () => void } | undefined;

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Resolves when one more message has reached the hub. */
  next(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { count: this.#count + 1, resolve };
    return promise;
  }

  event(event: ClientEvent, cursor?: string): void {
    this.#hub.publish(event, cursor);
    this.#note();
  }

  lost(...[audience, , cursor]: Parameters<PushFeedSink["lost"]>): void {
    this.#hub.resyncAudience(audience, cursor);
    this.#note();
  }

  revoke(): void {}

  reached(cursor: string): void {
    this.#hub.reached(cursor);
  }

  gap(): void {
    throw new Error("the source reported a gap");
  }

  #note(): void {
    this.#count++;
    if (this.#waiting?.count === this.#count) this.#waiting.resolve();
  }
}

interface Opened {
  readonly source: PushSource;
  send(event: ClientEvent): Promise<unknown>;
  close?(): Promise<void>;
}

async function feedOf(hub: Hub, open: (sink: PushFeedSink, state: PushState) => Opened): Promise<ModelFeed> {
  const sink = new CountingSink(hub);
  const state = new PushState({ from: {}, ...telemetry, onChange() {} });
  const { source, send, close } = open(sink, state);
  source.start();
  await until(() => source.hasBeenUp(), "the source to be up");
  const pass = async (event: ClientEvent) => {
    const arrived = sink.next();
    await Promise.all([send(event), arrived]);
  };
  return {
    publish: pass,
    // An event that breaks a rule. The private listener refuses such an event before, so the test calls the sink.
    async lose(audience) {
      if (source instanceof HttpSource) sink.lost(audience);
      else await pass({ ...audience, ...INVALID });
    },
    async close() {
      await source.stop();
      await close?.();
    },
  };
}

/** A gRPC stream without a network: its messages are those of the test. */
function openFeed(sink: PushFeedSink): Opened {
  const frames: Uint8Array[] = [];
  let wake = () => {};
  let cursor = 0;
  const link: PushLink = {
    url: "memory",
    connect: async () => {},
    async *subscribe(_, { signal, onHeader }) {
      onHeader();
      signal.addEventListener("abort", () => wake());
      while (!signal.aborted) {
        yield* frames.splice(0);
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (frames.length > 0 || signal.aborted) resolve();
        });
      }
    },
    explain: async () => undefined,
    close() {},
  };
  const source = new PushFeed({ link, gatewayId: "g", sink, clock: systemClock, ...telemetry, ...QUICK });
  return {
    source,
    async send(event) {
      frames.push(toBinary(PushEventSchema, create(PushEventSchema, { cursor: String(++cursor), ...clientEvent(event) })));
      wake();
    },
  };
}

function openHttp(sink: PushFeedSink, state: PushState): Opened {
  const delivery = new PushDelivery({ sink, ...telemetry });
  const source = new HttpSource({ delivery, state, runId: "run", log: undefined, beginFill() {}, clock: systemClock });
  return { source, send: (event) => source.publish([event]) };
}

async function check(runs: number, open: (sink: PushFeedSink, state: PushState) => Opened): Promise<void> {
  const seed = seedOf(process.env["MODEL_SEED"]);
  const property = fc.asyncProperty(steps, async (sequence) => {
    const run = new ModelRun();
    await run.useFeed((hub) => feedOf(hub, open));
    try {
      await run.play(sequence);
      await run.shutDown();
    } finally {
      await run.close();
    }
  });
  try {
    await fc.assert(property, { seed, numRuns: runs });
  } catch (error) {
    console.error(`model test failed; replay with MODEL_SEED=${seed}`);
    throw error;
  }
}

test("the hub agrees with its model if events come by the gRPC stream", () => check(100, openFeed), 60_000);
test("the hub agrees with its model if events come by the private listener", () => check(100, openHttp), 60_000);

describe.skipIf(NO_REDIS !== undefined)(`with Redis${NO_REDIS === undefined ? "" : ` (skipped: ${NO_REDIS})`}`, () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await TestRedis.start();
  });
  afterAll(() => redis.close());
  let streams = 0;

  function openRedis(sink: PushFeedSink, state: PushState): Opened {
    const connection = { url: redis.url, timeoutMs: 2000, keySetting: "the key" };
    const stream = `model-${streams++}`;
    const publisher = new StreamPublisher({ redis: connection, stream, entriesMax: 10_000 });
    const source = new StreamSource({
      ...{ redis: connection, stream, delivery: new PushDelivery({ sink, ...telemetry }), state, ...telemetry, ...QUICK },
      ...{ ageMs: 60_000, beginFill() {}, uniqueText: () => crypto.randomUUID() },
    });
    return { source, send: (event) => publisher.publish([event]), close: () => publisher.close() };
  }

  test("the hub agrees with its model if events come by a Redis Stream", () => check(30, openRedis), 60_000);
});
