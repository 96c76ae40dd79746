import { describe, expect, test } from "bun:test";
import type { GatewayEvent, SubscribeEventsRequest } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { until } from "../../support/until.ts";
import { event, serverTime, USER_ID } from "./fake-gateway.ts";
import { clientOf, RING } from "./test-client.ts";

describe("subscribe", () => {
  /** A gateway whose streams stay open, and what it was asked. */
  function gateway(...events: GatewayEvent[]) {
    const requests: SubscribeEventsRequest[] = [];
    const state = { open: 0 };
    const client = clientOf({
      subscribe: async function* (request, { signal }) {
        requests.push(request);
        state.open++;
        signal.addEventListener("abort", () => state.open--);
        yield serverTime(request, RING);
        yield* events;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    return { client, requests, state };
  }
  const numbered = (n: number) => event(RING, `user:${USER_ID}`, "test.number", { n }, { eventId: `ev-${n}` });
  const payloadOf = (request: SubscribeEventsRequest | undefined) => new TextDecoder().decode(request?.payloadBytes);

  test("delivers events of the backend without the gateway's own", async () => {
    const { client } = gateway(event(RING, "all", "gateway.heartbeat", undefined), numbered(1), numbered(2));
    const seen: string[] = [];
    for await (const { eventId, kind } of client.subscribe()) {
      seen.push(`${kind} ${eventId}`);
      if (seen.length === 2) break;
    }
    expect(seen).toEqual(["event ev-1", "event ev-2"]);
  });

  test("starts after a stored id or position", async () => {
    const { client, requests } = gateway(numbered(1));
    for (const resumeAfter of ["ev-7", { eventId: "ev-7", timestampMs: 1 }]) client.subscribe({ resumeAfter }).close();
    await until(() => requests.length > 0, "a request");
    for (const request of requests) expect(payloadOf(request)).toBe('{"resume_after":"ev-7"}');
  });

  test.each(["", "two words", "x".repeat(1000), { eventId: "" }])("refuses %j as a start, at once", (resumeAfter) => {
    const { client, requests } = gateway();
    expect(() => client.subscribe({ resumeAfter })).toThrow(TypeError);
    expect(requests).toEqual([]);
  });

  test("ends without an error when its signal aborts, before or during the stream", async () => {
    const { client, state } = gateway(numbered(1));
    expect(await Array.fromAsync(client.subscribe({ signal: AbortSignal.abort() }))).toEqual([]);
    expect(state.open).toBe(0);
    const controller = new AbortController();
    const seen: string[] = [];
    for await (const { eventId } of client.subscribe({ signal: controller.signal })) {
      seen.push(eventId);
      controller.abort();
    }
    expect(seen).toEqual(["ev-1"]);
    await until(() => state.open === 0, "the stream to close");
  });

  test("closes its stream when the last loop is left", async () => {
    const { client, requests, state } = gateway(numbered(1));
    const loops = [client.subscribe(), client.subscribe()];
    for (const loop of loops) {
      for await (const { eventId } of loop) {
        expect(eventId).toBe("ev-1");
        expect(state.open).toBe(1);
        break;
      }
    }
    await until(() => state.open === 0, "the stream to close");
    expect(requests.length).toBe(1);
  });
});
