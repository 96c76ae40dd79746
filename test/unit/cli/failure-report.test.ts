import { expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { failureOf } from "../../../src/cli/session/failure-report.ts";
import { GatewayError } from "../../../src/client/errors.ts";
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

test("a pointer cannot control the terminal", () => {
  expect(refusedPayload({ field: "x", pointer: "/\x1b[31m", keyword: "type" })).not.toContain("\x1b");
});
