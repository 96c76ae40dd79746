import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { refusalOf } from "../../../src/client/errors.ts";
import type { Reason } from "../../../src/core/reasons.ts";
import { REFUSALS, refuse } from "../../../src/core/refusal.ts";
import { reasonOf, toConnectError } from "../../../src/service/rpc-errors.ts";

const reasons = Object.keys(REFUSALS) as Reason[];
const nameOf = (code: Code) => Code[code].replace(/(?<!^)([A-Z])/g, "_$1").toLowerCase();

test.each(reasons)("%s is sent with its code, reason and text", (reason) => {
  const error = toConnectError(refuse(reason, { metadata: { field: "x" } }));
  expect(nameOf(error.code)).toBe(REFUSALS[reason].code);
  expect(error.rawMessage).toBe(REFUSALS[reason].text);
  expect(error.details).toMatchObject([{ value: { reason, domain: "sallyport.v1", metadata: { field: "x" } } }]);
});

describe("the retry delay", () => {
  test.each([
    [0, 0n, 0, "1"],
    [0.2, 0n, 1_000_000, "1"],
    [999, 0n, 999_000_000, "1"],
    [1000, 1n, 0, "1"],
    [1000.1, 1n, 1_000_000, "2"],
    [1001, 1n, 1_000_000, "2"],
    [61_500, 61n, 500_000_000, "62"],
  ])(
    "of %d ms is sent as RetryInfo in milliseconds and as Retry-After in whole seconds, rounded up",
    (retryAfterMs, seconds, nanos, header) => {
      const error = toConnectError(refuse("RATE_LIMITED", { retryAfterMs }));
      expect(error.details[1]).toMatchObject({ value: { retryDelay: { seconds, nanos } } });
      expect(error.metadata.get("retry-after")).toBe(header);
    },
  );

  test("is omitted for refusals without one", () => {
    const error = toConnectError(refuse("REQUEST_REPLAYED"));
    expect(error.details).toHaveLength(1);
    expect(error.metadata.has("retry-after")).toBe(false);
  });
});

describe("an unexpected error", () => {
  test("becomes INTERNAL without its message or cause", () => {
    const error = toConnectError(new Error("secret 10.0.0.7", { cause: new Error("deeper secret") }));
    expect(error.code).toBe(Code.Internal);
    expect(Bun.inspect([error.message, error.details, error.metadata], { depth: 20 })).not.toMatch(/secret|10\.0\.0\.7/);
    expect(error.cause).toBeUndefined();
  });

  test("has the reason INTERNAL in log and metrics; a protocol error has none", () => {
    expect(reasonOf(new Error("x"))).toBe("INTERNAL");
    expect(reasonOf(refuse("SESSION_REVOKED"))).toBe("SESSION_REVOKED");
    expect(reasonOf(new ConnectError("x", Code.InvalidArgument))).toBeUndefined();
  });
});

test("the client's refusalOf returns undefined for errors of other origin", () => {
  expect(refusalOf(new ConnectError("x", Code.Internal))).toBeUndefined();
  expect(refusalOf(new Error("x"))).toBeUndefined();
});
