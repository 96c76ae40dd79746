import { describe, expect, test } from "bun:test";
import { Code, ConnectError } from "@connectrpc/connect";
import type { SallyportClient, SallyportClientOptions } from "../../../src/client/client.ts";
import { GatewayError, reasonOf, UntrustedResponseError } from "../../../src/client/errors.ts";
import { GatewayKeys } from "../../../src/client/gateway-keys.ts";
import type { ExecuteOptions } from "../../../src/client/options.ts";
import type { Fetch } from "../../../src/client/rest.ts";
import { delayAfter, retryBackoff, retryPolicy } from "../../../src/client/retry.ts";
import type { ExecuteCommandRequest, ExecuteCommandResponse } from "../../../src/gen/sallyport/v1/gateway_pb.ts";
import { envelopeOf, type FakeHandlers, NOW_MS, refusal, respond, serveKeys, serverTime } from "./fake-gateway.ts";
import { clientOf, FOREIGN, failureOf, RING } from "./test-client.ts";

const KEY = "order-000001";
const FAST = { delayMinMs: 1, delayMaxMs: 2 };
const lost = () => new ConnectError("the answer was lost", Code.Unavailable);

/** A client of a gateway that fails the first `failures` attempts, with the attempts that arrived. */
function flaky(
  fail: (request: ExecuteCommandRequest) => ExecuteCommandResponse | Promise<ExecuteCommandResponse>,
  failures = 1,
  options: Partial<SallyportClientOptions> & { readonly subscribe?: FakeHandlers["subscribe"] } = {},
): { client: SallyportClient; attempts: ExecuteCommandRequest[] } {
  const attempts: ExecuteCommandRequest[] = [];
  const { subscribe, ...rest } = options;
  const handlers: FakeHandlers = {
    ...(subscribe && { subscribe }),
    execute: async (request) => {
      attempts.push(request);
      return attempts.length <= failures ? fail(request) : respond(request, RING, "done");
    },
  };
  return { client: clientOf(handlers, { retry: FAST, ...rest }), attempts };
}

const rejecting = (error: Error) => () => Promise.reject(error);
const place = (client: SallyportClient, options: ExecuteOptions = {}) =>
  client.execute("order.place", { n: 1 }, { idempotencyKey: KEY, ...options });

