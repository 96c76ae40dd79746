import { expect, test } from "bun:test";
import { Code } from "@connectrpc/connect";
import type { FetchEventsRequest } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, event, NOW_MS, refusal, serverTime } from "./fake-gateway.ts";
import { clientOf, expectUntrusted, FOREIGN, failureOf, RING, SESSION } from "./test-client.ts";

const payloadOf = (request: FetchEventsRequest) => new TextDecoder().decode(request.payloadBytes);

test("fetchEvents signs a gateway.fetch request and returns the verified events in order", async () => {
  const requests: FetchEventsRequest[] = [];
  const client = clientOf({
    fetchEvents: (request) => {
      requests.push(request);
      return [serverTime(request, RING), event(RING, "all", "order.ready", { n: requests.length })];
    },
  });
  const events = await client.fetchEvents();
  expect(events.map(({ eventType }) => eventType)).toEqual(["gateway.server_time", "order.ready"]);
  await client.fetchEvents({ resumeAfter: "ev-7", waitMs: 0, eventsMax: 5 });
  expect(requests.map((request) => envelopeOf(request).messageType)).toEqual(["gateway.fetch", "gateway.fetch"]);
  expect(requests.map(payloadOf)).toEqual(["", '{"resume_after":"ev-7","wait_ms":0,"events_max":5}']);
});

test("fetchEvents drops an event that an earlier call delivered", async () => {
  const [once, later] = [event(RING, "all", "order.ready", 1), event(RING, "all", "order.ready", 2)];
  let calls = 0;
  const client = clientOf({
    fetchEvents: (request) => [serverTime(request, RING), once, ...(calls++ > 0 ? [later] : [])],
  });
  const first = await client.fetchEvents();
  const second = await client.fetchEvents({ resumeAfter: first.at(-1)?.eventId });
  expect(second.map(({ payload }) => payload)).toMatchObject([{}, 2]);
});

test("fetchEvents rejects events of others, forged events and an answer without gateway.server_time", async () => {
  const answers = {
    audience: [event(RING, "session:ds-2", "order.ready", 1)],
    key_unknown: [event(FOREIGN, "all", "order.ready", 1)],
  } as const;
  for (const check of ["audience", "key_unknown"] as const) {
    const client = clientOf({ fetchEvents: (request) => [serverTime(request, RING), ...answers[check]] });
    await expectUntrusted(client.fetchEvents(), check);
  }
  await expectUntrusted(clientOf({ fetchEvents: () => [event(RING, "all", "order.ready", 1)] }).fetchEvents(), "first_event");
  await expectUntrusted(clientOf({ fetchEvents: () => [] }).fetchEvents(), "first_event");
  const replayed = event(RING, `session:${SESSION}`, "gateway.server_time", { request_id: "another", user_id: "u-1" });
  await expectUntrusted(clientOf({ fetchEvents: () => [replayed] }).fetchEvents(), "request_id");
});

test("fetchEvents confirms the gateway's clock once, and rejects with the reason of a refusal", async () => {
  const timestamps: number[] = [];
  const client = clientOf(
    {
      fetchEvents: (request) => {
        const offMs = Number(envelopeOf(request).timestampMs) - NOW_MS;
        timestamps.push(offMs);
        if (offMs !== 0) {
          throw refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition, { server_time_ms: String(NOW_MS) });
        }
        return [serverTime(request, RING)];
      },
    },
    { now: () => NOW_MS - 3_600_000 },
  );
  await client.fetchEvents();
  await client.fetchEvents();
  expect(timestamps).toEqual([-3_600_000, 0, 0]);
  const refused = clientOf({ fetchEvents: () => Promise.reject(refusal("SESSION_REVOKED", Code.FailedPrecondition)) });
  expect(await failureOf(refused.fetchEvents())).toMatchObject({ code: "failed_precondition", reason: "SESSION_REVOKED" });
});
