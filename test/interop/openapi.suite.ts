import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RouteConfig } from "../../src/config/route-config.ts";
import { expectEachRouteServed, expectWrongValuesRefused } from "../support/openapi/imported-expectations.ts";
import { ImportedGateway } from "../support/openapi/imported-gateway.ts";
import { githubDescription, PREPARE_TIMEOUT_MS } from "./toolchain.ts";

/** Examples of the document that contradict its own schemas. */
const WRONG_EXAMPLES: Readonly<Record<string, string>> = {
  "gists.update": "/files/hello.py",
  "orgs.create_issue_field": "/options/0/priority",
  "projects.add_field_for_org": "",
  "security_advisories.update_repository_advisory": "/0",
  "codespaces.set_repositories_for_secret_for_authenticated_user": "/selected_repository_ids/0",
  "users.create_public_ssh_key_for_authenticated_user": "/key",
  "users.create_ssh_signing_key_for_authenticated_user": "/key",
  "projects.add_field_for_user": "",
};

/** The OpenAPI document of GitHub's REST API has 1,223 operations. Each one that can be a route is called through the gateway. */
export function openApiSuite(): void {
  describe("without schemas", () => {
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
      expect(lines.slice(0, -1).filter((line) => /^sallyport: left out: [A-Z]+ \/\S* \(\S+\): .+$/.test(line))).toHaveLength(
        11,
      );
    });

    test("each route reaches its operation, with the fields of path, query and body in their places", async () => {
      await expectEachRouteServed(gateway);
    }, 240_000);
  });

  describe("with schemas", () => {
    let gateway: ImportedGateway;
    let withSchema: readonly RouteConfig[];

    beforeAll(async () => {
      gateway = await ImportedGateway.start(await githubDescription(), "--schemas schemas");
      withSchema = gateway.routes.filter(({ schema }) => schema !== undefined);
    }, PREPARE_TIMEOUT_MS);
    afterAll(() => gateway?.close());

    test("each of the 342 operations with a JSON body has a whole schema, and config check accepts them", async () => {
      expect(gateway.imported.err).toEndWith("sallyport: imported 1212 of 1223 operations, 342 with a schema\n");
      expect(gateway.imported.err).not.toContain("not in the schema");
      expect(withSchema).toHaveLength(342);
      expect(await gateway.report()).toHaveLength(1212);
    }, 60_000);

    test("405 of the document's examples reach their operations, and those that contradict their schemas are refused", async () => {
      const counts = { reached: 0, refused: 0 };
      for (const route of withSchema) {
        for (const example of gateway.operationOf(route).examples) {
          const refusal = await gateway.refusalOf(route.message_type, gateway.payloadOf(route, example));
          const pointer = WRONG_EXAMPLES[route.message_type];
          const isRefused = refusal !== undefined;
          if (isRefused)
            expect([route.message_type, refusal]).toEqual([route.message_type, { reason: "PAYLOAD_INVALID", pointer }]);
          counts[isRefused ? "refused" : "reached"]++;
        }
      }
      expect(counts).toEqual({ reached: 405, refused: 8 });
    }, 240_000);

    test("a wrong value is refused with its place, before the service is called", async () => {
      await expectWrongValuesRefused(gateway, withSchema);
    }, 240_000);
  });
}
