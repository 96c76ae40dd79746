import { afterAll, describe, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { SallyportClient } from "../../../src/client/client.ts";
import type { SallyportError } from "../../../src/client/errors.ts";
import { getJson } from "../../../src/client/rest.ts";
import { retryAfterMs } from "../../../src/client/retry-after.ts";
import { type RetryInfo, RetryInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { until } from "../../support/until.ts";
import { DEVICE_KEY, failureOf, SESSION } from "./test-client.ts";

/** A server or proxy that refuses each request. */
let refusal: () => Response = () => new Response();
let arrivedAtMs: number[] = [];
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch() {
    arrivedAtMs.push(performance.now());
    return refusal();
  },
});
afterAll(() => server.stop(true));

const client = new SallyportClient({
  baseUrl: server.url.href,
  credentials: { deviceSessionId: SESSION, deviceKey: DEVICE_KEY },
  streams: { reconnectMs: 100 },
});

const refusing = (status: number, headers: Record<string, string>, body = "busy") => {
  arrivedAtMs = [];
  refusal = () => new Response(body, { status, headers });
};
const waitOf = async (call: Promise<unknown>) => (await (failureOf(call) as Promise<SallyportError>)).retryAfterMs;
const connectError = (retryDelay?: RetryInfo["retryDelay"]) => {
  const value = Buffer.from(toBinary(RetryInfoSchema, create(RetryInfoSchema, { retryDelay }))).toString("base64");
  const details = retryDelay === undefined ? [] : [{ type: "google.rpc.RetryInfo", value }];
  return JSON.stringify({ code: "unavailable", message: "busy", details });
};

describe("the header field Retry-After of a server or proxy", () => {
  test.each([
    [503, "<html>busy</html>"],
    [429, "slow down"],
    [503, connectError()],
  ])("reaches the caller of every call: status %d, body %s", async (status, body) => {
    refusing(status, { "retry-after": "3" }, body);
    expect(await waitOf(client.execute("order.place"))).toBe(3000);
    expect(await waitOf(client.fetchEvents())).toBe(3000);
    expect(await waitOf(getJson(server.url.href))).toBe(3000);
    refusing(status, { "retry-after": "3" }, body);
    expect(await waitOf(client.openStream().next())).toBe(3000);
  });

  test("does not replace the RetryInfo of the gateway", async () => {
    refusing(503, { "retry-after": "9" }, connectError({ $typeName: "google.protobuf.Duration", seconds: 2n, nanos: 0 }));
    expect(await waitOf(client.execute("order.place"))).toBe(2000);
  });

  test("delays the next attempt of a command with a key", async () => {
    refusing(503, { "retry-after": "1" });
    await failureOf(client.execute("order.place", {}, { idempotencyKey: "order-000001", retry: { attemptsMax: 2 } }));
    expect(arrivedAtMs).toHaveLength(2);
    expect((arrivedAtMs[1] ?? 0) - (arrivedAtMs[0] ?? 0)).toBeGreaterThan(950);
  });

  test("delays the reconnect of a subscription", async () => {
    refusing(503, { "retry-after": "1" });
    const subscription = client.subscribe();
    await until(() => arrivedAtMs.length === 2, "the second attempt");
    subscription.close();
    expect((arrivedAtMs[1] ?? 0) - (arrivedAtMs[0] ?? 0)).toBeGreaterThan(950);
  });
});

describe("a date in Retry-After", () => {
  const DATE = "Thu, 26 Nov 2026 18:00:00 GMT";
  const at = (after: string, date?: string) =>
    retryAfterMs(new Headers({ "retry-after": after, ...(date !== undefined && { date }) }));

  test("counts from the date of the answer, whatever the device's clock says", () => {
    expect(at("Thu, 26 Nov 2026 18:00:07 GMT", DATE)).toBe(7000);
    expect(at("Thu, 26 Nov 2026 17:59:00 GMT", DATE)).toBe(0);
    expect(at("Thu, 26 Nov 2099 18:00:00 GMT", DATE)).toBe(3_600_000);
  });

  test("counts from the device's time if the page cannot read the date of the answer", () => {
    const soon = at(new Date(Date.now() + 60_000).toUTCString());
    expect(soon).toBeGreaterThan(55_000);
    expect(soon).toBeLessThanOrEqual(60_000);
  });

  test.each(["", "soon", "-3", "1.5", "2026-11-26", "Thu, 99 Nov 2026 18:00:07 GMT"])("is no delay if it is %j", (text) => {
    expect(at(text, DATE)).toBeUndefined();
  });
});
