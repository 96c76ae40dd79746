import { describe, expect, test } from "bun:test";
import { GatewayClock } from "../../../src/client/gateway-clock.ts";
import { envelopeOf, event, NOW_MS, respond, serverTime } from "./fake-gateway.ts";
import { clientOf, RING } from "./test-client.ts";

/** A device whose clock is `offMs` ahead of the gateway's. `pass` lets time pass for both. */
function deviceOff(offMs: number, clockOffsetMaxMs?: number) {
  let elapsedMs = 0;
  const clock = new GatewayClock({ now: () => NOW_MS + offMs + elapsedMs, clockOffsetMaxMs });
  return {
    clock,
    pass: (ms: number) => {
      elapsedMs += ms;
    },
    gatewayNow: () => NOW_MS + elapsedMs,
    error: () => clock.now() - (NOW_MS + elapsedMs),
  };
}

describe("the estimate of the gateway's clock", () => {
  test.each([50_000, -50_000, 600_000, -600_000])("is right within the round trip after one answer, %d ms off", (offMs) => {
    const { clock, pass, gatewayNow, error } = deviceOff(offMs);
    const calibrate = clock.measure();
    pass(40);
    const signedMs = gatewayNow();
    pass(60);
    calibrate(signedMs);
    expect(Math.abs(error())).toBeLessThanOrEqual(60);
  });

  test.each([0, 20_000, -20_000])("is never moved away from the truth by an answer that is held back, %d ms off", (offMs) => {
    const { clock, pass, gatewayNow, error } = deviceOff(offMs);
    for (const heldMs of [0, 1000, 14_000, 55_000]) {
      const before = Math.abs(error());
      const calibrate = clock.measure();
      const signedMs = gatewayNow();
      pass(heldMs);
      calibrate(signedMs);
      expect(Math.abs(error())).toBeLessThanOrEqual(before);
    }
  });

  test("is not changed by old signed timestamps, and follows a newer one", () => {
    const { clock, error } = deviceOff(0);
    for (const ageMs of [0, 1, 86_400_000]) clock.observe(NOW_MS - ageMs);
    expect(error()).toBe(0);
    clock.observe(NOW_MS + 5000);
    expect(error()).toBe(5000);
  });

  test("is not moved further than clockOffsetMaxMs", () => {
    for (const [offMs, maxMs, expected] of [
      [-600_000, 600_000, 0],
      [-600_001, 600_000, -600_001],
      [600_001, 600_000, 600_001],
      [-86_400_001, undefined, -86_400_001],
    ] as const) {
      const { clock, gatewayNow, error } = deviceOff(offMs, maxMs);
      clock.measure()(gatewayNow());
      expect(error()).toBe(expected);
    }
  });

  test("is not changed if the device's clock was set back meanwhile", () => {
    let nowMs = NOW_MS;
    const clock = new GatewayClock({ now: () => nowMs });
    const calibrate = clock.measure();
    nowMs -= 3_600_000;
    calibrate(NOW_MS);
    expect(clock.now()).toBe(nowMs);
  });
});

describe("a client whose clock is 50 s off", () => {
  const timestamps: number[] = [];
  const clientOff = (offMs: number) =>
    clientOf(
      {
        execute: (request) => {
          timestamps.push(Number(envelopeOf(request).timestampMs) - NOW_MS);
          return respond(request, RING, 1);
        },
        subscribe: async function* (request) {
          yield serverTime(request, RING);
        },
        fetchEvents: (request) => [serverTime(request, RING)],
      },
      { now: () => NOW_MS + offMs },
    );

  test.each([50_000, -50_000])(
    "signs with the gateway's time after its first answer, stream or fetch (%d ms)",
    async (offMs) => {
      for (const calibrating of ["execute", "stream", "fetch"] as const) {
        const client = clientOff(offMs);
        timestamps.length = 0;
        if (calibrating === "execute") await client.execute("user.profile.get");
        else if (calibrating === "fetch") await client.fetchEvents();
        else for await (const _ of client.openStream());
        await client.execute("user.profile.get");
        expect([calibrating, timestamps.at(-1)]).toEqual([calibrating, 0]);
      }
    },
  );

  test("does not set its clock back by the answer to a request that it sent before", async () => {
    let nowMs = NOW_MS;
    const seen: number[] = [];
    const client = clientOf(
      {
        execute: (request) => {
          seen.push(Number(envelopeOf(request).timestampMs));
          return respond(request, RING, 1);
        },
      },
      { now: () => nowMs },
    );
    const request = await client.sign("user.profile.get", new Uint8Array());
    await client.executeSigned(request);
    nowMs += 50_000;
    // Somebody on the way answers the repeat with the first answer.
    await client.executeSigned(request);
    await client.execute("user.profile.get", undefined, { requestId: "order-000001" });
    expect((await client.sign("user.profile.get", new Uint8Array())).envelope.timestampMs).toBe(BigInt(nowMs));
  });

  test("does not follow an event that is not for it", async () => {
    const client = clientOf({
      subscribe: async function* (request) {
        yield serverTime(request, RING);
        yield event(RING, "session:ds-2", "x.y", 1, { timestampMs: BigInt(NOW_MS + 50_000) });
      },
    });
    await (async () => {
      for await (const _ of client.openStream());
    })().catch(() => {});
    expect((await client.sign("user.profile.get", new Uint8Array())).envelope.timestampMs).toBe(BigInt(NOW_MS));
  });
});
