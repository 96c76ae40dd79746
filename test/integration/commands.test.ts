import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { SallyportClient } from "../../src/client/client.ts";
import { reasonOf } from "../../src/client/errors.ts";
import { GatewayKeys } from "../../src/client/gateway-keys.ts";
import { Gateway } from "../../src/gen/sallyport/v1/gateway_pb.ts";
import { sessionPath } from "../support/fault-backend.ts";
import { until } from "../support/until.ts";
import { VARIANTS } from "../support/variants.ts";
import { type Device, openWorld, type World } from "../support/world.ts";

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

const EMPTY = new Uint8Array(0);

describe.each(VARIANTS)("$name", (variant) => {
  const clientOf = (device: Device) =>
    new SallyportClient({
      transport: world.transport(variant),
      credentials: device,
      keys: new GatewayKeys(world.gateway.edgeUrl),
    });

  test("a device gets results and business errors as signed answers", async () => {
    const client = clientOf(await world.login());
    expect(await client.execute("user.profile.update", { display_name: "Ada" })).toMatchObject({ resultCode: "ok" });
    const { payload } = await client.execute("user.profile.get");
    expect(payload).toMatchObject({ display_name: "Ada" });
    const refused = await client.execute("user.profile.update", { display_name: "" });
    expect(refused).toMatchObject({ resultCode: "display_name_empty", payload: { code: "display_name_empty" } });
  });

  test("of fifty identical concurrent requests exactly one is accepted", async () => {
    const device = await world.login();
    const request = await device.signer.sign("user.profile.get", EMPTY);
    const clients = Array.from({ length: 5 }, () => createClient(Gateway, world.transport(variant)));
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, at) => {
        const client = clients[at % clients.length];
        return client?.executeCommand(request).then(({ envelope }) => envelope?.resultCode, reasonOf);
      }),
    );
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "REQUEST_REPLAYED")).toHaveLength(49);
  });
});

test("concurrent requests of a session need one look-up, and none while it is cached", async () => {
  const [variant] = VARIANTS;
  const device = await world.login();
  const client = createClient(Gateway, world.transport(variant ?? expect.unreachable()));
  const requests = await Promise.all(Array.from({ length: 20 }, () => device.signer.sign("user.profile.get", EMPTY)));
  await Promise.all(requests.map((request) => client.executeCommand(request)));
  expect(world.faults.calls(`/api/v1/internal/sessions/${device.deviceSessionId}`)).toBe(1);
});

test("the log has one line per call, without the signature", async () => {
  const [variant] = VARIANTS;
  const device = await world.login();
  const client = createClient(Gateway, world.transport(variant ?? expect.unreachable()));
  const request = await device.signer.sign("user.profile.get", EMPTY, { requestId: "logged-once" });
  await client.executeCommand(request);
  await client.executeCommand(request).catch(reasonOf);
  const lines = () =>
    world
      .logged()
      .split("\n")
      .filter((line) => line.includes("logged-once"));
  await until(() => lines().length >= 2, "two log lines");
  expect(lines().map((line) => JSON.parse(line))).toMatchObject([
    { msg: "RPC finished", rpc: "ExecuteCommand", code: "ok", result_code: "ok", user_id: device.userId },
    { msg: "RPC finished", rpc: "ExecuteCommand", code: "failed_precondition", reason: "REQUEST_REPLAYED" },
  ]);
  expect(world.logged()).not.toContain(Buffer.from(request.signature).toString("base64"));
});

test("the log line of a refusal has its metadata and its cause", async () => {
  const world = await openWorld({ "budgets.session.rate": 0.001, "budgets.session.burst": 1 });
  try {
    const [variant] = VARIANTS;
    const [device, other] = [await world.login(), await world.login()];
    const client = createClient(Gateway, world.transport(variant ?? expect.unreachable()));
    const send = async (of: typeof device, requestId: string, timestampMs = Date.now()) => {
      const request = await of.signer.sign("user.profile.get", EMPTY, { requestId, timestampMs });
      await client.executeCommand(request).catch(reasonOf);
    };
    await send(device, "let-in-once");
    await send(device, "limited-1");
    await send(device, "too-early", Date.now() + 3_600_000);
    world.faults.on(sessionPath(other.deviceSessionId), () => new Response("", { status: 500 }));
    await send(other, "unknown-1");
    const lineOf = (requestId: string) =>
      world
        .logged()
        .split("\n")
        .find((line) => line.includes(requestId)) ?? "";
    await until(() => lineOf("unknown-1") !== "", "the log lines");
    const fieldsOf = (requestId: string) => JSON.parse(lineOf(requestId));
    expect(fieldsOf("limited-1")).toMatchObject({ reason: "RATE_LIMITED", scope: "session" });
    expect(fieldsOf("too-early").cause).toMatch(/^Error: 3[56]\d{5} ms ahead of this gateway's clock$/);
    expect(fieldsOf("unknown-1").cause).toContain("HTTP 500");
  } finally {
    await world.close();
  }
});