describe("a command with an idempotency key", () => {
  test("whose answers are lost is signed again with the same key until its answer arrives", async () => {
    const { client, attempts } = flaky(rejecting(lost()), 3);
    expect((await place(client)).payload).toBe("done");
    const envelopes = attempts.map(envelopeOf);
    expect(envelopes.map(({ idempotencyKey }) => idempotencyKey)).toEqual([KEY, KEY, KEY, KEY]);
    expect(new Set(envelopes.map(({ requestId }) => requestId)).size).toBe(4);
    expect(new Set(attempts.map(({ signature }) => signature.toHex())).size).toBe(4);
    expect(new Set(attempts.map(({ payloadBytes }) => payloadBytes.toHex())).size).toBe(1);
  });

  test.each<[string, () => ConnectError]>([
    ["BACKEND_UNAVAILABLE", () => refusal("BACKEND_UNAVAILABLE", Code.Unavailable)],
    ["BACKEND_TIMEOUT", () => refusal("BACKEND_TIMEOUT", Code.DeadlineExceeded)],
    ["SESSION_LOOKUP_UNAVAILABLE", () => refusal("SESSION_LOOKUP_UNAVAILABLE", Code.Unavailable)],
    ["REPLAY_STORE_UNAVAILABLE", () => refusal("REPLAY_STORE_UNAVAILABLE", Code.Unavailable)],
    ["SHUTTING_DOWN", () => refusal("SHUTTING_DOWN", Code.Unavailable, {}, 1)],
    ["RATE_LIMITED", () => refusal("RATE_LIMITED", Code.ResourceExhausted, { scope: "ip" }, 1)],
    ["REQUEST_REPLAYED of a new request id", () => refusal("REQUEST_REPLAYED", Code.FailedPrecondition)],
    ["an unknown error of a proxy", () => new ConnectError("HTTP 500", Code.Unknown)],
    ["a call that a proxy cancelled", () => new ConnectError("HTTP 499", Code.Canceled)],
  ])("is tried again after %s", async (_, error) => {
    const { client, attempts } = flaky(rejecting(error()));
    expect((await place(client)).payload).toBe("done");
    expect(attempts).toHaveLength(2);
  });

  test("is tried again after an answer that is not trusted", async () => {
    const { client, attempts } = flaky((request) => respond(request, FOREIGN, "forged"));
    expect((await place(client)).payload).toBe("done");
    expect(attempts).toHaveLength(2);
  });

  test("is tried again if the keys that would verify its answer cannot be fetched", async () => {
    let fetches = 0;
    const { fetch } = serveKeys(RING);
    const garbled: Fetch = async (...call) => (++fetches < 3 ? new Response("<html>") : fetch(...call));
    const keys = new GatewayKeys("https://gateway.example", { fetch: garbled });
    const { client, attempts } = flaky(rejecting(lost()), 0, { keys });
    expect((await place(client)).payload).toBe("done");
    expect(attempts).toHaveLength(3);
  });

  test.each<[string, ConnectError]>([
    ["IDEMPOTENCY_KEY_REUSED", refusal("IDEMPOTENCY_KEY_REUSED", Code.InvalidArgument)],
    ["SESSION_REVOKED", refusal("SESSION_REVOKED", Code.FailedPrecondition)],
    ["SESSION_NOT_FOUND", refusal("SESSION_NOT_FOUND", Code.Unauthenticated)],
    ["SIGNATURE_INVALID", refusal("SIGNATURE_INVALID", Code.Unauthenticated)],
    ["PAYLOAD_INVALID", refusal("PAYLOAD_INVALID", Code.InvalidArgument)],
    ["REQUEST_TOO_LARGE", refusal("REQUEST_TOO_LARGE", Code.ResourceExhausted)],
    ["BACKEND_BAD_RESPONSE", refusal("BACKEND_BAD_RESPONSE", Code.Internal)],
    ["INTERNAL", refusal("INTERNAL", Code.Internal)],
    ["TIMESTAMP_OUT_OF_WINDOW without a confirmed time", refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition)],
  ])("is not tried again after %s", async (_, error) => {
    const { client, attempts } = flaky(rejecting(error));
    expect(String(reasonOf(await failureOf(place(client))))).toBe(error.rawMessage);
    expect(attempts).toHaveLength(1);
  });

  test("is not tried again after a business error, which is an answer", async () => {
    const { client, attempts } = flaky((request) => respond(request, RING, { code: "sold_out" }, { resultCode: "sold_out" }));
    expect((await place(client)).resultCode).toBe("sold_out");
    expect(attempts).toHaveLength(1);
  });

  test("is tried again after the clock was set from a signed event, whatever the gateway admits", async () => {
    const refuse = rejecting(refusal("TIMESTAMP_OUT_OF_WINDOW", Code.FailedPrecondition, { server_time_ms: String(NOW_MS) }));
    const { client, attempts } = flaky(refuse, 1, {
      now: () => NOW_MS - 3_600_000,
      subscribe: async function* (request) {
        yield serverTime(request, RING);
      },
    });
    expect((await place(client)).payload).toBe("done");
    expect(attempts.map((request) => Number(envelopeOf(request).timestampMs) - NOW_MS)).toEqual([-3_600_000, 0]);
  });

  test("is tried again after an attempt that got no answer in its time", async () => {
    const { client, attempts } = flaky(() => new Promise(() => {}), 2);
    expect((await place(client, { retry: { ...FAST, attemptTimeoutMs: 200 } })).payload).toBe("done");
    expect(attempts).toHaveLength(3);
  });
});

