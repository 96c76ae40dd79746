import { describe, expect, test } from "bun:test";
import { type FloodedGateway, type Outcome, SEND_CODE_PATH, startFloodedGateway } from "../../support/flooded-gateway.ts";
import { until } from "../../support/until.ts";
import type { Device } from "../../support/world.ts";

/**
 * Ten times more keys than the tables hold, from thousands of addresses. No entry is forgotten early, no bucket is refilled by eviction,
 * memory does not grow, and requests are refused as proto/README.md says under "Full tables".
 */

const ROUTES = JSON.stringify([
  { message_type: "user.profile.get", method: "GET", path: "/api/v1/user/profile" },
  { message_type: "user.profile.once", method: "GET", path: "/api/v1/user/profile", budget: { rate: 0.001, burst: 1 } },
]);
/** Sizes of the tables that a test does not fill. They are small, so that their memory is allocated early. */
const TABLE_SIZES = { "replay.entries_max": "50000", "buckets.entries_max": "50000", "session_cache.entries_max": "20000" };
/** Concurrent requests from the proxy to the gateway. */
const CONCURRENCY = 32;
/** The bound on the growth of resident memory. Allocators vary under the same load. */
const RESIDENT_GROWTH_BYTES_MAX = 20 * 1024 * 1024;
/** The bound on the growth of the live heap: about a hundred bytes per request of a flood's second half. */
const HEAP_GROWTH_BYTES_MAX = 512 * 1024;
const SAMPLES = 4;
const SAMPLE_INTERVAL_MS = 25;
const TIMEOUT_MS = 60_000;

async function withGateway(
  settings: Parameters<typeof startFloodedGateway>[0],
  run: (gateway: FloodedGateway) => Promise<void>,
): Promise<void> {
  const gateway = await startFloodedGateway({ ...TABLE_SIZES, routes: ROUTES, ...settings });
  try {
    await run(gateway);
  } finally {
    await gateway.close();
  }
}

/** The n-th address: IPv4 for even n, an own IPv6 /48 for odd n. */
function address(n: number): string {
  return n % 2 === 0 ? `198.18.${(n >> 9) & 255}.${(n >> 1) & 255}` : `2001:db8:${(n >> 1).toString(16)}::1`;
}

