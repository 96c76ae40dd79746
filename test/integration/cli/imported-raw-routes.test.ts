import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectEachRouteServed } from "../../support/openapi/imported-expectations.ts";
import { ImportedGateway } from "../../support/openapi/imported-gateway.ts";

/** A service with files, protobuf and forms is put behind the gateway without an edit. All bytes pass in both directions. */

const content = (...types: string[]) => ({ content: Object.fromEntries(types.map((type) => [type, {}])) });
const answer = (...types: string[]) => ({ responses: { 200: { description: "ok", ...content(...types) } } });
const OPERATIONS = {
  "/files": {
    post: { operationId: "files.add", requestBody: content("application/octet-stream"), ...answer("application/json") },
    put: { operationId: "files.echo", requestBody: content("image/png"), ...answer("image/png") },
    patch: { operationId: "files.patch", requestBody: content("application/merge-patch+json"), ...answer() },
  },
  "/files/{id}": {
    get: { operationId: "files.get", ...answer("application/pdf") },
    put: { operationId: "files.put", requestBody: content("image/png"), ...answer() },
    delete: { operationId: "files.delete", ...answer("text/plain") },
  },
  "/messages": {
    post: { operationId: "messages.send", requestBody: content("application/x-protobuf"), ...answer("application/x-protobuf") },
    put: { operationId: "messages.form", requestBody: content("application/x-www-form-urlencoded"), ...answer() },
    patch: { operationId: "messages.upload", requestBody: content("multipart/form-data"), ...answer() },
  },
  "/export": {
    get: { operationId: "export.all", ...answer("text/csv", "application/xml") },
    post: {
      ...{ operationId: "export.some", ...answer("text/csv") },
      requestBody: {
        content: { "application/json": { schema: { type: "object", properties: { from: { type: "integer" } } } } },
      },
    },
  },
};

let folder: string;
let gateway: ImportedGateway;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-raw-"));
  const file = join(folder, "files.json");
  writeFileSync(file, JSON.stringify({ openapi: "3.0.3", info: { title: "Files", version: "1" }, paths: OPERATIONS }));
  gateway = await ImportedGateway.start(file);
}, 60_000);
afterAll(async () => {
  await gateway.close();
  rmSync(folder, { recursive: true });
});

test("what no raw route can send is left out, each with its reason", () => {
  expect(gateway.imported).toEqual({
    code: 1,
    out: "",
    err: `sallyport: left out: PUT /files/{id} (files.put): its body is image/png, whose bytes have no field for {id} of its path
sallyport: left out: PATCH /messages (messages.upload): its body is multipart/form-data, and a route has a fixed Content-Type, without the boundary of each body
sallyport: imported 9 of 11 operations
`,
  });
});

test("the same bytes with the documented Content-Type reach the service, and the bytes of its answer reach the client", async () => {
  await expectEachRouteServed(gateway);
}, 60_000);

test("sallyport routes says of each payload and answer which bytes they are", async () => {
  const payloads = Object.fromEntries((await gateway.report()).map(({ message_type, payload }) => [message_type, payload]));
  expect(payloads).toEqual({
    "files.add": "body: raw bytes (application/octet-stream)",
    "files.echo": "body: raw bytes (image/png); answer: raw bytes (image/png)",
    "files.patch": "body: raw bytes (application/merge-patch+json)",
    "files.get": "path: id; query: rest; answer: raw bytes (application/pdf)",
    "files.delete": "path: id; query: rest; answer: raw bytes (text/plain)",
    "messages.send": "body: raw bytes (application/x-protobuf); answer: raw bytes (application/x-protobuf)",
    "messages.form": "body: raw bytes (application/x-www-form-urlencoded)",
    "export.all": "query: all fields; answer: raw bytes",
    "export.some": "body: all fields; answer: raw bytes (text/csv)",
  });
});