describe("retries end", () => {
  test("after attemptsMax, with the last error", async () => {
    const { client, attempts } = flaky((request) => respond(request, FOREIGN, 1), 99);
    expect(await failureOf(place(client, { retry: { attemptsMax: 3 } }))).toBeInstanceOf(UntrustedResponseError);
    expect(attempts).toHaveLength(3);
  });

  test("with timeoutMs, although an attempt may take longer", async () => {
    const { client, attempts } = flaky(() => new Promise(() => {}), 99);
    const error = await failureOf(place(client, { timeoutMs: 600, retry: { ...FAST, attemptTimeoutMs: 400 } }));
    expect(error).toMatchObject({ code: "deadline_exceeded" });
    expect(attempts).toHaveLength(2);
  });

  test.each([
    ["keepAnswerMs after the first attempt", { keepAnswerMs: 10_000 }, 9_990, 2],
    ["keepAnswerMs after the first attempt", { keepAnswerMs: 10_000 }, 10_000, 1],
    ["a minute by default", {}, 60_000, 1],
  ])("%s", async (_, retry, elapsedMs, expected) => {
    let nowMs = NOW_MS;
    const { client, attempts } = flaky(
      () => {
        nowMs += elapsedMs;
        throw lost();
      },
      99,
      { now: () => nowMs },
    );
    const error = await failureOf(place(client, { timeoutMs: 600_000, retry: { ...FAST, ...retry } }));
    expect(error).toBeInstanceOf(GatewayError);
    expect(attempts).toHaveLength(expected);
  });

  test("at once if the gateway asks for a longer delay than there is time", async () => {
    const { client, attempts } = flaky(rejecting(refusal("RATE_LIMITED", Code.ResourceExhausted, {}, 61_000)));
    expect(await failureOf(place(client))).toMatchObject({ reason: "RATE_LIMITED", retryAfterMs: 61_000 });
    expect(attempts).toHaveLength(1);
  });

  test("when the signal aborts, also while they wait", async () => {
    const abort = new AbortController();
    const { client, attempts } = flaky(() => {
      setTimeout(() => abort.abort(), 5);
      throw refusal("RATE_LIMITED", Code.ResourceExhausted, {}, 30_000);
    }, 99);
    expect(await failureOf(place(client, { signal: abort.signal }))).toMatchObject({ code: "canceled" });
    expect(attempts).toHaveLength(1);
  });
});

test("a command is sent once without a key, with the caller's request id, and if retries are off", async () => {
  const options: ExecuteOptions[] = [
    {},
    { requestId: "order-000001" },
    { requestId: "order-000001", idempotencyKey: KEY },
    { idempotencyKey: KEY, retry: false },
  ];
  for (const one of options) {
    const { client, attempts } = flaky(rejecting(lost()));
    expect(await failureOf(client.execute("order.place", {}, one))).toMatchObject({ code: "unavailable" });
    expect(attempts).toHaveLength(1);
  }
  const { client, attempts } = flaky(rejecting(lost()), 1, { retry: false });
  expect(await failureOf(place(client))).toMatchObject({ code: "unavailable" });
  expect((await place(client, { retry: { attemptsMax: 2 } })).payload).toBe("done");
  expect(attempts).toHaveLength(2);
});

describe("the delay", () => {
  const policy = retryPolicy({ delayMinMs: 100, delayMaxMs: 1000 }, undefined);
  const at = (attempt: number, byte: number, error: unknown = lost()) => {
    const backoff = retryBackoff(policy, (bytes) => bytes.fill(byte));
    for (let failed = 1; failed < attempt; failed++) delayAfter(error, backoff);
    return delayAfter(error, backoff);
  };

  test("is random below a limit that doubles with each attempt", () => {
    expect([1, 2, 3, 4, 5, 60].map((attempt) => Math.round(at(attempt, 255)))).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect([1, 2, 3].map((attempt) => at(attempt, 0))).toEqual([0, 0, 0]);
    expect(Math.round(at(1, 128))).toBe(50);
  });

  test("is at least what the gateway or a proxy asked for", () => {
    const refused = new GatewayError(new ConnectError("busy", Code.Unavailable, { "retry-after": "3" }));
    expect(at(1, 0, refused)).toBe(3000);
    expect(Math.round(at(1, 255, refused))).toBe(3100);
  });
});
