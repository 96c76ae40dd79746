import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { refusalOf } from "../../../src/client/errors.ts";
import { REFUSALS, type Reason, refuse } from "../../../src/core/refusal.ts";
import { reasonOf, toConnectError } from "../../../src/service/rpc-errors.ts";

const reasons = Object.keys(REFUSALS) as Reason[];
const nameOf = (code: Code) => Code[code].replace(/(?<!^)([A-Z])/g, "_$1").toLowerCase();

test.each(reasons)("%s reaches the client with its code, reason and text", (reason) => {
  const error = toConnectError(refuse(reason, { metadata: { field: "x" } }));
  expect(nameOf(error.code)).toBe(REFUSALS[reason].code);
  expect(error.rawMessage).toBe(REFUSALS[reason].text);
  expect(error.details).toMatchObject([{ value: { reason, domain: "sallyport.v1", metadata: { field: "x" } } }]);
});

describe("when to come back", () => {
  test.each([
    [0, 0n, 0, "1"],
    [0.2, 0n, 1_000_000, "1"],
    [999, 0n, 999_000_000, "1"],
    [1000, 1n, 0, "1"],
    [1000.1, 1n, 1_000_000, "2"],
    [1001, 1n, 1_000_000, "2"],
    [61_500, 61n, 500_000_000, "62"],
  ])(
    "%d ms: RetryInfo to the millisecond, Retry-After in whole seconds, never too early",
    (retryAfterMs, seconds, nanos, header) => {
      const error = toConnectError(refuse("RATE_LIMITED", { retryAfterMs }));
      expect(error.details[1]).toMatchObject({ value: { retryDelay: { seconds, nanos } } });
      expect(error.metadata.get("retry-after")).toBe(header);
    },
  );

  test("is not said where there is no when", () => {
    const error = toConnectError(refuse("REQUEST_REPLAYED"));
    expect(error.details).toHaveLength(1);
    expect(error.metadata.has("retry-after")).toBe(false);
  });
});

describe("what is unexpected", () => {
  test("becomes INTERNAL, and nothing of the cause is in the error", () => {
    const error = toConnectError(new Error("secret 10.0.0.7", { cause: new Error("deeper secret") }));
    expect(error.code).toBe(Code.Internal);
    expect(Bun.inspect([error.message, error.details, error.metadata], { depth: 20 })).not.toMatch(/secret|10\.0\.0\.7/);
    expect(error.cause).toBeUndefined();
  });

  test("is INTERNAL in log and metrics, while an error of the protocol has no reason", () => {
    expect(reasonOf(new Error("x"))).toBe("INTERNAL");
    expect(reasonOf(refuse("SESSION_REVOKED"))).toBe("SESSION_REVOKED");
    expect(reasonOf(new ConnectError("x", Code.InvalidArgument))).toBeUndefined();
  });
});

test("an error that is not the gateway's is no refusal to the client", () => {
  expect(refusalOf(new ConnectError("x", Code.Internal))).toBeUndefined();
  expect(refusalOf(new Error("x"))).toBeUndefined();
});
