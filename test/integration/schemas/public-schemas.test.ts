import { describe, expect, test } from "bun:test";
import { startGatewayProcess } from "../../support/gateway-process.ts";

const HUGE = { rate: 10_000, burst: 10_000 };
const SCHEMA = "test/integration/schemas/order.json";
const row = { path: "/v1/sign-up", backend_path: "/sign-up", budget: HUGE, schema: SCHEMA };
const public_routes = JSON.stringify([
  { ...row, name: "body", method: "POST" },
  { ...row, name: "query", method: "GET", fields: { display_name: "text", x: "text?" } },
  { ...row, name: "once", method: "POST", path: "/v1/once", budget: { rate: 0.001, burst: 1 } },
  { ...row, name: "key", method: "POST", path: "/v1/key", fields: { display_name: "text" }, registers_key: true },
]);

const KEY = Buffer.from(`58${"66".repeat(31)}`, "hex").toString("base64");

describe.each(["1", "2"])("public routes with a schema, workers.count = %s", (workers) => {
  test("what the schema refuses never reaches the backend", async () => {
    const roomy = { "budgets.failures.rate": "1000", "budgets.failures.burst": "1000" };
    const gateway = await startGatewayProcess({ ...roomy, public_routes, "workers.count": workers });
    try {
      gateway.faults.on("/sign-up", () => Response.json({ device_session_id: "ds-1" }));
      const call = async (path: string, body?: unknown) => {
        const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
        const response = await fetch(gateway.edgeUrl + path, { ...init, headers: { "content-type": "application/json" } });
        return [response.status, await response.json()];
      };
      const refused = (pointer: string, keyword: string) => [
        400,
        {
          code: "invalid_request",
          message: `the request is not what this call takes: "${pointer}" violates "${keyword}" of the schema`,
        },
      ];
      expect(await call("/v1/sign-up", { display_name: "secret123" })).toEqual(refused("/display_name", "pattern"));
      expect(await call("/v1/sign-up", { display_name: "Ada", x: 1 })).toEqual(refused("/x", "additionalProperties"));
      expect(await call("/v1/sign-up", {})).toEqual(refused("/display_name", "required"));
      expect(await call("/v1/sign-up?display_name=a1")).toEqual(refused("/display_name", "pattern"));
      expect(await call("/v1/sign-up?display_name=Ada&x=1")).toEqual(refused("/x", "additionalProperties"));
      // The schema does not allow the members of the key.
      expect(await call("/v1/key", { display_name: "Ada", client_public_key: KEY })).toEqual(
        refused("/client_public_key", "additionalProperties"),
      );
      expect(gateway.faults.calls("/sign-up")).toBe(0);
      expect((await call("/v1/sign-up", { display_name: "Ada" }))[0]).toBe(200);
      expect((await call("/v1/sign-up?display_name=Ada"))[0]).toBe(200);
      // An empty budget refuses before the schema is checked.
      expect((await call("/v1/once", { display_name: "Ada" }))[0]).toBe(200);
      expect((await call("/v1/once", { display_name: "a1" }))[0]).toBe(429);
      expect(gateway.faults.calls("/sign-up")).toBe(3);
    } finally {
      await gateway.close();
    }
  }, 60_000);
});

test("calls that the schema refuses spend the failure budget", async () => {
  const tight = { "budgets.failures.rate": "0.001", "budgets.failures.burst": "3" };
  const gateway = await startGatewayProcess({ ...tight, public_routes });
  try {
    const statuses: number[] = [];
    for (let call = 0; call < 5; call++) {
      const headers = { "content-type": "application/json" };
      statuses.push((await fetch(`${gateway.edgeUrl}/v1/sign-up`, { method: "POST", body: "{}", headers })).status);
    }
    expect(statuses).toEqual([400, 400, 400, 429, 429]);
  } finally {
    await gateway.close();
  }
}, 60_000);
