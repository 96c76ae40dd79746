import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { SallyportClient, type SallyportClientOptions } from "../../../src/client/client.ts";
import { reasonOf } from "../../../src/client/errors.ts";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import { REFUSAL_DOMAIN } from "../../../src/core/reasons.ts";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { VARIANTS } from "../../support/variants.ts";
import { type Device, openWorld, type World } from "../../support/world.ts";

/** A hostile TLS terminator between the client and a real gateway. It reads everything and sends any answer, but cannot sign. */

const SEND_PATH = "/api/v1/user/rooms/lobby/messages";
const ROOM = { room_id: "lobby", text: "once" };

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

function clientOver(transport: Transport, device: Device, options: Partial<SallyportClientOptions> = {}): SallyportClient {
  const { deviceSessionId, deviceKey } = device;
  const keys = new GatewayKeys(world.gateway.edgeUrl);
  return new SallyportClient({ transport, credentials: { deviceSessionId, deviceKey }, keys, ...options });
}

/** Forwards commands, and replaces each answer with the refusal of a wrong clock. */
function falseClockRefusals(inner: Transport, offMs: number): Transport {
  const unary: Transport["unary"] = async (...call) => {
    await inner.unary(...call);
    const metadata = { server_time_ms: String(Date.now() + offMs), window_ms: "60000" };
    const info = create(ErrorInfoSchema, { reason: "TIMESTAMP_OUT_OF_WINDOW", domain: REFUSAL_DOMAIN, metadata });
    throw new ConnectError("too far off", Code.FailedPrecondition, undefined, [{ desc: ErrorInfoSchema, value: info }]);
  };
  return { unary, stream: (...call) => inner.stream(...call) };
}

describe.each(VARIANTS)("$name", (variant) => {
  test("a false refusal about the clock never makes a command run twice", async () => {
    const device = await world.login();
    for (const offMs of [0, 1000, 50_000, -50_000, 66_000, -66_000, 3_600_000, -3_600_000, 1e13]) {
      const client = clientOver(falseClockRefusals(world.transport(variant), offMs), device);
      const before = world.faults.calls(SEND_PATH);
      const outcome = await client.execute("chat.message.send", ROOM).then(() => "executed", reasonOf);
      expect([offMs, outcome, world.faults.calls(SEND_PATH) - before]).toEqual([offMs, "TIMESTAMP_OUT_OF_WINDOW", 1]);
    }
  });

  test.each([600_000, -600_000, 80_000_000, -80_000_000])(
    "a device whose clock is wrong by %d ms is served, and its command runs once",
    async (off) => {
      const client = clientOver(world.transport(variant), await world.login(), { now: () => Date.now() + off });
      const before = world.faults.calls(SEND_PATH);
      expect((await client.execute("chat.message.send", ROOM)).resultCode).toBe("ok");
      expect(world.faults.calls(SEND_PATH) - before).toBe(1);
      for await (const { eventType } of client.openStream()) {
        expect(eventType).toBe("gateway.server_time");
        break;
      }
    },
  );
});
