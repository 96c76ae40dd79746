import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Payload } from "../../../src/client/payload.ts";
import type { RouteConfig } from "../../../src/config/route-config.ts";
import { expectEachRouteServed, expectWrongValuesRefused } from "../../support/openapi/imported-expectations.ts";
import { ImportedGateway } from "../../support/openapi/imported-gateway.ts";

/** `routes import --schemas`: the gateway refuses what the description of a real service does not allow. Nobody edits a file. */

const DOCUMENT = Bun.resolveSync("@figma/rest-api-spec/openapi/openapi.yaml", import.meta.dir);

let gateway: ImportedGateway;
let withSchema: readonly RouteConfig[];
beforeAll(async () => {
  gateway = await ImportedGateway.start(DOCUMENT, "--schemas schemas");
  withSchema = gateway.routes.filter(({ schema }) => schema !== undefined);
}, 60_000);
afterAll(() => gateway.close());

test("each of the 8 operations with a body gets a schema, and config check accepts the file", async () => {
  expect(gateway.imported).toEqual({ code: 0, out: "", err: "sallyport: imported 54 of 54 operations, 8 with a schema\n" });
  expect(withSchema.map(({ message_type, schema }) => [message_type, schema])).toEqual(
    withSchema.map(({ message_type }) => [message_type, `schemas/${message_type}.json`]),
  );
  expect(withSchema).toHaveLength(8);
  expect(await gateway.report()).toHaveLength(54);
}, 60_000);

test("a valid payload of each route reaches its operation", async () => {
  await expectEachRouteServed(gateway);
}, 60_000);

test("a wrong value in a field of each body is refused with the place of the value, before the service is called", async () => {
  await expectWrongValuesRefused(gateway, withSchema);
}, 60_000);

const WEBHOOK = { endpoint: "https://a.example", passcode: "p", context: "team", context_id: "1" };
test.each<[string, Payload, string]>([
  ["comments.post_comment", { file_key: "f", message: "m", client_meta: { x: 1, y: "2" } }, "/client_meta"],
  ["comments.post_comment", { message: "m" }, "/file_key"],
  ["comments.post_comment", { file_key: "f" }, "/message"],
  ["comments.post_comment", [], ""],
  ["webhooks.post_webhook", { ...WEBHOOK, event_type: "NO_SUCH" }, "/event_type"],
  [
    "dev_resources.post_dev_resources",
    { dev_resources: [{ name: "n", url: "u", file_key: "f", node_id: 7 }] },
    "/dev_resources/0/node_id",
  ],
])("%s refuses %j at %s", async (messageType, payload, pointer) => {
  expect(await gateway.refusalOf(messageType, payload)).toEqual({ reason: "PAYLOAD_INVALID", pointer });
});
