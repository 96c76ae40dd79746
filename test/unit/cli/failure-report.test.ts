import { expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { failureOf } from "../../../src/cli/session/failure-report.ts";
import { GatewayError } from "../../../src/client/errors.ts";
import { RestError } from "../../../src/client/rest.ts";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";

function refusedPayload(metadata: Record<string, string>): string {
  const value = { reason: "PAYLOAD_INVALID", domain: "sallyport.v1", metadata };
  const refusal = new ConnectError("text", Code.InvalidArgument, undefined, [{ desc: ErrorInfoSchema, value }]);
  return failureOf(new GatewayError(refusal), { profile: "default", url: "http://127.0.0.1:8080" }).message;
}

test.each([
  { metadata: { field: "count" }, text: "field count" },
  {
    metadata: { field: "count", pointer: "/count", keyword: "minimum" },
    text: "/count violates minimum of the route's schema",
  },
  {
    metadata: { field: "payload", pointer: "", keyword: "required" },
    text: "the payload violates required of the route's schema",
  },
  { metadata: {}, text: "field unknown" },
])("a payload that the gateway refuses: the message says what to correct, $text", ({ metadata, text }) => {
  expect(refusedPayload(metadata)).toBe(`PAYLOAD_INVALID: text; ${text}; correct it`);
});

test.each([
  { status: 404, advice: "the gateway has no login at /api/v1/auth/x: check --path against its public_routes" },
  { status: 400, advice: "check --fields against the row of /api/v1/auth/x in the gateway's public_routes" },
])("a login by --path that is refused with $status: the advice names the path, not the e-mail code", ({ status, advice }) => {
  const error = new RestError({ status, code: "some_code", message: "text" });
  const context = { profile: "default", url: "http://127.0.0.1:8080", loginPath: "/api/v1/auth/x" };
  expect(failureOf(error, context).message).toBe(`some_code: text; ${advice}`);
});

test("a pointer cannot control the terminal", () => {
  expect(refusedPayload({ field: "x", pointer: "/\x1b[31m", keyword: "type" })).not.toContain("\x1b");
});
