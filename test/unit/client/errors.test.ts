import { describe, expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { reasonOf, refusalOf } from "../../../src/client/errors.ts";
import { REFUSAL_DOMAIN } from "../../../src/core/refusal.ts";
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