/** Calls `send` for each number from `first` to `end - 1`, concurrently. */
async function flood(first: number, end: number, send: (n: number) => Promise<unknown>): Promise<void> {
  let next = first;
  const worker = async () => {
    while (next < end) await send(next++);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

/** A flood. The gateway's memory must not grow during its second half. */
async function floodFlat(
  gateway: FloodedGateway,
  first: number,
  end: number,
  send: (n: number) => Promise<unknown>,
): Promise<void> {
  const middle = (first + end) / 2;
  await flood(first, middle, send);
  const before = await memoryOf(gateway);
  await flood(middle, end, send);
  const after = await memoryOf(gateway);
  expect(after.heapBytes - before.heapBytes).toBeLessThan(HEAP_GROWTH_BYTES_MAX);
  expect(after.residentBytes - before.residentBytes).toBeLessThan(RESIDENT_GROWTH_BYTES_MAX);
}

/** The minimum of a few samples, each after a garbage collection. One sample may include a request that is being served. */
async function memoryOf({ process }: FloodedGateway) {
  const least = { residentBytes: Number.POSITIVE_INFINITY, heapBytes: Number.POSITIVE_INFINITY };
  for (let n = 0; n < SAMPLES; n++) {
    const { heapSize, extraMemorySize } = await process.ask("heap");
    least.heapBytes = Math.min(least.heapBytes, heapSize + extraMemorySize);
    least.residentBytes = Math.min(least.residentBytes, await process.ask("residentBytes"));
    await Bun.sleep(SAMPLE_INTERVAL_MS);
  }
  return least;
}

/** Keeps a session in use: sends one command after the other from one address. `stop` resolves to the outcomes. */
async function use(gateway: FloodedGateway, device: Device, from: string, messageType?: string) {
  const outcomes: string[] = [];
  let isOver = false;
  const run = async () => {
    while (!isOver) {
      outcomes.push((await gateway.execute(await gateway.sign(device, messageType), from)).code);
      await Bun.sleep(5);
    }
  };
  const running = run().catch((error) => outcomes.push(String(error)));
  await until(() => outcomes.length > 0, "the session to be in use");
  const stop = async (): Promise<readonly string[]> => {
    isOver = true;
    await running;
    return outcomes;
  };
  return { stop };
}

const count = (outcomes: readonly string[], wanted: string) => outcomes.filter((each) => each === wanted).length;
const some = <T>(list: readonly T[], n: number): T => list[n % list.length] ?? expect.unreachable();

describe("more request ids than the table of reservations holds", () => {
  const ENTRIES_MAX = 800;
  const REQUESTS = 8000;
  const ADDRESSES = 3000;
  const SESSIONS = 5;

  test(
    "an accepted request is never accepted again; requests without room are refused for every session; memory does not grow",
    () =>
      withGateway({ "replay.entries_max": String(ENTRIES_MAX) }, async (gateway) => {
        const honest = await use(gateway, await gateway.login("192.0.2.1"), "192.0.2.1");
        const attackers = await Promise.all(Array.from({ length: SESSIONS }, (_, n) => gateway.login(`192.0.2.${10 + n}`)));
        const accepted: object[] = [];
        const first: string[] = [];
        const replays: string[] = [];
        const replay = async (n: number, from: string) => replays.push((await gateway.execute(some(accepted, n), from)).code);
        await floodFlat(gateway, 0, REQUESTS, async (n) => {
          const request = await gateway.sign(some(attackers, n));
          const { code } = await gateway.execute(request, address(n % ADDRESSES));
          first.push(code);
          if (code === "ok") accepted.push(request);
          if (n % 10 === 9 && accepted.length > 0) await replay(n * 7, address((n + 1) % ADDRESSES));
        });
        await flood(0, accepted.length, (n) => replay(n, address(n)));

        const honestOutcomes = await honest.stop();
        const full = "REPLAY_STORE_UNAVAILABLE";
        const served = count(honestOutcomes, "ok");
        expect(served).toBeGreaterThan(0);
        expect(honestOutcomes).toEqual([
          ...new Array(served).fill("ok"),
          ...new Array(honestOutcomes.length - served).fill(full),
        ]);
        expect([count(first, "ok"), count(first, full)]).toEqual([ENTRIES_MAX - served, REQUESTS - ENTRIES_MAX + served]);
        expect(replays.length).toBeGreaterThan(accepted.length);
        expect(count(replays, "REQUEST_REPLAYED")).toBe(replays.length);
        expect([gateway.executed.length, new Set(gateway.executed).size]).toEqual([ENTRIES_MAX, ENTRIES_MAX]);
        expect(await gateway.process.ask("metric", "sallyport_replay_entries")).toBe(ENTRIES_MAX);
        // A login needs no reservation.
        expect((await gateway.login("192.0.2.2")).userId).not.toBe("");
      }),
    TIMEOUT_MS,
  );
});

describe("more addresses than the tables of buckets hold", () => {
  const ENTRIES_MAX = 500;
  const SESSION_REQUESTS = 2000;
  const UNVERIFIED_REQUESTS = 6000;
  const TTL_MS = 1000;
  const BURSTS = { ip: 100_000, session: 100_000, user: 100_000, failures: 3, public_auth: 5, send_code: 3 };
  /** Rates so low that no bucket refills during the test, so that every bucket must be kept. */
  const SLOW = Object.entries(BURSTS).flatMap(([name, burst]) => [
    [`budgets.${name}.rate`, "0.001"],
    [`budgets.${name}.burst`, String(burst)],
  ]);
  const SETTINGS = {
    ...Object.fromEntries(SLOW),
    ...{ "buckets.entries_max": String(ENTRIES_MAX), "session_cache.ttl_ms": String(TTL_MS) },
  };
  /** Retry-After is one second if the table is full. If a bucket is empty, it is the time until the next token. */
  const tableIsFull = ({ retryAfter }: Outcome) => retryAfter === 1;
  const isEmpty = ({ code, retryAfter }: Outcome) => [code, retryAfter > 900] as const;

  test(
    "empty buckets stay empty; sessions in use are served; new addresses and idle sessions are refused; memory does not grow",
    () =>
      withGateway(SETTINGS, async (gateway) => {
        const [used, idle, spent, attacker] = [
          await gateway.login("192.0.2.1"),
          await gateway.login("192.0.2.2"),
          await gateway.login("192.0.2.3"),
          await gateway.login("192.0.2.4"),
        ];
        const from = async (device: Device, address: string) => gateway.execute(await gateway.sign(device), address);
        const forge = async (n: number) => ({ ...(await gateway.sign(used)), signature: new Uint8Array(64).fill(n) });
        const fail = async (from = "192.0.2.5") => gateway.execute(await forge(1), from);
        const mail = (from: string) => gateway.sendCode("victim@example.com", from);

        expect((await from(idle, "192.0.2.2")).code).toBe("ok");
        const idleSinceMs = performance.now();
        const inUse = await use(gateway, used, "192.0.2.1");
        const limited = await use(gateway, spent, "192.0.2.3", "user.profile.once");
        for (let n = 0; n < BURSTS.failures; n++) expect((await fail()).code).toBe("SIGNATURE_INVALID");
        for (let n = 0; n < BURSTS.send_code; n++) expect((await mail(`192.0.2.${10 + n}`)).code).toBe("ok");
        expect((await fail("192.0.2.8")).code).toBe("SIGNATURE_INVALID");
        // This address now has a bucket of failed public calls with tokens left.
        expect((await gateway.sendCode("no address", "192.0.2.10")).code).toBe("invalid_request");
        const mails = gateway.faults.calls(SEND_CODE_PATH);

        // One session sends from many addresses. Each address needs one more bucket, until the table is full.
        const sessionOutcomes: Outcome[] = [];
        await flood(0, SESSION_REQUESTS, async (n) => sessionOutcomes.push(await from(attacker, address(n))));
        const refusedSession = sessionOutcomes.filter(({ code }) => code !== "ok");
        expect(sessionOutcomes.length - refusedSession.length).toBeLessThan(ENTRIES_MAX);
        expect(sessionOutcomes.length - refusedSession.length).toBeGreaterThan(ENTRIES_MAX / 2);
        expect(refusedSession.every((each) => each.code === "RATE_LIMITED ip" && tableIsFull(each))).toBe(true);

        // Unknown clients from many addresses: e-mail codes, empty requests, and forged requests of the session in use.
        const unverifiedOutcomes: Outcome[] = [];
        await floodFlat(gateway, SESSION_REQUESTS, SESSION_REQUESTS + UNVERIFIED_REQUESTS, async (n) => {
          if (n % 3 === 0) unverifiedOutcomes.push(await gateway.sendCode(`person-${n}@example.com`, address(n)));
          else unverifiedOutcomes.push(await gateway.execute(n % 3 === 1 ? {} : await forge(n), address(n)));
        });
        const limits = unverifiedOutcomes.filter(({ code }) => code === "rate_limited" || code === "RATE_LIMITED failures");
        expect(unverifiedOutcomes.length - limits.length).toBeLessThan(ENTRIES_MAX);
        expect(unverifiedOutcomes.length - limits.length).toBeGreaterThan(ENTRIES_MAX / 4);
        expect(limits.every(tableIsFull)).toBe(true);
        expect(await gateway.process.ask("metric", "sallyport_bucket_entries")).toBe(2 * ENTRIES_MAX);

        const served = await inUse.stop();
        expect(count(served, "ok")).toBe(served.length);
        const [once, ...more] = await limited.stop();
        expect([once, count(more, "RATE_LIMITED message_type")]).toEqual(["ok", more.length]);
        expect(isEmpty(await fail())).toEqual(["RATE_LIMITED failures", true]);
        expect(isEmpty(await mail("192.0.2.10"))).toEqual(["rate_limited", true]);
        const ownMails = unverifiedOutcomes.filter(({ code }) => code === "ok").length;
        expect(gateway.faults.calls(SEND_CODE_PATH) - mails).toBe(ownMails);

        expect((await from(used, "192.0.2.1")).code).toBe("ok");
        expect(await from(used, "192.0.2.6")).toEqual({ code: "RATE_LIMITED failures", retryAfter: 1 });
        await until(() => performance.now() - idleSinceMs > TTL_MS, "the idle session to be forgotten");
        expect(await from(idle, "192.0.2.2")).toEqual({ code: "RATE_LIMITED failures", retryAfter: 1 });
        // 192.0.2.8 has a bucket of failures with tokens left, so check 0 passes. Check 7 has no room for its bucket of requests.
        expect((await from(idle, "192.0.2.8")).code).toBe("RATE_LIMITED ip");
        expect(await gateway.sendCode("new@example.com", "192.0.2.7")).toEqual({ code: "rate_limited", retryAfter: 1 });
      }),
    TIMEOUT_MS,
  );
});
