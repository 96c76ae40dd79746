import { describe, expect, test } from "bun:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { refusalOf } from "../../../src/client/errors.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { startGatewayProcess } from "../../support/gateway-process.ts";

const UPDATE = { message_type: "user.profile.update", patch: "/api/v1/user/profile", body: "*" };
/** Budgets that this test does not exhaust. */
const ROOMY = Object.fromEntries(
  ["ip", "session", "user"].flatMap((scope) => [
    [`budgets.${scope}.rate`, "1000"],
    [`budgets.${scope}.burst`, "1000"],
  ]),
);
const routes = JSON.stringify([{ ...UPDATE, schema: "test/integration/schemas/order.json" }]);

describe.each(["1", "2"])("workers.count = %s", (workers) => {
  test("a payload that its schema refuses never reaches the backend; the refusal names the place and no value", async () => {
    const gateway = await startGatewayProcess({ ...ROOMY, routes, "workers.count": workers });
    try {
      const { signer } = await gateway.login();
      // Each connection may reach another worker.
      for (let connection = 0; connection < 6; connection++) {
        const client = createClient(Gateway, createConnectTransport({ baseUrl: gateway.edgeUrl, httpVersion: "1.1" }));
        const send = async (payload: string) => {
          try {
            return (await client.executeCommand(await signer.sign(UPDATE.message_type, Buffer.from(payload)))).envelope
              ?.resultCode;
          } catch (error) {
            return refusalOf(error);
          }
        };
        const before = gateway.faults.calls("/api/v1/user/profile");
        const refused = (pointer: string, keyword: string, field: string) => ({
          reason: "PAYLOAD_INVALID",
          metadata: { pointer, keyword, field },
        });
        expect(await send('{"display_name":"secret123"}')).toMatchObject(refused("/display_name", "pattern", "display_name"));
        expect(await send('{"display_name":5}')).toMatchObject(refused("/display_name", "type", "display_name"));
        expect(await send('{"display_name":"a","x":1}')).toMatchObject(refused("/x", "additionalProperties", "x"));
        expect(await send("")).toMatchObject(refused("/display_name", "required", "display_name"));
        expect(await send("[]")).toMatchObject(refused("", "type", "payload"));
        expect(await send('{"display_name":"a","display_name":"b"}')).toMatchObject({ metadata: { field: "display_name" } });
        expect(gateway.faults.calls("/api/v1/user/profile")).toBe(before);
        expect(await send('{"display_name":"Ada"}')).toBe("ok");
        expect(gateway.faults.calls("/api/v1/user/profile")).toBe(before + 1);
      }
      expect(gateway.logged()).not.toContain("secret123");
    } finally {
      await gateway.close();
    }
  });
});
