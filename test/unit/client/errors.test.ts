import { describe, expect, test } from "bun:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { GatewayError, reasonOf, refusalOf, SallyportError } from "../../../src/client/errors.ts";
import { RestError } from "../../../src/client/rest.ts";
import { REFUSAL_DOMAIN } from "../../../src/core/reasons.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import { Gateway } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { transportTo } from "./fake-gateway.ts";

/** The error as the client receives it, after encoding and decoding. */
async function received(error: ConnectError): Promise<unknown> {
  const gateway = createClient(Gateway, transportTo({ execute: () => Promise.reject(error) }));
  return gateway.executeCommand({}).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

function refusedWith(reason: string, domain: string, retryAfterMs?: number): ConnectError {
  const info = create(ErrorInfoSchema, { reason, domain, metadata: { scope: "session" } });
  const details = [{ desc: ErrorInfoSchema, value: info }];
  if (retryAfterMs === undefined) return new ConnectError("no", Code.ResourceExhausted, undefined, details);
  const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterMs) });
  return new ConnectError("no", Code.ResourceExhausted, undefined, [...details, { desc: RetryInfoSchema, value: retry }]);
}

describe("a refusal of the gateway", () => {
  test("has its reason, metadata and retry delay", async () => {
    const error = await received(refusedWith("RATE_LIMITED", REFUSAL_DOMAIN, 1250));
    expect(refusalOf(error)).toEqual({ reason: "RATE_LIMITED", metadata: { scope: "session" }, retryAfterMs: 1250 });
    expect(reasonOf(error)).toBe("RATE_LIMITED");
  });

  test("has no retry delay if the gateway gives none", async () => {
    expect(refusalOf(await received(refusedWith("RATE_LIMITED", REFUSAL_DOMAIN)))?.retryAfterMs).toBeUndefined();
  });
});

describe("a GatewayError", () => {
  test("reads details that this process made, and ignores details that cannot be decoded", () => {
    expect(reasonOf(new GatewayError(refusedWith("RATE_LIMITED", REFUSAL_DOMAIN, 1250)))).toBe("RATE_LIMITED");
    const broken = new ConnectError("no", Code.Unavailable);
    broken.details = [
      { type: "google.rpc.ErrorInfo", value: new Uint8Array([10, 200, 1]) },
      { type: "google.rpc.RetryInfo", value: new Uint8Array([255, 255]) },
      { type: "google.rpc.ErrorInfo", value: infoBytes("SHUTTING_DOWN") },
    ];
    expect(new GatewayError(broken)).toMatchObject({ reason: "SHUTTING_DOWN", retryAfterMs: undefined });
  });

  test("has the code, reason, metadata and retry delay of a refusal, and its cause", async () => {
    const cause = await received(refusedWith("RATE_LIMITED", REFUSAL_DOMAIN, 1250));
    const error = new GatewayError(ConnectError.from(cause));
    expect(error).toBeInstanceOf(SallyportError);
    expect(error).toMatchObject({
      name: "GatewayError",
      code: "resource_exhausted",
      reason: "RATE_LIMITED",
      metadata: { scope: "session" },
      retryable: true,
      retryAfterMs: 1250,
      message: "RATE_LIMITED: no",
      cause,
    });
    expect(refusalOf(error)).toEqual(refusalOf(cause));
  });

  test("has the reason of a newer gateway, and none that is not a word of a catalogue", async () => {
    const reasonFor = async (reason: string) =>
      new GatewayError(ConnectError.from(await received(refusedWith(reason, REFUSAL_DOMAIN)))).reason;
    expect(await reasonFor("NEWER_THAN_THIS_CLIENT")).toBe("NEWER_THAN_THIS_CLIENT");
    for (const reason of ["toString", "__proto__", "", "A\u001b[2J", "X".repeat(65)])
      expect(await reasonFor(reason)).toBeUndefined();
  });

  test.each<[Code, string | undefined, string, boolean]>([
    [Code.Unavailable, undefined, "unavailable", true],
    [Code.Unavailable, "BACKEND_UNAVAILABLE", "unavailable", true],
    [Code.Unavailable, "SHUTTING_DOWN", "unavailable", true],
    [Code.DeadlineExceeded, undefined, "deadline_exceeded", true],
    [Code.DeadlineExceeded, "BACKEND_TIMEOUT", "deadline_exceeded", true],
    [Code.Unknown, undefined, "unknown", true],
    [Code.Internal, undefined, "internal", true],
    [Code.Internal, "INTERNAL", "internal", false],
    [Code.Internal, "BACKEND_BAD_RESPONSE", "internal", false],
    [Code.ResourceExhausted, "RATE_LIMITED", "resource_exhausted", true],
    [Code.ResourceExhausted, "SLOW_CONSUMER", "resource_exhausted", true],
    [Code.ResourceExhausted, "REQUEST_TOO_LARGE", "resource_exhausted", false],
    [Code.ResourceExhausted, undefined, "resource_exhausted", false],
    [Code.FailedPrecondition, "SESSION_REVOKED", "failed_precondition", false],
    [Code.Unauthenticated, "SESSION_NOT_FOUND", "unauthenticated", false],
    [Code.InvalidArgument, "IDEMPOTENCY_KEY_REUSED", "invalid_argument", false],
    [Code.Canceled, undefined, "canceled", false],
  ])("of code %d and reason %s has code %s; retryable: %s", (code, reason, name, retryable) => {
    const info = reason ? [{ type: "google.rpc.ErrorInfo", value: infoBytes(reason) }] : [];
    const cause = new ConnectError("no", code);
    cause.details = info;
    expect(new GatewayError(cause)).toMatchObject({ code: name, reason, retryable });
  });

  function infoBytes(reason: string): Uint8Array {
    return toBinary(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: REFUSAL_DOMAIN }));
  }
});

describe("a RestError", () => {
  test.each([
    [0, true],
    [400, false],
    [404, false],
    [408, true],
    [429, true],
    [500, true],
    [501, false],
    [503, true],
  ])("of status %d; retryable: %s", (status, retryable) => {
    const error = new RestError({ status, code: "x", message: "no" });
    expect(error).toBeInstanceOf(SallyportError);
    expect(error.retryable).toBe(retryable);
  });
});

describe("reasonOf returns undefined for", () => {
  test("an ErrorInfo of another domain", async () => {
    expect(reasonOf(await received(refusedWith("RATE_LIMITED", "googleapis.com")))).toBeUndefined();
  });
  test("an unknown reason, and names of Object.prototype", async () => {
    for (const reason of ["NEWER_THAN_THIS_CLIENT", "toString", "__proto__", ""]) {
      expect(reasonOf(await received(refusedWith(reason, REFUSAL_DOMAIN)))).toBeUndefined();
    }
  });
  test("an error of the transport, or no error at all", async () => {
    expect(reasonOf(await received(new ConnectError("gone", Code.Unavailable)))).toBeUndefined();
    for (const other of [new TypeError("fetch failed"), "RATE_LIMITED", undefined, null])
      expect(reasonOf(other)).toBeUndefined();
  });
});
