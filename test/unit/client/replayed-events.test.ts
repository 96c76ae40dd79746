import { describe, expect, test } from "bun:test";
import type { GatewayEvent } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, event, NOW_MS, serverTime, USER_ID } from "./fake-gateway.ts";
import { clientOf, collect, RING } from "./test-client.ts";

describe("a replayed event", () => {
  const ownUser = `user:${USER_ID}`;

  /** Each stream carries the next entry of `streams`. Returns a function that reads one stream and returns the ids of its events. */
  function readerOf(streams: GatewayEvent[][], firstPayload: object = {}) {
    const client = clientOf({
      subscribe: async function* (request) {
        const { deviceSessionId, requestId } = envelopeOf(request);
        const payload = { server_time_ms: NOW_MS, request_id: requestId, user_id: USER_ID, resumed: false, ...firstPayload };
        yield event(RING, `session:${deviceSessionId}`, "gateway.server_time", payload);
        yield* streams.shift() ?? [];
      },
    });
    return async (resumeAfter?: string) => {
      const events = await collect(client.openStream({ resumeAfter }));
      return events.slice(1).map(({ eventId }) => eventId);
    };
  }
  const numbered = (n: number, change: { timestampMs?: bigint } = {}) =>
    event(RING, ownUser, "chat.message", { n }, { eventId: `ev-${n}`, ...change });
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => numbered(n));
  if (!one || !two || !three || !four) throw new Error("four events expected");

  test("in a later stream is dropped; the new events after it are not", async () => {
    const read = readerOf([
      [one, two],
      [two, one, three],
      [three, four, one],
    ]);
    expect(await read()).toEqual(["ev-1", "ev-2"]);
    expect(await read()).toEqual(["ev-3"]);
    expect(await read()).toEqual(["ev-4"]);
  });

  test("in its own stream is dropped", async () => {
    expect(await readerOf([[one, two, one, two, three]])()).toEqual(["ev-1", "ev-2", "ev-3"]);
  });

  test("is delivered again if the app resumes from before it", async () => {
    const read = readerOf(
      [
        [one, two, three],
        [two, three, one, four],
      ],
      { resumed: true },
    );
    expect(await read()).toEqual(["ev-1", "ev-2", "ev-3"]);
    expect(await read("ev-1")).toEqual(["ev-2", "ev-3", "ev-4"]);
  });

  test("older than the stream is dropped, unless the stream resumes", async () => {
    const old = numbered(0, { timestampMs: BigInt(NOW_MS - 60_001) });
    const recent = numbered(9, { timestampMs: BigInt(NOW_MS - 60_000) });
    expect(await readerOf([[old, recent, one]])()).toEqual(["ev-9", "ev-1"]);
    expect(await readerOf([[old, one]], { resumed: true })("ev-00")).toEqual(["ev-0", "ev-1"]);
    expect(await readerOf([[old, one]])("ev-00")).toEqual(["ev-1"]);
  });

  test("is dropped after 4,096 other events", async () => {
    const many = Array.from({ length: 4096 }, (_, n) => numbered(n + 100));
    const read = readerOf([
      [one, ...many],
      [one, numbered(100)],
    ]);
    expect(await read()).toHaveLength(4097);
    expect(await read()).toEqual([]);
  });

  test("is distinguished from an event of the same id with another payload or type", async () => {
    const [other, kind] = [numbered(1), event(RING, ownUser, "chat.left", { n: 1 }, { eventId: "ev-1" })];
    const changed = event(RING, ownUser, "chat.message", { n: "one" }, { eventId: "ev-1" });
    const read = readerOf([[one], [changed, kind, other]]);
    expect(await read()).toEqual(["ev-1"]);
    expect(await read()).toEqual(["ev-1", "ev-1"]);
  });

  test("is delivered once by each of two open streams", async () => {
    const both = Promise.withResolvers<void>();
    let open = 0;
    const client = clientOf({
      subscribe: async function* (request) {
        yield serverTime(request, RING);
        if (++open === 2) both.resolve();
        await both.promise;
        yield one;
      },
    });
    const ids = await Promise.all([collect(client.openStream()), collect(client.openStream())]);
    expect(ids.map((events) => events.slice(1).map(({ eventId }) => eventId))).toEqual([["ev-1"], ["ev-1"]]);
  });
});
