import { afterEach, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { reasonOf } from "../../../src/client/errors.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { gatewayService } from "../../../src/service/gateway-service.ts";
import { typesOf } from "../../support/poller.ts";
import { openRpcListeners, type RpcListeners } from "../../support/rpc-listeners.ts";
import { until } from "../../support/until.ts";
import { createHub, event, localStreams, shutDown } from "../hub/support/hub-fixture.ts";
import { createPorts, incomingRequest, SESSION } from "../pipeline/support/fixture.ts";

/** FetchEvents on a real listener with a hub that the test drives, so that each interleaving can be forced. */

const { userId, deviceSessionId } = SESSION;
const open: RpcListeners[] = [];
afterEach(async () => {
  for (const listeners of open.splice(0)) await listeners.close();
});

/** A waiting poll, and the hub that it waits for. */
async function waitingPoll() {
  const fixture = createHub();
  const parts = { streams: localStreams(fixture), heartbeatMs: 25_000, isStopping: () => false };
  const listeners = await openRpcListeners(gatewayService({ ...parts, pipeline: createPorts().ports }));
  open.push(listeners);
  const client = createClient(Gateway, createConnectTransport({ baseUrl: listeners.edge.url, httpVersion: "1.1" }));
  const abort = new AbortController();
  const { message } = incomingRequest({ rpc: "FetchEvents" });
  const outcome = client
    .fetchEvents({ ...message, envelope: message.envelope ?? expect.unreachable() }, { signal: abort.signal })
    .then(({ events }) => typesOf(events), reasonOf);
  await until(() => fixture.streams() === 1, "the poll to wait");
  const publish = (eventType: string) => fixture.hub.publish(event({ userId, eventId: eventType, eventType }));
  return { ...fixture, outcome, abort, publish };
}

/** Lets a few microtasks run, as the push feed does between two messages of one read. */
async function microtasks(): Promise<void> {
  for (let n = 0; n < 10; n++) await Promise.resolve();
}

describe("a poll that waits", () => {
  test("returns all events that are published in one turn of the event loop", async () => {
    const { publish, outcome } = await waitingPoll();
    for (const eventType of ["a.one", "a.two", "a.three"]) {
      publish(eventType);
      await microtasks();
    }
    expect(await outcome).toEqual(["gateway.server_time", "a.one", "a.two", "a.three"]);
  });

  test("is refused if the session is revoked between its event and its answer", async () => {
    for (const revocation of [{ deviceSessionId }, { userId }]) {
      const { hub, publish, outcome } = await waitingPoll();
      publish("a.one");
      await microtasks();
      hub.revoke(revocation);
      expect(await outcome).toBe("SESSION_REVOKED");
    }
  });

  test("returns gateway.resync too if the push feed has a gap between its event and its answer", async () => {
    const { hub, revocations, publish, outcome } = await waitingPoll();
    publish("a.one");
    await microtasks();
    revocations.append({});
    hub.gap();
    expect(await outcome).toEqual(["gateway.server_time", "a.one", "gateway.resync"]);
  });

  test("returns its event if the gateway shuts down before its answer", async () => {
    const { hub, publish, outcome } = await waitingPoll();
    publish("a.one");
    await microtasks();
    shutDown(hub);
    expect(await outcome).toEqual(["gateway.server_time", "a.one"]);
  });

  test("leaves the hub when its client disconnects, also right after its event", async () => {
    for (const hasEvent of [false, true]) {
      const { streams, publish, abort, outcome } = await waitingPoll();
      if (hasEvent) publish("a.one");
      abort.abort();
      await outcome;
      await until(() => streams() === 0, "the poll to end");
    }
  });
});
