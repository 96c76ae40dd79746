import { afterAll, beforeAll, expect, test } from "bun:test";
import { ImportedGateway } from "../support/openapi/imported-gateway.ts";
import { githubDescription, PREPARE_TIMEOUT_MS } from "./toolchain.ts";

/** The OpenAPI document of GitHub's REST API has 1,223 operations. Each one that can be a route is called through the gateway. */
export function openApiSuite(): void {
  let gateway: ImportedGateway;

  beforeAll(async () => {
    gateway = await ImportedGateway.start(await githubDescription());
  }, PREPARE_TIMEOUT_MS);
  afterAll(() => gateway?.close());

  test("1,212 operations are routes, and 11 are left out with a reason each", () => {
    const { code, err } = gateway.imported;
    expect([code, gateway.routes.length]).toEqual([1, 1212]);
    const lines = err.trimEnd().split("\n");
    expect(lines.at(-1)).toBe("sallyport: imported 1212 of 1223 operations");
    expect(lines.slice(0, -1).filter((line) => /^sallyport: left out: [A-Z]+ \/\S* \(\S+\): .+$/.test(line))).toHaveLength(11);
  });

  test("each route reaches its operation, with the fields of path, query and body in their places", async () => {
    for (const route of gateway.routes) {
      const { expected, ...call } = await gateway.call(route);
      expect(call).toEqual({ messageType: route.message_type, resultCode: "ok", served: expected, isAnswered: true });
    }
  }, 240_000);
}
