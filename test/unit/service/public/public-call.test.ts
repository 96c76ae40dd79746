import { expect, test } from "bun:test";
import type { HttpCall } from "../../../../src/core/http-endpoint.ts";
import { refuse } from "../../../../src/core/refusal.ts";
import { RestError } from "../../../../src/core/rest-reply.ts";
import type { PublicBudgets } from "../../../../src/service/public/public-budgets.ts";
import { type PublicAuthParts, servePublicCall } from "../../../../src/service/public/public-call.ts";
import { MemoryBucketStore } from "../../../../src/stores/memory/buckets.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { defaultEntry, onlyPath } from "../../../support/public-rows.ts";

/** The default budgets. */
const BUDGETS: PublicBudgets = {
  public_auth: { ratePerSecond: 1, burst: 5 },
  public_misc: { ratePerSecond: 10, burst: 20 },
  send_code: { ratePerSecond: 1 / 60, burst: 3 },
  confirm_code: { ratePerSecond: 0.1, burst: 5 },
  failures: { ratePerSecond: 1, burst: 20 },
};

const CONFIRM = onlyPath([defaultEntry("confirm-email-code")]);
const KEY = Buffer.alloc(32, 1).toString("base64");
const HOUR_MS = 3_600_000;

/** A POST of JSON from an address. */
function callOf(body: string, address: string): HttpCall {
  const headers = { "content-type": "application/json" };
  const request = new Request("http://edge/api/v1/public/auth/confirm-email-code", { method: "POST", headers, body });
  return { request, path: "/confirm", query: "", peer: { address, network: address }, readBody: () => request.bytes() };
}

test("of 100,000 guesses at one code from 1000 addresses in an hour, at most 365 reach the backend", async () => {
  const clock = new ManualClock();
  let forwarded = 0;
  const parts: PublicAuthParts = {
    backend: {
      forward: async () => {
        forwarded++;
        return { status: 400, contentType: "application/json", body: new Uint8Array(), retryAfter: undefined, headers: {} };
      },
    },
    buckets: new MemoryBucketStore({ entriesMax: 10_000 }),
    clock,
    budgets: BUDGETS,
    onShadowRefusal() {},
    isStopping: () => false,
    shuttingDown: () => refuse("SHUTTING_DOWN"),
  };
  const guesses = 100_000;
  const codes = new Map<string, number>();
  for (let n = 0; n < guesses; n++) {
    clock.advance(HOUR_MS / guesses);
    const body = JSON.stringify({ challenge_id: "c-1", code: String(n).padStart(6, "0"), client_public_key: KEY });
    const address = `198.51.${n % 4}.${(n >> 2) % 250}`;
    const outcome = await servePublicCall(callOf(body, address), CONFIRM, parts).then(
      () => "forwarded",
      (error) => (error instanceof RestError ? error.code : "thrown"),
    );
    codes.set(outcome, (codes.get(outcome) ?? 0) + 1);
  }
  // The burst plus one per ten seconds of the hour.
  expect(forwarded).toBeLessThanOrEqual(5 + 360);
  expect(forwarded).toBeGreaterThan(360);
  expect([...codes]).toEqual([
    ["forwarded", forwarded],
    ["rate_limited", guesses - forwarded],
  ]);
});

test("the expensive check of the key is skipped if the budget is empty", async () => {
  let checks = 0;
  const rules = { algorithms: ["EdDSA", "ES256"] as const, isStrictKey: () => ++checks > 0 };
  const route = onlyPath([defaultEntry("confirm-email-code")], rules);
  const parts = {
    backend: {
      forward: async () => ({
        status: 400,
        contentType: "application/json",
        body: new Uint8Array(),
        retryAfter: undefined,
        headers: {},
      }),
    },
    buckets: new MemoryBucketStore({ entriesMax: 100 }),
    clock: new ManualClock(),
    budgets: BUDGETS,
    onShadowRefusal() {},
    isStopping: () => false,
    shuttingDown: () => refuse("SHUTTING_DOWN"),
  };
  const guess = async () => {
    const body = JSON.stringify({ challenge_id: "c-1", code: "1", client_public_key: KEY });
    return servePublicCall(callOf(body, "192.0.2.1"), route, parts);
  };
  for (let n = 0; n < 5; n++) expect((await guess()).status).toBe(400);
  for (let n = 0; n < 5; n++) await expect(guess()).rejects.toMatchObject({ code: "rate_limited" });
  expect(checks).toBe(5);
});

test("a stopping gateway refuses a call with the delay after which the client may retry, in whole seconds", async () => {
  const delays: string[] = [];
  for (const retryAfterMs of [100, 1001, 30_100]) {
    const parts = {
      backend: { forward: () => Promise.reject(new Error("the call reached the backend")) },
      buckets: new MemoryBucketStore({ entriesMax: 10 }),
      clock: new ManualClock(),
      budgets: BUDGETS,
      onShadowRefusal() {},
      isStopping: () => true,
      shuttingDown: () => refuse("SHUTTING_DOWN", { retryAfterMs }),
    };
    const error = await servePublicCall(callOf("{}", "198.51.100.1"), CONFIRM, parts).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RestError);
    if (error instanceof RestError) delays.push(`${error.code} ${error.headers["retry-after"]}`);
  }
  expect(delays).toEqual(["shutting_down 1", "shutting_down 2", "shutting_down 31"]);
});
